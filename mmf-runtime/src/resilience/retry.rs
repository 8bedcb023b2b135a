//! Whether and when to try again.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::{Backoff, Curve, Dice};
use super::budget::RetryBudget;
use super::error::Refusals;
use super::events::{self, ErrorText};
use super::invalid::{Check, InvalidPolicy};
use super::outcome::Outcome;
use super::policy::Invocation;
use crate::clock;
use crate::timer::Timer;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// As many attempts as it takes.
pub(crate) const UNLIMITED: u32 = u32::MAX;

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
pub struct RetryPolicy {
    max_attempts: u32,
    curve: Curve,
    max_duration: Option<Duration>,
    budget: Option<Arc<RetryBudget>>,
}

impl RetryPolicy {
    /// Starts from the defaults: 3 attempts, exponential from 1 s to 60 s, doubled, 10 % jitter.
    pub fn builder() -> RetryPolicyBuilder {
        RetryPolicyBuilder { policy: Self::default(), max_delay_is_set: false, budget: None }
    }

    /// Attempts in all, the first included; `u32::MAX` is as many as it takes.
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    pub(super) fn describe(&self) -> String {
        use mmf_rules::duration::text;
        let Curve { backoff, base, max, multiplier, jitter } = &self.curve;
        let attempts = match self.max_attempts {
            UNLIMITED => "\"unlimited\"".into(),
            attempts => attempts.to_string(),
        };
        let mut described = format!(
            "retry(max_attempts = {attempts}, backoff = {:?}, base_delay = {:?}, max_delay = {:?}, \
             multiplier = {multiplier:?}, jitter = {jitter:?}",
            backoff.name(),
            text(*base),
            text(*max)
        );
        if let Some(limit) = self.max_duration {
            described += &format!(", max_duration = {:?}", text(limit));
        }
        if let Some(budget) = &self.budget {
            described += &format!(", budget = {:?}", budget.share());
        }
        described + ")"
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
        }
    }
}

/// Builds a [`RetryPolicy`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RetryPolicyBuilder {
    policy: RetryPolicy,
    /// Otherwise a longer `base_delay` raises it.
    max_delay_is_set: bool,
    /// The share of a budget that is built with the policy.
    budget: Option<f64>,
}

impl RetryPolicyBuilder {
    /// Attempts in all, the first included; 1 never retries, 0 is invalid. Default: 3.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.policy.max_attempts = attempts;
        self
    }

    /// As many attempts as it takes, or as `max_duration`, a deadline or the budget allow.
    pub fn unlimited_attempts(self) -> Self {
        self.max_attempts(UNLIMITED)
    }

    /// The strategy, or a closure from the number of the retry to its delay. Default: exponential.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.policy.curve.backoff = backoff.into();
        self
    }

    /// The delay that the strategy grows from. Default: 1 s.
    pub fn base_delay(mut self, delay: Duration) -> Self {
        self.policy.curve.base = delay;
        self
    }

    /// No delay exceeds it, jitter included; less than `base_delay` is invalid. Default: 60 s, or `base_delay`
    /// where that is longer.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.policy.curve.max = delay;
        self.max_delay_is_set = true;
        self
    }

    /// Growth of the exponential kinds; less than 1.0 is invalid. Default: 2.0.
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.policy.curve.multiplier = multiplier;
        self
    }

    /// ± this share of the delay, on the kinds that are not random themselves; 0.0 turns it off.
    /// Default: 0.1.
    pub fn jitter(mut self, share: f64) -> Self {
        self.policy.curve.jitter = share;
        self
    }

    /// No new attempt starts at or past this time since the call began. Default: no limit.
    pub fn max_duration(mut self, duration: Duration) -> Self {
        self.policy.max_duration = Some(duration);
        self
    }

    /// Share of calls that may be retries; the policy and its clones draw on one budget. Default: no limit.
    pub fn budget(mut self, share: f64) -> Self {
        self.budget = Some(share);
        self
    }

    /// A budget that several policies draw on.
    pub fn shared_budget(mut self, budget: Arc<RetryBudget>) -> Self {
        (self.policy.budget, self.budget) = (Some(budget), None);
        self
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
        let Self { policy, max_delay_is_set, budget } = self;
        let RetryPolicy { max_attempts, curve, max_duration, .. } = policy;
        let mut check = Check::default();
        check.mend(max_attempts, |attempts| mmf_rules::at_least_one("max_attempts", attempts));
        check.mend(&mut curve.multiplier, |factor| mmf_rules::growth("multiplier", factor));
        check.mend(&mut curve.jitter, |share| mmf_rules::share("jitter", share));
        if let Some(limit) = max_duration {
            check.mend(limit, |limit| mmf_rules::positive("max_duration", limit));
        }
        if *max_delay_is_set {
            let base = ("base_delay", curve.base);
            check.mend(&mut curve.max, |max| mmf_rules::not_below(("max_delay", max), base, ""));
        } else {
            curve.max = curve.max.max(curve.base);
        }
        if let Some(share) = budget {
            check.mend(share, |share| mmf_rules::share("budget", share));
        }
        check
    }

    fn built(self) -> RetryPolicy {
        let budget = self.budget.map(|share| Arc::new(RetryBudget::new(share)));
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

/// What the predicates say of one result of the function itself.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The result stands.
    No,
    /// It is worth another attempt, after this delay where the server gave a hint.
    Yes(Option<Duration>),
}

