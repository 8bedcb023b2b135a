//! How a rate limiter is built: each value by its key, held against the rules.

use std::time::Duration;

use super::bucket::{FRACTION_BITS, LONGEST, RateLimiter};
use crate::clock::Ticker;
use crate::resilience::invalid::{Check, InvalidPolicy};
use crate::resilience::name::{KeyLabel, PolicyName};
use crate::sync::{AtomicU64, Mutex};

impl RateLimiter {
    /// Starts from 100 permits per second, no waiting.
    pub fn builder(name: impl Into<PolicyName>) -> RateLimiterBuilder {
        RateLimiterBuilder {
            name: name.into(),
            permits: 100,
            period: Duration::from_secs(1),
            burst: None,
            max_wait: Duration::ZERO,
        }
    }
}

/// Builds a [`RateLimiter`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RateLimiterBuilder {
    name: PolicyName,
    permits: u32,
    period: Duration,
    burst: Option<u32>,
    max_wait: Duration,
}

impl RateLimiterBuilder {
    /// Permits per period, at most one a nanosecond; 0 is invalid. Default: 100.
    pub fn permits(mut self, permits: u32) -> Self {
        self.permits = permits;
        self
    }

    /// The period. Default: 1 s. More than 30 days from one permit to the next are invalid.
    pub fn period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// How many permits may be saved up; 0 is invalid. Default: `permits`.
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = Some(burst);
        self
    }

    /// How long a call may wait for its permit. Default: not at all.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// The limiter, with a full bucket. A value that can never work is cut to the nearest that can, which is
    /// told by a warning: no permits mean one, and so does a burst of none; a period of none means a
    /// nanosecond, and more permits than nanoseconds as many.
    #[track_caller]
    pub fn build(mut self) -> RateLimiter {
        self.mend().tell(&self.name);
        self.built(None)
    }

    /// The limiter, where all its values can work.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy`] with all that is wrong.
    pub fn try_build(mut self) -> Result<RateLimiter, InvalidPolicy> {
        self.mend().refuse()?;
        Ok(self.built(None))
    }

    pub(super) fn name(&self) -> &PolicyName {
        &self.name
    }

    pub(super) fn mend(&mut self) -> Check {
        let Self { permits, period, burst, .. } = self;
        let mut check = Check::default();
        check.mend(permits, |permits| mmf_rules::at_least_one("permits", permits));
        check.mend(period, |period| mmf_rules::positive("period", period));
        check.mend(permits, |permits| mmf_rules::rate(permits, *period));
        check.mend(period, |period| mmf_rules::interval(*permits, period));
        check.mend(burst.get_or_insert(*permits), |burst| mmf_rules::at_least_one("burst", burst));
        check
    }

    pub(super) fn built(self, key: Option<KeyLabel>) -> RateLimiter {
        let burst = self.burst.unwrap_or(self.permits);
        let clock = Ticker::new();
        // Rounded up: a limit is never more than it says.
        let period = clock.ticks(self.period.as_nanos(), FRACTION_BITS);
        let interval = period.div_ceil(u128::from(self.permits));
        let interval = u64::try_from(interval).unwrap_or(LONGEST).min(LONGEST);
        RateLimiter {
            name: self.name,
            key,
            permits: self.permits,
            period: self.period,
            burst,
            clock,
            interval,
            tolerance: interval.saturating_mul(u64::from(burst) - 1).min(LONGEST),
            max_wait: self.max_wait,
            arrival: AtomicU64::new(0),
            queue: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }
}
