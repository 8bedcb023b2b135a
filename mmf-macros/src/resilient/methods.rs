//! The attribute on an `impl` block: defaults for its methods.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Visibility;

use super::args::Args;
use super::function_tokens;
use crate::common::block::Block;
use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::{Text, attribute_tokens, is_named};

// Input:  impl Client { #[resilient] pub async fn get(…) … }
// Output: the same block with the policies of the block and of each method in the methods.
pub(crate) fn expand(defaults: &Args, item: &TokenStream, mut errors: Errors) -> TokenStream {
    let Some(block) = errors.keep(Block::parse(item.clone())) else {
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
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
    let marked = method.attrs.iter().position(|attribute| is_named(attribute, "resilient"));
    let mut method_errors = Errors::default();
    let own = match marked {
        Some(place) => {
            let attribute = method.attrs.remove(place);
            Args::read(attribute_tokens(&attribute), &mut method_errors)
        }
        None => Args::default(),
    };
    let public = is_of_trait || matches!(method.vis, Visibility::Public(_));
    let taken = marked.is_some() || defaults.all.is_some() && public && returns_result(&method);
    if own.skip.is_some() || !taken {
        errors.extend(method_errors.into_errors());
        return method.into_token_stream();
    }
    *chosen += 1;
    if let Some(all) = &own.all {
        method_errors.push(all.0, "`all` belongs to the attribute of an `impl` block");
    }
    let mut args = own.or(defaults);
    if let (None, Some(prefix)) = (&args.name, &defaults.name) {
        let text = format!("{}.{}", prefix.text, method.sig.ident);
        args.name = Some(Text { text, span: prefix.span });
    }
    function_tokens(args, method, method_errors)
}

/// Whether `all` takes the method: it is `async`, or names some `…Result` as its return type.
fn returns_result(method: &Function) -> bool {
    let named = match &method.sig.output {
        syn::ReturnType::Type(_, ty) => match &**ty {
            syn::Type::Path(path) => path
                .path
                .segments
                .last()
                .is_some_and(|segment| segment.ident.to_string().ends_with("Result")),
            _ => false,
        },
        syn::ReturnType::Default => false,
    };
    named || method.sig.asyncness.is_some()
}
