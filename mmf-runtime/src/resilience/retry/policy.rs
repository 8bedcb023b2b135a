//! How often and how patiently a call is tried again.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mmf_rules::keys::{Keys, RETRY};
use mmf_rules::value::{UNLIMITED as ALL, Value};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::resilience::backoff::{Backoff, Curve, Dice};
use crate::resilience::budget::RetryBudget;
use crate::resilience::invalid::{Check, InvalidPolicy};
use crate::resilience::setting::{Setting, Settings, Values, describe};

/// As many attempts as it takes.
pub(super) const UNLIMITED: u32 = ALL;

/// How often and how patiently a call is tried again.
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::time::Duration;
/// use mmf::resilience::{Backoff, RetryPolicy};
///
/// let policy = RetryPolicy::builder()
///     .max_attempts(4)
///     .backoff(Backoff::Fibonacci)
///     .base_delay(Duration::from_millis(100))
///     .jitter(0.0)
///     .build();
/// let millis: Vec<_> = policy.delays().map(|delay| delay.as_millis()).collect();
/// assert_eq!(millis, [100, 100, 200]);
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "AdvancedRetryConfig")]
#[doc(alias = "AdvancedRetryManager")]
pub struct RetryPolicy {
    pub(super) max_attempts: u32,
    pub(super) curve: Curve,
    pub(super) max_duration: Option<Duration>,
    pub(super) budget: Option<Arc<RetryBudget>>,
    written: Keys,
}

impl RetryPolicy {
    /// Starts from the defaults: 3 attempts, exponential from 1 s to 60 s, doubled, 10 % jitter.
    pub fn builder() -> RetryPolicyBuilder {
        Self::default().to_builder()
    }

    /// Attempts in all, the first included; `u32::MAX` is as many as it takes.
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// It with these values in place of its own. It draws on the budget that it has, whose share is changed apart, or on the
    /// policy's `own`: what was saved up is not lost with another value.
    pub(in crate::resilience) fn prepare(
        &self,
        values: &Values<'_>,
        own: &OnceLock<Arc<RetryBudget>>,
    ) -> Result<Self, InvalidPolicy> {
        let mut builder = values.set(self.to_builder(), RetryPolicyBuilder::set);
        if builder.budget.is_some() {
            let own = || Arc::clone(own.get_or_init(|| Arc::new(RetryBudget::new(0.0))));
            builder.before = Some(self.budget.clone().unwrap_or_else(own));
        }
        builder.try_build()
    }

    pub(in crate::resilience) fn shares_budget(&self) -> bool {
        self.budget.as_ref().is_some_and(|budget| Arc::strong_count(budget) > 1)
    }

    /// What its retries draw on.
    pub(in crate::resilience) fn budget(&self) -> Option<&RetryBudget> {
        self.budget.as_deref()
    }

    fn to_builder(&self) -> RetryPolicyBuilder {
        RetryPolicyBuilder {
            policy: self.clone(),
            budget: None,
            before: None,
            max_delay_follows: true,
        }
    }

    /// The values it goes by.
    pub(in crate::resilience) fn settings(&self) -> Vec<Setting> {
        let Curve { backoff, base, max, multiplier, jitter } = &self.curve;
        let attempts = match self.max_attempts {
            UNLIMITED => Value::Unlimited,
            attempts => Value::Count(attempts),
        };
        Settings::of(&RETRY, self.written)
            .with("retry.max_attempts", attempts)
            .with("retry.backoff", Value::Word(backoff.name()))
            .with("retry.base_delay", Value::Time(*base))
            .with("retry.max_delay", Value::Time(*max))
            .with("retry.multiplier", Value::Number(*multiplier))
            .with("retry.jitter", Value::Number(*jitter))
            .maybe("retry.max_duration", self.max_duration.map(Value::Time))
            .maybe("retry.budget", self.budget.as_ref().map(|b| Value::Number(b.share())))
            .all()
    }

    pub(in crate::resilience) fn describe(&self) -> String {
        describe("retry", &self.settings())
    }

