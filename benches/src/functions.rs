//! The function that every row calls, and that function under each policy of MMF.

use std::fmt;
use std::hint::black_box;

use mmf::{ResilienceError, resilient};

/// The error of the function, which can carry any refusal.
#[derive(Debug, Clone)]
pub struct Error;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl std::error::Error for Error {}

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

/// Answers at once.
///
/// # Errors
///
/// Never, though the compiler cannot know.
#[inline(never)]
pub async fn work(id: u64) -> Result<u64, Error> {
    black_box(Ok(black_box(id)))
}

/// Values for each policy of [`all_four`].
pub const CONFIGURATION: &str = r#"
    [policies."mmf_benches::functions::all_four"]
    retry.max_attempts = 4
    timeout = "2s"
    breaker.failure_threshold = 6
    bulkhead.max_concurrent = 20
"#;

macro_rules! annotated {
    ($($(#[doc = $doc:literal])* $function:ident: [$($policy:tt)*];)*) => {$(
        $(#[doc = $doc])*
        ///
        /// # Errors
        ///
        /// A refusal.
        #[resilient($($policy)*)]
        pub async fn $function(id: u64) -> Result<u64, Error> {
            work(id).await
        }
    )*};
}

annotated! {
    /// Retried.
    retry: [retry];
    /// Behind a breaker that stays closed.
    breaker: [breaker];
    /// Behind a breaker that its first failure opens.
    open_breaker: [breaker(failure_threshold = 1, recovery_timeout = "1h", fail_if(|_: &Error| true))];
    /// Under a timeout.
    timeout: [timeout = "1s"];
    /// Behind a bulkhead with room.
    bulkhead: [bulkhead];
    /// Behind a bulkhead that several threads do not fill.
    roomy_bulkhead: [bulkhead = 1000];
    /// Behind a rate limit that is never reached.
    rate_limit: [rate_limit(permits = 1_000_000_000, period = "1s")];
    /// Four policies at once.
    all_four: [retry, breaker, timeout = "1s", bulkhead];
    /// Every policy but the fallback, whose state is the function's own affair.
    every_policy: [
        deadline = "10s",
        timeout = "1s",
        retry,
        breaker,
        rate_limit(permits = 1_000_000_000, period = "1s"),
        bulkhead(max_queue = 64),
        hedge = "100ms",
        fallback(value(0))
    ];
}
