//! `#[service]` on an `impl` block: its methods become operations, whose start and end are logged.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, Visibility};

use super::args::{Args, Operation};
use crate::common::anatomy::Anatomy;
use crate::common::block::Block;
use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::{PathValue, attribute_tokens};

// Input:  impl Users { pub async fn create(…) … }
// Output: the same block, each operation with an attribute that says so.
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
    let marked = method.take_attribute("operation");
    let written = marked.as_ref().map(attribute_tokens).unwrap_or_default();
    let operation = Operation::written(written.clone(), errors);
    operation.check(errors);
    let is_public = is_of_trait || matches!(method.vis, Visibility::Public(_));
    if operation.skip.is_some() {
        *chosen += 1;
        return method.into_token_stream();
    }
    let is_operation = match Anatomy::of(&method) {
        Ok(anatomy) => marked.is_some() || is_public && anatomy.is_async,
        Err(error) => {
            errors.extend(marked.as_ref().map(|_| error));
            false
        }
    };
    if !is_operation {
        return method.into_token_stream();
    }
    *chosen += 1;
    if errors.is_empty() {
        method.attrs.push(handed_on(args, &written));
    }
    method.into_token_stream()
}

// Output: #[::mmf::operation(__of_block, __component = "users", WRITTEN)]
//
/// The last attribute of the method is expanded last and so stands outermost: an operation is a call, whatever
/// stands above or below `#[service]`.
fn handed_on(args: &Args, written: &TokenStream) -> Attribute {
    let (krate, renamed) = match &args.krate {
        Some(PathValue(krate)) => (quote!(#krate), Some(quote!(, __crate = #krate))),
        None => (quote!(::mmf), None),
    };
    let component = args.name.as_ref().map(|name| {
        let name = &name.text;
        quote!(, __component = #name)
    });
    let written = (!written.is_empty()).then(|| quote!(, #written));
    syn::parse_quote!(#[#krate::operation(__of_block #component #renamed #written)])
}
