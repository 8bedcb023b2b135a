//! Whether and when to try again.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::backoff::{Backoff, Curve, Dice};
use super::deadline;
use super::error::Refusals;
use super::events::{self, ErrorText};
use super::policy::{Invocation, Outcome};
use crate::clock;
use crate::sync::{Mutex, lock};
use crate::tally::Tally;
use crate::timer::Timer;

/// How often and how patiently a call is tried again.
///
/// ```
/// use std::time::Duration;
/// use mmf_runtime::resilience::{Backoff, RetryPolicy};
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
        RetryPolicyBuilder(Self::default())
    }

    /// Attempts in all, the first included.
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The delays of one call, in order: `max_attempts - 1` of them.
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
pub struct RetryPolicyBuilder(RetryPolicy);

impl RetryPolicyBuilder {
    /// Attempts in all, the first included; 1 never retries, and 0 means 1. Default: 3.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.0.max_attempts = attempts.max(1);
        self
    }

    /// The strategy, or a closure from the number of the retry to its delay. Default: exponential.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.0.curve.backoff = backoff.into();
        self
    }

    /// The delay that the strategy grows from. Default: 1 s.
    pub fn base_delay(mut self, delay: Duration) -> Self {
        self.0.curve.base = delay;
        self
    }

    /// No delay exceeds it, jitter included. Default: 60 s.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.0.curve.max = delay;
        self
    }

    /// Growth of the exponential kinds. Default: 2.0.
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.0.curve.multiplier = multiplier;
        self
    }

    /// ± this share of the delay, on the kinds that are not random themselves; 0.0 turns it off.
    /// Default: 0.1.
    pub fn jitter(mut self, share: f64) -> Self {
        self.0.curve.jitter = share.clamp(0.0, 1.0);
        self
    }

    /// No new attempt starts past this time since the call began. Default: no limit.
    pub fn max_duration(mut self, duration: Duration) -> Self {
        self.0.max_duration = Some(duration);
        self
    }

    /// Share of calls that may be retries; the policy and its clones draw on one budget.
    /// Default: no limit.
    pub fn budget(self, share: f64) -> Self {
        self.shared_budget(Arc::new(RetryBudget::new(share)))
    }

    /// A budget that several policies draw on.
    pub fn shared_budget(mut self, budget: Arc<RetryBudget>) -> Self {
        self.0.budget = Some(budget);
        self
    }

    /// The policy.
    pub fn build(self) -> RetryPolicy {
        self.0
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
        if self.retry + 1 >= self.policy.max_attempts {
            return None;
        }
        self.retry += 1;
        let delay = self.policy.curve.delay(self.retry, self.previous, &mut self.dice);
        self.previous = Some(delay);
        self.previous
    }
}

/// Keeps retries a bounded share of calls, so that an outage is not multiplied by its callers.
///
/// A token bucket: each call deposits `share` of a token, each retry takes one; up to 100 are saved
/// up. Ten retries per second are always allowed, so that a quiet service can retry at all.
///
/// ```
/// use mmf_runtime::resilience::RetryBudget;
///
/// let budget = RetryBudget::new(0.2);
/// assert_eq!((0..20).filter(|_| budget.try_retry()).count(), 10);
/// (0..50).for_each(|_| budget.deposit());
/// assert_eq!((0..20).filter(|_| budget.try_retry()).count(), 10);
/// ```
pub struct RetryBudget {
    /// Deposit of one call, in millionths of a token.
    deposit: u64,
    calls: Tally,
    balance: Mutex<Balance>,
}

struct Balance {
    counted_calls: u64,
    saved: u64,
    reserve: u64,
    refilled_at: u64,
}

impl RetryBudget {
    const TOKEN: u64 = 1_000_000;
    const MOST_SAVED: u64 = 100 * Self::TOKEN;
    const RESERVE_PER_SECOND: u64 = 10 * Self::TOKEN;

    /// A budget of `share` retries per call; a share outside 0..=1 is cut to it.
    pub fn new(share: f64) -> Self {
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        Self {
            deposit: (share * Self::TOKEN as f64).round() as u64,
            calls: Tally::new(),
            balance: Mutex::new(Balance {
                counted_calls: 0,
                saved: 0,
                reserve: Self::RESERVE_PER_SECOND,
                refilled_at: clock::nanos(),
            }),
        }
    }

    /// Counts one call.
    pub fn deposit(&self) {
        self.calls.add_one(0);
    }

    /// Takes the token for one retry, or says that there is none.
    pub fn try_retry(&self) -> bool {
        let now = clock::nanos();
        let mut balance = lock(&self.balance);
        let calls = self.calls.sum(0);
        let deposits = (calls - balance.counted_calls).saturating_mul(self.deposit);
        balance.counted_calls = calls;
        balance.saved = balance.saved.saturating_add(deposits).min(Self::MOST_SAVED);

        let elapsed = now.saturating_sub(balance.refilled_at);
        let refill = u128::from(elapsed) * u128::from(Self::RESERVE_PER_SECOND) / 1_000_000_000;
        if refill > 0 {
            let refill = u64::try_from(refill).unwrap_or(u64::MAX);
            balance.reserve = balance.reserve.saturating_add(refill).min(Self::RESERVE_PER_SECOND);
            balance.refilled_at = now;
        }

        let Balance { reserve, saved, .. } = &mut *balance;
        for tokens in [reserve, saved] {
            if *tokens >= Self::TOKEN {
                *tokens -= Self::TOKEN;
                return true;
            }
        }
        false
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("share", &(self.deposit as f64 / Self::TOKEN as f64))
            .finish_non_exhaustive()
    }
}

