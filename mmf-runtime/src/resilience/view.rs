//! The policies of a call, as it goes through them.

use std::time::Duration;

use super::breaker::CircuitBreaker;
use super::built::{Joined, One};
use super::bulkhead::Bulkhead;
use super::error::Refusals;
use super::hedge::HedgePolicy;
use super::left::Left;
use super::rate_limit::RateLimiter;
use super::retry::RetryPolicy;

/// The policies of a call, by reference: what is by key has been found by now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'v> {
    pub(crate) deadline: Option<Duration>,
    pub(crate) retry: Option<&'v RetryPolicy>,
    pub(crate) breaker: Option<&'v CircuitBreaker>,
    pub(crate) rate_limit: Option<&'v RateLimiter>,
    pub(crate) hedge: Option<&'v HedgePolicy>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) bulkhead: Option<&'v Bulkhead>,
    pub(crate) retry_refusals: Refusals,
    pub(crate) fail_refusals: Refusals,
    /// Where attempts leave what they hold, of a call that goes on after its answer.
    pub(super) left: Option<&'v Left<'v>>,
}

impl<'v> View<'v> {
    /// Those that are for all calls.
    #[inline]
    pub(super) fn of(joined: &'v Joined) -> Self {
        Self {
            deadline: joined.deadline,
            retry: joined.retry.as_deref(),
            breaker: joined.breaker.as_ref().and_then(One::for_all),
            rate_limit: joined.rate_limit.as_ref().and_then(One::for_all),
            hedge: joined.hedge.as_deref(),
            timeout: joined.timeout,
            bulkhead: joined.bulkhead.as_ref().and_then(One::for_all),
            retry_refusals: joined.retry_refusals,
            fail_refusals: joined.fail_refusals,
            left: None,
        }
    }
}
