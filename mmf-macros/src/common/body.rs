//! The user's body, quoted so that it compiles as it did.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::function::Anatomy;
use super::names::private;

// Input:  BODY
// Output:
//     if false { let fake: Ret = loop {}; return fake; }
//     MOVES
//     let ret: Ret = { BODY };
//     ret
//
/// What an `async` block holds in place of the body. The unreachable `return` and the typed `let` keep `?`,
/// early returns and coercions inferring as in the original, with errors at the user's own expression
/// (tokio-rs/tracing#2270, #1616).
pub(crate) fn typed(anatomy: &Anatomy, moves: &TokenStream, span: Span) -> TokenStream {
    let (ret, body) = (&anatomy.ret, &anatomy.body);
    let (fake, value) = (private("__mmf_fake_return"), private("__mmf_return"));
    quote_spanned! {span=>
        #[allow(
            unknown_lints, unreachable_code, clippy::diverging_sub_expression,
            clippy::empty_loop, clippy::let_unit_value, clippy::let_with_type_underscore,
            clippy::needless_return, clippy::unreachable
        )]
        if false {
            let #fake: #ret = loop {};
            return #fake;
        }
        #moves
        #[allow(clippy::let_and_return, clippy::let_unit_value, clippy::let_with_type_underscore)]
        let #value: #ret = { #body };
        #[allow(unreachable_code)]
        #value
    }
}
