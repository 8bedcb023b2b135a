//! The attribute on an `impl` block: defaults for its methods.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Visibility;
use syn::ext::IdentExt;

use super::args::Args;
use super::function::function_tokens;
use crate::common::block::Block;
use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::{Name, Text, attribute_tokens};

// Input:  impl Client { #[resilient] pub async fn get(…) … }
// Output: the same block with the policies of the block and of each method in the methods.
pub(crate) fn expand(defaults: &Args, item: &TokenStream, mut errors: Errors) -> TokenStream {
    let Some(block) = errors.keep(Block::parse(item.clone())) else {
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
    let of_methods = [
        ("keep", defaults.keep.as_ref().and_then(|names| names.0.first()).map(Ident::span)),
        ("clone", defaults.clone.as_ref().and_then(|names| names.0.first()).map(Ident::span)),
        ("skip", defaults.skip.map(|skip| skip.0)),
    ];
    for (key, span) in of_methods {
        let Some(span) = span else { continue };
        errors.push(
            span,
            format!("`{key}` is about one method: write it in the `#[resilient(…)]` above that"),
        );
    }
    let (is_of_trait, mut chosen) = (block.is_of_trait, 0);
    let block =
        block.map(|method| method_tokens(method, defaults, is_of_trait, &mut chosen, &mut errors));
    if chosen == 0 && errors.is_empty() {
        errors.push(
            proc_macro2::Span::call_site(),
            "no method takes these policies: mark methods with `#[resilient]`, or write `all` for \
             every `pub` method",
        );
    }
    let errors = errors.into_tokens();
    quote!(#block #errors)
}

fn method_tokens(
    mut method: Function,
    defaults: &Args,
    is_of_trait: bool,
    chosen: &mut usize,
    errors: &mut Errors,
) -> TokenStream {
    let mut method_errors = Errors::default();
    let marked = method.take_attribute("resilient");
    let own = marked
        .as_ref()
        .map(|attribute| Args::read(attribute_tokens(attribute), &mut method_errors))
        .unwrap_or_default();
    let public = is_of_trait || matches!(method.vis, Visibility::Public(_));
    let by_all = defaults.all.filter(|_| marked.is_none() && public);
    let taken = marked.is_some() || by_all.is_some() && is_taken(&method);
    if own.skip.is_some() || !taken {
        errors.extend(method_errors.into_errors());
        if own.skip.is_none() && by_all.is_some() {
            refuse_result_by_another_name(defaults, &mut method);
        }
        return method.into_token_stream();
    }
    *chosen += 1;
    if let Some(all) = &own.all {
        method_errors.push(all.0, "`all` belongs to the attribute of an `impl` block");
    }
    let mut args = own.or(defaults);
    args.all = by_all;
    if let (None, Some(prefix)) = (&args.name, &defaults.name) {
        args.name = Some(name_under(prefix, defaults, &method));
    }
    function_tokens(args, method, method_errors)
}

/// `users` and `get` are `users.get`.
fn name_under(prefix: &Name, defaults: &Args, method: &Function) -> Name {
    let method = method.sig.ident.unraw();
    match prefix {
        Name::Text(Text { text, span }) => {
            Name::Text(Text { text: format!("{text}.{method}"), span: *span })
        }
        Name::Const(prefix) => {
            let (rt, method) = (defaults.runtime(), format!(".{method}"));
            Name::Const(Box::new(syn::parse_quote!(#rt::joined!(#prefix, #method))))
        }
    }
}

/// Whether `all` takes the method: it is `async`, or its return type is named as a result.
///
/// A name that ends in `Result` may be that of any type; with parameters it is an alias, as a rule.
fn is_taken(method: &Function) -> bool {
    let by_name = result_segment(method).is_some_and(|last| {
        last.ident == "Result" || !matches!(last.arguments, syn::PathArguments::None)
    });
    method.returns_future() || method.sig.asyncness.is_some() || by_name
}

/// The last segment of a return type that is named `…Result`.
fn result_segment(method: &Function) -> Option<&syn::PathSegment> {
    let syn::ReturnType::Type(_, ty) = &method.sig.output else { return None };
    let syn::Type::Path(path) = &**ty else { return None };
    path.path.segments.last().filter(|last| last.ident.to_string().ends_with("Result"))
}

// Input:  pub fn find(&self) -> QueryResult { BODY }
// Output: pub fn find(&self) -> QueryResult { const { is_no_result::<QueryResult>() }; BODY }
//
/// A method that `all` passes over, though it may return a result by another name: then the compiler says so.
fn refuse_result_by_another_name(defaults: &Args, method: &mut Function) {
    let (Some(last), Some(block)) = (result_segment(method), &method.block) else { return };
    let (rt, span) = (defaults.runtime(), Span::mixed_site().located_at(last.ident.span()));
    let (name, syn::ReturnType::Type(_, ret)) = (method.sig.ident.to_string(), &method.sig.output)
    else {
        return;
    };
    let message = format!(
        "`all` does not take `{name}`, which returns a `Result` by another name: mark it with `#[resilient]`, or \
         leave it out by `#[resilient(skip)]`"
    );
    let body = block.stream();
    let probe = quote_spanned! {span=>
        const {
            use #rt::IsNoResult as _;
            ::core::assert!(!#rt::ResultProbe::<#ret>::IS_RESULT, #message);
        };
    };
    let mut guarded = Group::new(Delimiter::Brace, quote!(#probe #body));
    guarded.set_span(block.span());
    method.block = Some(guarded);
}