impl Retry {
    /// An error is, where nobody says otherwise.
    #[inline]
    pub fn by_result<T, E>(result: &Result<T, E>) -> Self {
        Self::when(result.is_err(), || None)
    }

    /// `Yes` with the hint where `retry` holds.
    pub fn when(retry: bool, hint: impl FnOnce() -> Option<Duration>) -> Self {
        if retry { Self::Yes(hint()) } else { Self::No }
    }
}

/// When to try again, by somebody else than the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    /// Nobody says: by the back-off.
    None,
    /// The server's, for all who asked it: spread.
    Server(Duration),
    /// A policy's own, for this call.
    Refusal(Duration),
}

/// A retry that is about to happen, as `before_retry` is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryEvent {
    /// The attempt that has failed, from 1.
    pub attempt: u32,
    /// How long it is until the next.
    pub delay: Duration,
    /// What has failed, as text.
    pub error: String,
}

/// The retries of one call.
#[doc(hidden)]
#[derive(Debug)]
pub struct Retrying<'c> {
    invocation: &'c Invocation<'c>,
    policy: &'c RetryPolicy,
    refusals: Refusals,
    attempt: u32,
    /// The delay before this attempt in nanoseconds, 0 where there was none.
    previous: u64,
    /// What the function itself failed with last, where that is told.
    last_error: Option<Box<str>>,
}

impl<'c> Retrying<'c> {
    /// Begins a call.
    #[inline]
    pub fn begin(
        invocation: &'c Invocation<'c>,
        policy: &'c RetryPolicy,
        refusals: Refusals,
    ) -> Self {
        if let Some(budget) = &policy.budget {
            budget.deposit();
        }
        if let Some(limit) = policy.max_duration {
            invocation.start_no_attempt_after(limit);
        }
        Self { invocation, policy, refusals, attempt: 1, previous: 0, last_error: None }
    }

    /// Decides after an attempt: breaks with the outcome that stands, or continues with the delay to
    /// [`pause`](Self::pause) for. Refusals are judged by the list of refusals alone.
    #[inline]
    pub fn next<T, E>(
        &mut self,
        outcome: Outcome<T, E>,
        judge: impl FnOnce(&Result<T, E>) -> Retry,
        error_text: ErrorText<E>,
    ) -> ControlFlow<Outcome<T, E>, Duration> {
        match self.delay_after(&outcome, judge, error_text) {
            Some(delay) => ControlFlow::Continue(delay),
            None => ControlFlow::Break(outcome),
        }
    }

    /// [`next`](Self::next) with what `before_retry` is told.
    pub fn next_event<T, E>(
        &mut self,
        outcome: Outcome<T, E>,
        judge: impl FnOnce(&Result<T, E>) -> Retry,
        error_text: ErrorText<E>,
    ) -> ControlFlow<Outcome<T, E>, RetryEvent> {
        let attempt = self.attempt;
        match self.delay_after(&outcome, judge, error_text) {
            Some(delay) => {
                let error = events::Failure(&outcome, error_text).to_string();
                ControlFlow::Continue(RetryEvent { attempt, delay, error })
            }
            None => ControlFlow::Break(outcome),
        }
    }

