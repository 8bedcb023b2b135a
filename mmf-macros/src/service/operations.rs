//! `#[service]` on an `impl` block: its methods become operations, whose start and end are logged.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Visibility;

use super::args::{Args, Operation};
use crate::common::block::Block;
use crate::common::body::typed;
use crate::common::errors::Errors;
use crate::common::function::{Anatomy, Function};
use crate::common::keys::{attribute_tokens, is_named, items};
use crate::common::names::{located_at, private, replace};

// Input:  impl Users { pub async fn create(…) … }
// Output: the same block, each operation with its body wrapped.
pub(super) fn expand(args: &Args, item: &TokenStream, mut errors: Errors) -> TokenStream {
    args.check_no_process(&mut errors);
    let Some(block) = errors.keep(Block::parse(item.clone())) else {
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
    let (is_of_trait, mut chosen) = (block.is_of_trait, 0);
    let block = block.map(|method| {
        let mut errors_of_method = Errors::default();
        let method = method_tokens(args, method, is_of_trait, &mut chosen, &mut errors_of_method);
        errors.extend(errors_of_method.into_errors());
        method
    });
    if chosen == 0 && errors.is_empty() {
        errors.push(
            Span::call_site(),
            "no method is an operation: every `pub async fn` is one, and what is marked with \
             `#[operation]`",
        );
    }
    let errors = errors.into_tokens();
    quote!(#block #errors)
}

fn method_tokens(
    args: &Args,
    mut method: Function,
    is_of_trait: bool,
    chosen: &mut usize,
    errors: &mut Errors,
) -> TokenStream {
    let marked = method.attrs.iter().position(|attribute| is_named(attribute, "operation"));
    let operation = marked.map(|place| {
        let attribute = method.attrs.remove(place);
        Operation::read(items(attribute_tokens(&attribute), errors), errors)
    });
    if let Some(operation) = &operation {
        operation.check(errors);
    }
    let is_public = is_of_trait || matches!(method.vis, Visibility::Public(_));
    let operation = match operation {
        Some(operation) if operation.skip.is_some() => {
            *chosen += 1;
            None
        }
        Some(operation) => Some(operation),
        None => is_public.then(Operation::default),
    };
    let Some(operation) = operation else { return method.into_token_stream() };
    if marked.is_none() && method.block.is_none() {
        return method.into_token_stream();
    }
    let anatomy = match Anatomy::of(&method) {
        Ok(anatomy) if anatomy.is_async || marked.is_some() => anatomy,
        Err(error) if marked.is_some() => {
            errors.extend([error]);
            return method.into_token_stream();
        }
        _ => return method.into_token_stream(),
    };
    *chosen += 1;
    if !errors.is_empty() {
        return method.into_token_stream();
    }
    let body = anatomy.rebuild(body(args, &operation, &method, &anatomy));
    let Function { attrs, vis, defaultness, sig, .. } = &method;
    quote!(#(#attrs)* #vis #defaultness #sig { #body })
}

// Input:  BODY
// Output:
//     let operation = begin("create", Some("users"), Level::INFO, span!(…));
//     let body = pin!(async move { BODY });
//     let result: Ret = operation.run(body, |result| failure!(result)).await;
//     result
fn body(args: &Args, operation: &Operation, method: &Function, anatomy: &Anatomy) -> TokenStream {
    let rt = args.runtime();
    let span = Span::mixed_site().located_at(anatomy.ret_span);
    let ident = syn::ext::IdentExt::unraw(&method.sig.ident).to_string();
    let name = operation.name.as_ref().map_or(&ident, |name| &name.text);
    let component = match &args.name {
        Some(name) => {
            let name = &name.text;
            quote!(::core::option::Option::Some(#name))
        }
        None => quote!(::core::option::Option::None),
    };
    let level = operation.level();
    let fields = operation.fields.as_ref().map(|fields| match anatomy.self_name {
        "self" => fields.0.clone(),
        other => replace(fields.0.clone(), "self", other),
    });
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
    let rt_here = located_at(rt.clone(), span);
    let failure = quote_spanned!(span=> |#result| #rt_here::failure!(#result));
    if !anatomy.is_async {
        let body = &anatomy.body;
        return quote_spanned! {span=>
            #begin
            #running.run_blocking(move || -> #ret { #body }, #failure)
        };
    }
    // Attributes that run the body again only lend it its arguments.
    let is_repeated = method.attrs.iter().any(|attribute| is_named(attribute, "resilient"));
    let movement = if is_repeated { TokenStream::new() } else { quote!(move) };
    let inner = typed(anatomy, &TokenStream::new(), span);
    quote_spanned! {span=>
        #begin
        let #body = ::core::pin::pin!(async #movement { #inner });
        #[allow(clippy::let_and_return, clippy::let_unit_value, clippy::let_with_type_underscore)]
        let #result: #ret = #running.run(#body, #failure).await;
        #result
    }
}
