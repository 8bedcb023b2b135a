//! Policies that were joined at run time: what a pipeline holds, and shows of itself.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mmf_rules::duration;

use super::breaker::{CircuitBreaker, KeyedBreakers};
use super::bulkhead::{Bulkhead, KeyedBulkheads};
use super::counters::Counters;
use super::error::Refusals;
use super::events;
use super::handle::Held;
use super::hedge::HedgePolicy;
use super::identity::Identity;
use super::name::CallName;
use super::rate_limit::{KeyedRateLimiters, RateLimiter};
use super::retry::RetryPolicy;
use super::tuning::{Tunable, Tuning};

/// A policy for all calls, or one a key.
#[derive(Debug)]
pub(super) enum One<P: 'static, K: 'static> {
    ForAll(Held<'static, P>),
    ByKey(Held<'static, K>),
}

impl<P, K> One<P, K> {
    fn is_owned(&self) -> bool {
        matches!(self, Self::ForAll(Held::Owned(_)) | Self::ByKey(Held::Owned(_)))
    }

    #[inline]
    pub(super) fn for_all(&self) -> Option<&P> {
        match self {
            Self::ForAll(policy) => Some(policy),
            Self::ByKey(_) => None,
        }
    }

    #[inline]
    pub(super) fn by_key(&self) -> Option<&K> {
        match self {
            Self::ForAll(_) => None,
            Self::ByKey(keyed) => Some(keyed),
        }
    }
}

/// What the user has joined.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) deadline: Option<Duration>,
    pub(super) retry: Option<Held<'static, RetryPolicy>>,
    pub(super) breaker: Option<One<CircuitBreaker, KeyedBreakers>>,
    pub(super) rate_limit: Option<One<RateLimiter, KeyedRateLimiters>>,
    pub(super) hedge: Option<Held<'static, HedgePolicy>>,
    pub(super) timeout: Option<Duration>,
    pub(super) bulkhead: Option<One<Bulkhead, KeyedBulkheads>>,
    pub(super) retry_refusals: Refusals,
    pub(super) fail_refusals: Refusals,
}

impl Joined {
    /// Whether anything of it may belong to others as well.
    pub(super) fn may_share(&self) -> bool {
        let owned = |held: Option<bool>| held.unwrap_or(true);
        // A retry or a hedge that is owned may be a clone, which draws on the budget of another.
        self.retry.as_deref().is_some_and(RetryPolicy::shares_budget)
            || self.hedge.as_deref().is_some_and(HedgePolicy::shares_budget)
            || !owned(self.breaker.as_ref().map(One::is_owned))
            || !owned(self.rate_limit.as_ref().map(One::is_owned))
            || !owned(self.bulkhead.as_ref().map(One::is_owned))
    }

    #[inline]
    pub(super) fn breakers(&self) -> Option<&KeyedBreakers> {
        self.breaker.as_ref().and_then(One::by_key)
    }

    #[inline]
    pub(super) fn rate_limits(&self) -> Option<&KeyedRateLimiters> {
        self.rate_limit.as_ref().and_then(One::by_key)
    }

    #[inline]
    pub(super) fn bulkheads(&self) -> Option<&KeyedBulkheads> {
        self.bulkhead.as_ref().and_then(One::by_key)
    }

    /// Whether any policy is by key.
    #[inline]
    pub(super) fn is_by_key(&self) -> bool {
        self.breakers().is_some() || self.rate_limits().is_some() || self.bulkheads().is_some()
    }
}

/// The configuration as one would write it in the attribute.
impl fmt::Display for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |key: &str, time: Option<Duration>| {
            time.map(|time| format!("{key} = {:?}", duration::text(time)))
        };
        let keyed = |max_keys: usize| format!(", key(…), max_keys = {max_keys})");
        let refusals = |refusals: Refusals| format!(", on_refusal({refusals}))");
        let with =
            |text: String, more: String| text.strip_suffix(')').unwrap_or(&text).to_owned() + &more;
        let breaker = self.breaker.as_ref().map(|breaker| match breaker {
            One::ForAll(breaker) => with(breaker.describe(), refusals(self.fail_refusals)),
            One::ByKey(breakers) => {
                let text = with(breakers.describe(), refusals(self.fail_refusals));
                with(text, keyed(breakers.max_keys()))
            }
        });
        let rate_limit = self.rate_limit.as_ref().map(|limit| match limit {
            One::ForAll(limiter) => limiter.describe(),
            One::ByKey(limiters) => with(limiters.describe(), keyed(limiters.max_keys())),
        });
        let bulkhead = self.bulkhead.as_ref().map(|bulkhead| match bulkhead {
            One::ForAll(bulkhead) => bulkhead.describe(),
            One::ByKey(bulkheads) => with(bulkheads.describe(), keyed(bulkheads.max_keys())),
        });
        let retry = self.retry.as_deref();
        let parts = [
            time("deadline", self.deadline),
            time("timeout", self.timeout),
            retry.map(|retry| with(retry.describe(), refusals(self.retry_refusals))),
            breaker,
            rate_limit,
            bulkhead,
            self.hedge.as_deref().map(HedgePolicy::describe),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// A pipeline: its policies, and what is counted of its calls.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) name: CallName,
    pub(super) location: &'static Location<'static>,
    pub(super) description: String,
    pub(super) counters: Counters,
    pub(super) joined: Joined,
    /// What is changed of it from outside.
    pub(super) tuning: Tunable,
    /// A call came without a key, which was told.
    keyless: AtomicBool,
}

impl Built {
    pub(super) fn new(
        name: CallName,
        location: &'static Location<'static>,
        description: String,
        joined: Joined,
    ) -> Self {
        let (counters, keyless) = (Counters::new(), AtomicBool::new(false));
        Self { name, location, description, counters, joined, tuning: Tunable::new(), keyless }
    }

    pub(super) fn identity(&self) -> Identity<'_> {
        let (counters, tuning) = (Some(&self.counters), self.tuning.get());
        Identity { name: &self.name, counters, tuning }
    }

    /// The limit of a whole call by this tuning, where it has one.
    pub(super) fn deadline(&self, tuning: Option<&Tuning>) -> Option<Duration> {
        let tuned = tuning.and_then(|tuning| tuning.deadline);
        self.joined.deadline.map(|built| tuned.unwrap_or(built))
    }

    /// The limit of one attempt by this tuning, where it has one.
    pub(super) fn timeout(&self, tuning: Option<&Tuning>) -> Option<Duration> {
        let tuned = tuning.and_then(|tuning| tuning.timeout);
        self.joined.timeout.map(|built| tuned.unwrap_or(built))
    }

    /// A call has no key for what is by key, so that this does not apply to it: told once.
    #[cold]
    pub(super) fn has_no_key(&self, what: &'static str) {
        // Relaxed: who is first tells it.
        if !self.keyless.swap(true, Ordering::Relaxed) {
            events::keyless(self.name.as_str(), what);
        }
    }
}
