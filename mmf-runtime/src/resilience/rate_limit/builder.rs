//! How a rate limiter is built: each value by its key, held against the rules.

use std::sync::Arc;
use std::time::Duration;

use mmf_rules::keys::{Keys, RATE_LIMIT};
use mmf_rules::value::Value;

use super::bucket::RateLimiter;
use super::limits::Limits;
use crate::resilience::invalid::{Check, InvalidPolicy};
use crate::resilience::name::{KeyLabel, PolicyName};
use crate::resilience::setting::Values;

impl RateLimiter {
    /// What it was built with, with these values in place of its own.
    pub(in crate::resilience) fn prepare(
        &self,
        values: &Values<'_>,
    ) -> Result<Arc<Limits>, InvalidPolicy> {
        RateLimiterBuilder::changed(&self.name, self.built(), values)
    }

    /// Starts from 100 permits per second, no waiting.
    pub fn builder(name: impl Into<PolicyName>) -> RateLimiterBuilder {
        RateLimiterBuilder {
            name: name.into(),
            permits: 100,
            period: Duration::from_secs(1),
            burst: None,
            max_wait: Duration::ZERO,
            written: Keys::default(),
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
    written: Keys,
}

impl RateLimiterBuilder {
    /// One that has all the values of a limiter.
    fn of(name: PolicyName, limits: &Limits) -> Self {
        let Limits { permits, period, burst, max_wait, written, .. } = *limits;
        let burst = written.has(&RATE_LIMIT, "burst").then_some(burst);
        Self { name, permits, period, burst, max_wait, written }
    }

    /// Sets the value of a key, as it is read from outside.
    fn set(self, key: &str, value: &Value) -> Self {
        match (key, value) {
            ("permits", Value::Count(permits)) => self.permits(*permits),
            ("period", Value::Time(period)) => self.period(*period),
            ("burst", Value::Count(burst)) => self.burst(*burst),
            ("max_wait", Value::Time(wait)) => self.max_wait(*wait),
            _ => self,
        }
    }

    /// Permits per period, at most one a nanosecond; 0 is invalid. Default: 100.
    pub fn permits(mut self, permits: u32) -> Self {
        self.written.insert(const { Keys::of(&RATE_LIMIT, "permits") });
        self.permits = permits;
        self
    }

    /// The period. Default: 1 s. More than 30 days from one permit to the next are invalid.
    pub fn period(mut self, period: Duration) -> Self {
        self.written.insert(const { Keys::of(&RATE_LIMIT, "period") });
        self.period = period;
        self
    }

    /// How many permits may be saved up; 0 is invalid. Default: `permits`.
    pub fn burst(mut self, burst: u32) -> Self {
        self.written.insert(const { Keys::of(&RATE_LIMIT, "burst") });
        self.burst = Some(burst);
        self
    }

    /// How long a call may wait for its permit. Default: not at all.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.written.insert(const { Keys::of(&RATE_LIMIT, "max_wait") });
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

    /// What was built with these values in place of its own.
    pub(super) fn changed(
        name: &PolicyName,
        limits: &Limits,
        values: &Values<'_>,
    ) -> Result<Arc<Limits>, InvalidPolicy> {
        let mut builder = values.set(Self::of(name.clone(), limits), Self::set);
        builder.mend().refuse()?;
        Ok(Arc::new(builder.limits()))
    }

    pub(super) fn limits(&self) -> Limits {
        let burst = self.burst.unwrap_or(self.permits);
        Limits::new((self.permits, self.period, burst), self.max_wait, self.written)
    }

    fn built(self, key: Option<KeyLabel>) -> RateLimiter {
        let limits = self.limits();
        RateLimiter::new(self.name, key, limits)
    }
}
