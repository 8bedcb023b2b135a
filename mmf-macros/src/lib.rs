//! The attributes of MMF. Use them through the `mmf` facade, which also carries what they expand to.
//!
//! Each attribute goes parse → check → expand: `args.rs` says what was written, `check.rs` what it
//! means and everything that is wrong with it, `expand.rs` prints the code.

mod common;
mod resilient;

use proc_macro::TokenStream;

/// Gives an `async fn` or a `fn` that returns a `Result` the behaviour of resilience policies.
///
/// ```ignore
/// #[mmf::resilient(timeout = "2s", retry(max_attempts = 5), breaker)]
/// async fn fetch_user(&self, id: UserId) -> Result<User, ApiError> { … }
/// ```
///
/// All groups and keys are documented in the facade's `resilience` module.
#[proc_macro_attribute]
pub fn resilient(args: TokenStream, item: TokenStream) -> TokenStream {
    resilient::resilient(args.into(), item.into()).into()
}
