//! The attribute on a function, from what was written to the code.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::args::Args;
use super::check::{self, Model};
use super::expand;
use crate::chaos;
use crate::common::errors::Errors;
use crate::common::function::Function;

/// The function with its policies, or as it was with all errors.
pub(super) fn function_tokens(
    args: Args,
    mut function: Function,
    mut errors: Errors,
) -> TokenStream {
    function.expect_nothing_of_clippy();
    let point = chaos::of_resilient(&mut function, &mut errors);
    let model = check::check(args, &function, &mut errors);
    match model {
        Some(model) if errors.is_empty() => expand::expand(&Model { point, ..model }, function),
        _ => {
            let errors = errors.into_tokens();
            let function = function.into_token_stream();
            quote!(#function #errors)
        }
    }
}