    /// The delays of one call, in order: `max_attempts - 1` of them, or without an end.
    pub fn delays(&self) -> Delays<'_> {
        Delays { policy: self, dice: Dice::Thread, retry: 0, previous: None }
    }

    /// The delays of one call, the same for each run with this `seed` and this version of rand.
    pub fn delays_seeded(&self, seed: u64) -> Delays<'_> {
        let dice = Dice::Seeded(Box::new(StdRng::seed_from_u64(seed)));
        Delays { policy: self, dice, retry: 0, previous: None }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            curve: Curve {
                backoff: Backoff::Exponential,
                base: Duration::from_secs(1),
                max: Duration::from_secs(60),
                multiplier: 2.0,
                jitter: 0.1,
            },
            max_duration: None,
            budget: None,
            written: Keys::default(),
        }
    }
}

/// Builds a [`RetryPolicy`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RetryPolicyBuilder {
    policy: RetryPolicy,
    /// The share of a budget that is built with the policy.
    budget: Option<f64>,
    /// The one that is there already.
    before: Option<Arc<RetryBudget>>,
    /// Whether a `base_delay` that is longer raises a `max_delay` that is not written.
    max_delay_follows: bool,
}

impl RetryPolicyBuilder {
    /// Attempts in all, the first included; 1 never retries, 0 is invalid. Default: 3.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.policy.written.insert(const { Keys::of(&RETRY, "max_attempts") });
        self.policy.max_attempts = attempts;
        self
    }

    /// As many attempts as it takes, or as `max_duration`, a deadline or the budget allow.
    pub fn unlimited_attempts(self) -> Self {
        self.max_attempts(UNLIMITED)
    }

    /// The strategy, or a closure from the number of the retry to its delay. Default: exponential.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.policy.written.insert(const { Keys::of(&RETRY, "backoff") });
        self.policy.curve.backoff = backoff.into();
        self
    }

    /// The delay that the strategy grows from. Default: 1 s.
    pub fn base_delay(mut self, delay: Duration) -> Self {
        self.policy.written.insert(const { Keys::of(&RETRY, "base_delay") });
        self.policy.curve.base = delay;
        self
    }

    /// No delay exceeds it, jitter included; less than `base_delay` is invalid. Default: 60 s, or `base_delay`
    /// where that is longer.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.policy.written.insert(const { Keys::of(&RETRY, "max_delay") });
        self.policy.curve.max = delay;
        self
    }

    /// Growth of the exponential kinds; less than 1.0 is invalid. Default: 2.0.
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.policy.written.insert(const { Keys::of(&RETRY, "multiplier") });
        self.policy.curve.multiplier = multiplier;
        self
    }

    /// ± this share of the delay, on the kinds that are not random themselves; 0.0 turns it off.
    /// Default: 0.1.
    pub fn jitter(mut self, share: f64) -> Self {
        self.policy.written.insert(const { Keys::of(&RETRY, "jitter") });
        self.policy.curve.jitter = share;
        self
    }

    /// No new attempt starts at or past this time since the call began. Default: no limit.
    pub fn max_duration(mut self, duration: Duration) -> Self {
        self.policy.written.insert(const { Keys::of(&RETRY, "max_duration") });
        self.policy.max_duration = Some(duration);
        self
    }

    /// Share of calls that may be retries; the policy and its clones draw on one budget. Default: no limit.
    pub fn budget(mut self, share: f64) -> Self {
        self.policy.written.insert(const { Keys::of(&RETRY, "budget") });
        (self.policy.budget, self.budget) = (None, Some(share));
        self
    }

    /// A budget that several policies draw on.
    pub fn shared_budget(mut self, budget: Arc<RetryBudget>) -> Self {
        self.policy.written.insert(const { Keys::of(&RETRY, "budget") });
        (self.policy.budget, self.budget) = (Some(budget), None);
        self
    }

    /// Sets the value of a key, as it is read from outside.
    fn set(mut self, key: &str, value: &Value) -> Self {
        // From outside all values are as if they were written: what an attribute refuses is refused.
        self.max_delay_follows = false;
        match (key, value) {
            ("max_attempts", Value::Count(attempts)) => self.max_attempts(*attempts),
            ("max_attempts", Value::Unlimited) => self.unlimited_attempts(),
            ("backoff", Value::Word(name)) => match Backoff::named(name) {
                Some(backoff) => self.backoff(backoff),
                None => self,
            },
            ("base_delay", Value::Time(delay)) => self.base_delay(*delay),
            ("max_delay", Value::Time(delay)) => self.max_delay(*delay),
            ("multiplier", Value::Number(factor)) => self.multiplier(*factor),
            ("jitter", Value::Number(share)) => self.jitter(*share),
            ("max_duration", Value::Time(duration)) => self.max_duration(*duration),
            ("budget", Value::Number(share)) => self.budget(*share),
            _ => self,
        }
    }

    /// The policy. A value that can never work is cut to the nearest that can, which is told by a warning:
    /// no attempt means one, a multiplier below 1.0 means 1.0, a jitter or budget outside 0..=1 is cut to it,
    /// `max_delay` below `base_delay` means `base_delay`.
    #[track_caller]
    pub fn build(mut self) -> RetryPolicy {
        self.mend().tell("retry");
        self.built()
    }

    /// The policy, where all its values can work.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy`] with all that is wrong.
    pub fn try_build(mut self) -> Result<RetryPolicy, InvalidPolicy> {
        self.mend().refuse()?;
        Ok(self.built())
    }

    fn mend(&mut self) -> Check {
        let Self { policy, budget, max_delay_follows, .. } = self;
        let RetryPolicy { max_attempts, curve, max_duration, written, .. } = policy;
        let mut check = Check::default();
        check.mend(max_attempts, |attempts| mmf_rules::at_least_one("max_attempts", attempts));
        check.mend(&mut curve.multiplier, |factor| mmf_rules::growth("multiplier", factor));
        check.mend(&mut curve.jitter, |share| mmf_rules::share("jitter", share));
        if let Some(limit) = max_duration {
            check.mend(limit, |limit| mmf_rules::positive("max_duration", limit));
        }
        if *max_delay_follows && !written.contains(const { Keys::of(&RETRY, "max_delay") }) {
            curve.max = curve.max.max(curve.base);
        } else {
            let base = ("base_delay", curve.base);
            check.mend(&mut curve.max, |max| mmf_rules::not_below(("max_delay", max), base));
        }
        if let Some(share) = budget {
            check.mend(share, |share| mmf_rules::share("budget", share));
        }
        check
    }

    fn built(self) -> RetryPolicy {
        let before = self.before;
        let budget =
            self.budget.map(|share| before.unwrap_or_else(|| Arc::new(RetryBudget::new(share))));
        RetryPolicy { budget: budget.or(self.policy.budget), ..self.policy }
    }
}

/// Iterator over the delays of one call; see [`RetryPolicy::delays`].
#[derive(Debug)]
pub struct Delays<'p> {
    policy: &'p RetryPolicy,
    dice: Dice,
    retry: u32,
    previous: Option<Duration>,
}

impl Iterator for Delays<'_> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let next = self.retry.saturating_add(1);
        if next >= self.policy.max_attempts && self.policy.max_attempts != UNLIMITED {
            return None;
        }
        self.retry = next;
        let delay = self.policy.curve.delay(self.retry, self.previous, &mut self.dice);
        self.previous = Some(delay);
        self.previous
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn seeded_delays_repeat() {
        let policy = RetryPolicy::builder().max_attempts(20).backoff(Backoff::Random).build();
        let first: Vec<_> = policy.delays_seeded(42).collect();
        assert_eq!(first, policy.delays_seeded(42).collect::<Vec<_>>());
        assert_ne!(first, policy.delays_seeded(43).collect::<Vec<_>>());
        assert_eq!(first.len(), 19);
    }

    #[test]
    fn zero_attempts_at_run_time_are_one() {
        assert_eq!(RetryPolicy::builder().max_attempts(0).build().delays().count(), 0);
    }
}