/// What the predicates say of one result of the function itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The result stands.
    No,
    /// It is worth another attempt, after this delay where the server gave a hint.
    Yes(Option<Duration>),
}

impl Retry {
    /// `Yes` with the hint where `retry` holds.
    pub fn when(retry: bool, hint: impl FnOnce() -> Option<Duration>) -> Self {
        if retry { Self::Yes(hint()) } else { Self::No }
    }
}

/// The retries of one call.
#[derive(Debug)]
pub struct Retrying<'c> {
    invocation: &'c Invocation,
    policy: &'c RetryPolicy,
    refusals: Refusals,
    attempt: u32,
    began: Option<Instant>,
    /// The delay before this attempt in nanoseconds, 0 where there was none.
    previous: u64,
}

impl<'c> Retrying<'c> {
    /// Begins a call.
    #[inline]
    pub fn begin(invocation: &'c Invocation, policy: &'c RetryPolicy, refusals: Refusals) -> Self {
        if let Some(budget) = &policy.budget {
            budget.deposit();
        }
        let began = policy.max_duration.is_some().then(clock::now);
        Self { invocation, policy, refusals, attempt: 1, began, previous: 0 }
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
        let verdict = match &outcome {
            Ok(result) => judge(result),
            Err(refusal) => Retry::when(self.refusals.contains(refusal.refusal()), || None),
        };
        match verdict {
            Retry::No => ControlFlow::Break(outcome),
            Retry::Yes(hint) => self.retry(outcome, hint, error_text),
        }
    }

    #[cold]
    fn retry<T, E>(
        &mut self,
        outcome: Outcome<T, E>,
        hint: Option<Duration>,
        error_text: ErrorText<E>,
    ) -> ControlFlow<Outcome<T, E>, Duration> {
        match self.delay(hint) {
            Ok(delay) => {
                events::retry(self.invocation.name(), self.attempt, delay, &outcome, error_text);
                self.previous = clock::saturating_nanos(delay);
                self.attempt += 1;
                ControlFlow::Continue(delay)
            }
            Err(reason) => {
                let attempts = self.attempt;
                events::exhausted(self.invocation.name(), attempts, reason, &outcome, error_text);
                ControlFlow::Break(outcome)
            }
        }
    }

    /// The delay before the next attempt, or why there is none.
    fn delay(&self, hint: Option<Duration>) -> Result<Duration, &'static str> {
        if self.attempt >= self.policy.max_attempts {
            return Err("max_attempts");
        }
        let previous = (self.previous > 0).then(|| Duration::from_nanos(self.previous));
        let delay = hint.map_or_else(
            || self.policy.curve.delay(self.attempt, previous, &mut Dice::Thread),
            |hint| hint.min(self.policy.curve.max),
        );
        if let (Some(began), Some(limit)) = (self.began, self.policy.max_duration)
            && clock::now().duration_since(began).saturating_add(delay) > limit
        {
            return Err("max_duration");
        }
        if let Some(deadline) = deadline::current()
            && clock::later(clock::now(), delay) > deadline
        {
            return Err("deadline");
        }
        if self.policy.budget.as_ref().is_some_and(|budget| !budget.try_retry()) {
            return Err("budget");
        }
        Ok(delay)
    }

    /// Waits before the next attempt, which counts as a retry from here on.
    pub async fn pause(&self, delay: Duration) {
        if !delay.is_zero() {
            Timer::until(clock::later(clock::now(), delay)).await;
        }
        self.invocation.count(|counters| &counters.retries);
    }

    /// [`pause`](Self::pause) on the thread.
    pub fn pause_blocking(&self, delay: Duration) {
        std::thread::sleep(delay);
        self.invocation.count(|counters| &counters.retries);
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use tokio::time::advance;

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

    #[tokio::test(start_paused = true)]
    async fn the_reserve_refills_with_ten_retries_a_second() {
        let budget = RetryBudget::new(0.0);
        assert_eq!((0..100).filter(|_| budget.try_retry()).count(), 10);
        advance(Duration::from_millis(500)).await;
        assert_eq!((0..100).filter(|_| budget.try_retry()).count(), 5);
        advance(Duration::from_secs(100)).await;
        assert_eq!((0..100).filter(|_| budget.try_retry()).count(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_savings_stop_at_a_hundred_retries() {
        let budget = RetryBudget::new(1.0);
        (0..1000).for_each(|_| budget.deposit());
        assert_eq!((0..1000).filter(|_| budget.try_retry()).count(), 110);
    }
}
