//! The retries of one call.

use std::ops::ControlFlow;
use std::time::Duration;

use super::policy::{RetryPolicy, UNLIMITED};
use crate::clock;
use crate::resilience::backoff::Dice;
use crate::resilience::error::Refusals;
use crate::resilience::events::{self, ErrorText};
use crate::resilience::outcome::Outcome;
use crate::resilience::policy::Invocation;
use crate::timer::Timer;

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
    /// It is turned off.
    is_off: bool,
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
        let tuned = invocation.tuning().map(|tuning| (tuning.retry(policy), tuning.retried));
        let (tuned, retried) = tuned.unwrap_or((Some(policy), None));
        let is_stopped = invocation.is_stopped(None);
        let (policy, is_off) = (tuned.unwrap_or(policy), tuned.is_none() || is_stopped);
        let refusals = retried.unwrap_or(refusals);
        if !is_off {
            if let Some(budget) = &policy.budget {
                budget.deposit();
            }
            if let Some(limit) = policy.max_duration {
                invocation.start_no_attempt_after(limit);
            }
        }
        Self { invocation, policy, refusals, is_off, attempt: 1, previous: 0, last_error: None }
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
        if self.is_off {
            return None;
        }
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
