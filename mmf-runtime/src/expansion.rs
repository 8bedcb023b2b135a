//! What the attributes expand into calls of, gathered in one place. Not part of the interface.

pub use crate::resilience::ResilienceError;
use crate::resilience::error::CallResult;
use crate::resilience::outcome::Outcome;

pub use inventory;

#[cfg(feature = "chaos")]
pub use crate::chaos;
#[cfg(feature = "logging")]
pub use tracing;

#[cfg(feature = "logging")]
pub use crate::{failure, logging::ServiceLogger, operation, service};

pub use crate::resilience::bulkhead::learn;
pub use crate::resilience::deadline::Deadline;
pub use crate::resilience::error::{IsNoResult, ResultProbe, ValueOf};
pub use crate::resilience::fallback::{self, FallbackTakesThisArgument, StaleValues};
pub use crate::resilience::feature::{DegradationLevel, Gate};
pub use crate::resilience::outcome::Counted;
pub use crate::resilience::provider::Provider;
pub use crate::resilience::registry::{Origin, Parts, Registration, Site, kept, shared_breaker};
pub use crate::resilience::retry::{Retry, RetryEvent, Retrying};
pub use crate::resilience::{
    AdaptiveLimit, Backoff, Bulkhead, CircuitBreaker, HedgePolicy, KeyedBreakers, KeyedBulkheads,
    KeyedRateLimiters, LimitAlgorithm, RateLimiter, Refusal, Refusals, RetryBudget, RetryPolicy,
};
pub use crate::returned::{ByDebug, ByDisplay, ByName, MayFail, NeverFails, Printed, Returned};
pub use crate::{error_text, failed, joined};

/// A value of a type, in code that is never run: what is there for inference alone.
///
/// # Panics
///
/// Where it is run.
#[cold]
pub fn never<T>() -> T {
    unreachable!("code for inference is never run")
}

/// What a fallback of the user's returned: a result, or the future of one.
///
/// The inherent method is found for a result, the one of [`Later`] for a future, and that of [`NoAnswer`] for
/// whatever else.
#[derive(Debug)]
pub struct Answer<R>(pub R);

impl<T, E> Answer<Result<T, E>> {
    /// The result.
    ///
    /// # Errors
    ///
    /// The fallback's own.
    #[expect(clippy::unused_async, reason = "called like its twin in `Later`")]
    pub async fn resolve(self) -> Result<T, E> {
        self.0
    }
}

/// What a hook of the user's returned: nothing, or the future of nothing.
#[derive(Debug)]
pub struct Told<R>(pub R);

impl Told<()> {
    /// Nothing is left to do.
    #[expect(clippy::unused_async, reason = "called like its twin in `Later`")]
    pub async fn resolve(self) {}
}

impl<F: Future> Later for Told<F> {
    type Output = F::Output;

    async fn resolve(self) -> F::Output {
        self.0.await
    }
}

/// The answer of an `async fn`.
#[expect(async_fn_in_trait, reason = "implemented once, below")]
pub trait Later {
    /// What the future resolves to.
    type Output;
    /// Waits for the answer.
    async fn resolve(self) -> Self::Output;
}

impl<F: Future> Later for Answer<F> {
    type Output = F::Output;

    async fn resolve(self) -> F::Output {
        self.0.await
    }
}

/// Whatever else, of which something else tells that it is no answer: never run.
#[expect(async_fn_in_trait, reason = "never awaited")]
pub trait NoAnswer {
    /// What it is.
    type Output;
    /// Never run.
    async fn resolve(self) -> Self::Output;
}

impl<R> NoAnswer for &Answer<R> {
    type Output = R;

    async fn resolve(self) -> R {
        never()
    }
}

/// The result by the name that the function gives it.
#[inline]
pub fn from_result<R: CallResult>(result: Result<R::Value, R::Error>) -> R {
    R::from_result(result)
}

/// Turns a refusal into an error. The refusal comes first, so that the type of a closure's argument is known.
#[inline]
pub fn turned<E>(refusal: ResilienceError, into: impl FnOnce(ResilienceError) -> E) -> E {
    into(refusal)
}

/// How a refusal becomes an error, which is of the type that the outcome has.
#[inline]
pub fn refused_by<T, E, F: Fn(ResilienceError) -> E>(_: &Outcome<T, E>, refused: F) -> F {
    refused
}

/// What makes a copy of a hedged call. Said here, a body that consumes an argument is an error at the
/// place where it does.
#[inline]
pub fn repeatable<M: Fn() -> C, C>(copy: M) -> M {
    copy
}

/// Asks a predicate. The value comes first, so that the type of a closure's argument is known.
#[inline]
pub fn ask<X, R>(value: &X, predicate: impl FnOnce(&X) -> R) -> R {
    predicate(value)
}

/// Tells a hook of an event, which the future of an `async` one may borrow.
#[inline]
pub fn tell<'e, X, R>(event: &'e X, hook: impl FnOnce(&'e X) -> R) -> R {
    hook(event)
}

/// Two texts in one, where the first is a constant.
#[doc(hidden)]
#[macro_export]
macro_rules! joined {
    ($first:expr, $second:expr) => {{
        const __MMF_FIRST: &::core::primitive::str = $first;
        const __MMF_SECOND: &::core::primitive::str = $second;
        const __MMF_JOINED: [::core::primitive::u8; __MMF_FIRST.len() + __MMF_SECOND.len()] =
            $crate::expansion::join(__MMF_FIRST, __MMF_SECOND);
        match ::core::str::from_utf8(&__MMF_JOINED) {
            ::core::result::Result::Ok(text) => text,
            ::core::result::Result::Err(_) => ::core::panic!("two texts are one"),
        }
    }};
}

/// The bytes of two texts.
///
/// # Panics
///
/// Where they are not `N`.
pub const fn join<const N: usize>(first: &str, second: &str) -> [u8; N] {
    let mut joined = [0; N];
    let (start, end) = joined.split_at_mut(first.len());
    start.copy_from_slice(first.as_bytes());
    end.copy_from_slice(second.as_bytes());
    joined
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    #[test]
    fn constants_are_joined() {
        const PREFIX: &str = "usérs";
        const NAME: &str = joined!(PREFIX, ".get");
        assert_eq!(NAME, "usérs.get");
    }
}
