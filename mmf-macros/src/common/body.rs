//! The user's body, quoted so that it compiles as it did.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::anatomy::Anatomy;

// Input:  BODY
// Output:
//     if false { return never::<Ret>(); }
//     MOVES
//     { BODY }
//
/// What an `async` block holds in place of the body. A `return` of the declared type, to which it never comes, keeps
/// `?`, early returns and coercions inferring as in the original, with errors at the user's own expression
/// (tokio-rs/tracing#2270, #1616).
///
/// Nothing here needs an `allow`, which a `forbid` of the user's would refuse: no code comes after what may never
/// end, and the body is no part of a statement, where clippy would look for what diverges in it.
pub(crate) fn typed(
    rt: &TokenStream,
    anatomy: &Anatomy,
    moves: &TokenStream,
    span: Span,
) -> TokenStream {
    let (ret, body) = (&anatomy.ret, &anatomy.body);
    quote_spanned! {span=>
        if false {
            return #rt::never::<#ret>();
        }
        #moves
        { #body }
    }
}
