//! Whether and when to try again: `policy` is what the user sets, `retrying` the retries of one call.

mod policy;
mod retrying;

pub use policy::{Delays, RetryPolicy, RetryPolicyBuilder};
pub use retrying::RetryEvent;
#[doc(hidden)]
pub use retrying::{Retry, Retrying};
