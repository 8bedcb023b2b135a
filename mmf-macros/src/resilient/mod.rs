//! `#[resilient]`: [`args`] is what was written, [`check`] what it means and all that is wrong with
//! it, [`expand`] the code, [`describe`] the configuration as text, `function` all of that for one, [`methods`] the attribute
//! on an `impl` block, [`words`] what is said of a key that is none.

mod args;
mod check;
mod describe;
mod expand;
mod function;
mod methods;
#[cfg(test)]
mod snapshots;
mod words;

use proc_macro2::TokenStream;
use quote::quote;

use crate::common::block::Block;
use crate::common::errors::{Errors, error};
use crate::common::function::Function;
use args::Args;
use function::function_tokens;

/// Expands the attribute. With any error, the item is emitted as it was beside the errors, so that
/// callers and editors still find it.
pub(crate) fn resilient(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::read(attribute, &mut errors);
    if Block::is_one(item) {
        return methods::expand(&args, item, errors);
    }
    match syn::parse2::<Function>(item.clone()) {
        Ok(function) => expand_function(args, function, errors),
        Err(_) => {
            let span = item
                .clone()
                .into_iter()
                .next()
                .map_or_else(proc_macro2::Span::call_site, |token| token.span());
            let of_trait =
                if is_trait(item) { ": write it on the methods of the trait" } else { "" };
            errors.extend([error(
                span,
                format!("`#[resilient]` goes on a function, a method or an `impl` block{of_trait}"),
            )]);
            let errors = errors.into_tokens();
            quote!(#item #errors)
        }
    }
}

fn is_trait(item: &TokenStream) -> bool {
    syn::parse2::<syn::ItemTrait>(item.clone()).is_ok()
}

fn expand_function(args: Args, function: Function, mut errors: Errors) -> TokenStream {
    for (flag, name) in [(args.all, "all"), (args.skip, "skip")] {
        if let Some(flag) = flag {
            errors.push(flag.0, format!("`{name}` belongs to the attribute of an `impl` block"));
        }
    }
    function_tokens(args, function, errors)
}
