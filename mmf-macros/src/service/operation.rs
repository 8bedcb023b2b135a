//! `#[operation]` on a method of a `#[service]` block: its start and end are logged.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::args::Operation;
use crate::common::anatomy::Anatomy;
use crate::common::body::typed;
use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::{items, needs_key, unknown_key};
use crate::common::names::{private, spanned};

/// Expands the attribute, which `#[service]` has put there; of a user's own, it says what is missing.
pub(crate) fn operation(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let operation =
        Operation::read(items(attribute, &mut errors, needs_key("name")), &mut errors, unknown_key);
    if operation.of_block.is_none() {
        errors = Errors::default();
        errors.push(
            Span::call_site(),
            "`#[operation]` needs `#[service]` on the `impl` block of the method",
        );
    }
    let function = syn::parse2::<Function>(item.clone()).map_err(Into::into);
    let expanded = errors.keep(function).and_then(|function: Function| {
        let anatomy = errors.keep(Anatomy::of(&function))?;
        errors.is_empty().then(|| expand(&operation, function, &anatomy))
    });
    expanded.unwrap_or_else(|| {
        let errors = errors.into_tokens();
        quote!(#item #errors)
    })
}

fn expand(operation: &Operation, mut function: Function, anatomy: &Anatomy) -> TokenStream {
    function.expect_nothing_of_clippy();
    let body = anatomy.rebuild(body(operation, &function, anatomy));
    let Function { attrs, vis, defaultness, sig, .. } = &function;
    quote!(#(#attrs)* #vis #defaultness #sig { #body })
}

// Input:  BODY
// Output:
//     let operation = begin("create", Some("users"), Level::INFO, span!(…));
//     let body = pin!(async move { BODY });
//     let result: Ret = operation.run(body, |result| failure!(result)).await;
//     result
fn body(operation: &Operation, method: &Function, anatomy: &Anatomy) -> TokenStream {
    let rt = operation.runtime();
    let span = Span::mixed_site().located_at(anatomy.ret_span);
    let ident = method.sig.ident.unraw().to_string();
    let name = operation.name.as_ref().map_or(&ident, |name| &name.text);
    let component = match &operation.component {
        Some(name) => {
            let name = &name.text;
            quote!(::core::option::Option::Some(#name))
        }
        None => quote!(::core::option::Option::None),
    };
    let level = operation.level();
    let fields = operation.fields.as_ref().map(|fields| anatomy.user_code(fields.0.clone()));
    let (running, body, result) =
        (private("__mmf_operation"), private("__mmf_body"), private("__mmf_result"));
    let begin = quote! {
        let #running = #rt::operation::begin(
            #name,
            #component,
            #rt::tracing::Level::#level,
            #rt::tracing::span!(
                target: "mmf::service",
                #rt::tracing::Level::ERROR,
                #name,
                operation = #name,
                request_id = #rt::tracing::field::Empty,
                component = #rt::tracing::field::Empty,
                #fields
            ),
        );
    };
    let ret = &anatomy.ret;
    let rt_here = spanned(rt.clone(), span);
    let failure = quote_spanned!(span=> |#result| #rt_here::failure!(#result));
    if !anatomy.is_async {
        let body = &anatomy.body;
        return quote_spanned! {span=>
            #begin
            #running.run_blocking(move || -> #ret { #body }, #failure)
        };
    }
    let inner = typed(&rt, anatomy, &TokenStream::new(), span);
    quote_spanned! {span=>
        #begin
        let #body = ::core::pin::pin!(async move { #inner });
        let #result: #ret = #running.run(#body, #failure).await;
        #result
    }
}