    /// The delay before the next attempt, where the outcome is worth one and there is one left.
    #[inline]
    fn delay_after<T, E>(
        &mut self,
        outcome: &Outcome<T, E>,
        judge: impl FnOnce(&Result<T, E>) -> Retry,
        error_text: ErrorText<E>,
    ) -> Option<Duration> {
        let verdict = match outcome {
            Ok(result) => judge(result),
            Err(refusal) => Retry::when(self.refusals.contains(refusal.refusal()), || None),
        };
        match verdict {
            Retry::No => {
                if let Err(refusal) = outcome
                    && let Some(last_error) = &self.last_error
                {
                    events::ended_by_refusal(
                        self.invocation.name(),
                        self.attempt,
                        refusal,
                        last_error,
                    );
                }
                None
            }
            Retry::Yes(hint) => self.retry(outcome, hint, error_text),
        }
    }

    #[cold]
    fn retry<T, E>(
        &mut self,
        outcome: &Outcome<T, E>,
        hint: Option<Duration>,
        error_text: ErrorText<E>,
    ) -> Option<Duration> {
        let hint = match outcome {
            Ok(_) => hint.map_or(Hint::None, Hint::Server),
            // A breaker that waits for its own trials says zero, as it cannot know.
            Err(refusal) => refusal
                .retry_after()
                .filter(|delay| !delay.is_zero())
                .map_or(Hint::None, Hint::Refusal),
        };
        let name = self.invocation.name();
        match self.delay(hint) {
            Ok(delay) => {
                events::retry(name, self.attempt, delay, outcome, error_text);
                if outcome.is_ok() && events::is_end_told() {
                    let error = events::Failure(outcome, error_text);
                    self.last_error = Some(error.to_string().into_boxed_str());
                }
                self.previous = clock::saturating_nanos(delay);
                self.attempt = self.attempt.saturating_add(1);
                Some(delay)
            }
            Err(reason) => {
                let last_error = self.last_error.as_deref().filter(|_| outcome.is_err());
                events::exhausted(name, self.attempt, reason, outcome, error_text, last_error);
                None
            }
        }
    }

    /// The delay before the next attempt, or why there is none.
    fn delay(&self, hint: Hint) -> Result<Duration, &'static str> {
        let RetryPolicy { max_attempts, curve, budget, .. } = self.policy;
        if self.attempt >= *max_attempts && *max_attempts != UNLIMITED {
            return Err("max_attempts");
        }
        let (left, limit) = self.invocation.time_left();
        let delay = match hint {
            Hint::None => {
                let previous = (self.previous > 0).then(|| Duration::from_nanos(self.previous));
                curve.delay(self.attempt, previous, &mut Dice::Thread)
            }
            Hint::Server(hint) | Hint::Refusal(hint) if hint > curve.max => {
                return Err("max_delay");
            }
            Hint::Server(hint) => {
                // A timer is exact to the millisecond: what is left is not used up to its very end.
                let left = left.saturating_sub(Duration::from_millis(1));
                let most = hint.saturating_add(hint / 2).min(curve.max).min(left);
                Dice::Thread.between(hint, most)
            }
            Hint::Refusal(hint) => hint,
        };
        if delay >= left {
            return Err(limit);
        }
        if budget.as_ref().is_some_and(|budget| !budget.try_retry()) {
            return Err("budget");
        }
        Ok(delay)
    }

    /// Waits before the next attempt, which counts as a retry from here on.
    pub async fn pause(&self, delay: Duration) {
        if delay.is_zero() {
            // Otherwise a body that is always ready would never let go of its thread, and no timeout around
            // the call could fire.
            tokio::task::yield_now().await;
        } else {
            Timer::until(clock::later(clock::now(), delay)).await;
        }
        self.begin_retry();
    }

    /// [`pause`](Self::pause) on the thread.
    pub fn pause_blocking(&self, delay: Duration) {
        std::thread::sleep(delay);
        self.begin_retry();
    }

    fn begin_retry(&self) {
        self.invocation.begin_attempt();
        self.invocation.count(|counters| &counters.retries);
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
