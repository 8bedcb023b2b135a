//! The events of the policies, one function each: to `tracing` under the target `mmf::resilience`, and to observers.

use std::any::type_name;
use std::fmt;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::breaker::{BreakerState, Change};
use super::error::ResilienceError;
use super::observe::{self, Event, FailureText};
use super::outcome::Outcome;

const TARGET: &str = "mmf::resilience";

/// How to write an error of type `E`, about which nothing need be known.
pub type ErrorText<E> = fn(&E, &mut fmt::Formatter<'_>) -> fmt::Result;

/// The text of an error that has none: the name of its type.
pub fn type_name_only<E>(_: &E, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(type_name::<E>())
}

const SUCCESS_THAT_FAILED: &str = "an answer that counts as a failure";

/// What an attempt failed with, for its breaker.
struct FailedAttempt<'o, V, E>(&'o Result<V, E>, ErrorText<E>);

impl<V, E> fmt::Display for FailedAttempt<'_, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(_) => f.write_str(SUCCESS_THAT_FAILED),
            Err(error) => (self.1)(error, f),
        }
    }
}

/// What went wrong, for the `error` field.
pub(crate) struct Failure<'o, T, E>(pub(crate) &'o Outcome<T, E>, pub(crate) ErrorText<E>);

impl<T, E> fmt::Display for Failure<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(Ok(_)) => f.write_str("a success that `retry_if_ok` refuses"),
            Ok(Err(error)) => (self.1)(error, f),
            Err(refusal) => refusal.fmt(f),
        }
    }
}

/// An attempt counts against its breaker, by an error or by a success that counts as one. To observers alone: whoever made
/// the call has the error, and may log it.
#[cold]
pub(crate) fn failed<V, E>(policy: &str, result: &Result<V, E>, text: ErrorText<E>) {
    let error = FailedAttempt(result, text);
    observe::tell(&Event::Failed { policy, error: FailureText(&error) });
}

/// A call that is over long after its attempt, by what came then.
#[cold]
pub(crate) fn failed_later(policy: &str) {
    observe::tell(&Event::Failed { policy, error: FailureText(&SUCCESS_THAT_FAILED) });
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn retry<T, E>(
    policy: &str,
    attempt: u32,
    delay: Duration,
    outcome: &Outcome<T, E>,
    text: ErrorText<E>,
) {
    let error = Failure(outcome, text);
    observe::tell(&Event::Retry { policy, attempt, delay, error: FailureText(&error) });
    debug!(target: TARGET, policy, attempt, delay_ms = millis(delay), %error, "retry");
}

pub(crate) fn exhausted<T, E>(
    policy: &str,
    attempt: u32,
    reason: &str,
    outcome: &Outcome<T, E>,
    text: ErrorText<E>,
    last_error: Option<&str>,
) {
    let error = Failure(outcome, text);
    observe::tell(&Event::Exhausted { policy, attempt, reason, error: FailureText(&error) });
    warn!(target: TARGET, policy, attempt, reason, %error, last_error, "retries exhausted");
}

/// Whether somebody hears how a call ended.
pub(crate) fn is_end_told() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::WARN)
}

/// A refusal ended a call between two attempts; what the function itself failed with is in no other line.
#[cold]
pub(crate) fn ended_by_refusal(
    policy: &str,
    attempt: u32,
    refusal: &ResilienceError,
    last_error: &str,
) {
    let (key, reason) = (refusal.key(), refusal.refusal().as_str());
    warn!(target: TARGET, policy, key, attempt, reason, error = %refusal, last_error, "refused after a failed attempt");
}

pub(crate) fn refused(refusal: &ResilienceError) {
    observe::tell(&Event::Refused { refusal });
    let (policy, key) = (refusal.policy(), refusal.key());
    debug!(target: TARGET, policy, key, kind = ?refusal.refusal(), error = %refusal, "refused");
}

pub(crate) fn timed_out(refusal: &ResilienceError) {
    observe::tell(&Event::Refused { refusal });
    let policy = refusal.policy();
    debug!(target: TARGET, policy, kind = ?refusal.refusal(), error = %refusal, "timed out");
}

pub(crate) fn hedged(policy: &str, copy: u32, delay: Duration) {
    observe::tell(&Event::Hedge { policy, copy });
    debug!(target: TARGET, policy, copy, delay_ms = millis(delay), "hedge");
}

/// A fallback had no value, and the failure stands.
pub(crate) fn not_provided(policy: &str, provider: &str, why: &str) {
    warn!(target: TARGET, policy, provider, why, "no value for the fallback");
}

pub(crate) fn fell_back<T, E>(policy: &str, outcome: &Outcome<T, E>, text: ErrorText<E>) {
    let error = Failure(outcome, text);
    observe::tell(&Event::Fallback { policy, error: FailureText(&error) });
    debug!(target: TARGET, policy, %error, "fallback");
}

pub(crate) fn breaker_changed(policy: &str, key: Option<&str>, change: Change) {
    let Change { from, to, cause } = change;
    let cause = cause.as_str();
    observe::tell(&Event::BreakerChanged { policy, key, from, to, cause });
    if to == BreakerState::Closed {
        info!(target: TARGET, policy, key, %from, %to, cause, "breaker changed");
    } else {
        warn!(target: TARGET, policy, key, %from, %to, cause, "breaker changed");
    }
}

/// A hedge was due, and the budget had none left.
pub(crate) fn hedge_refused(policy: &str, reason: &str) {
    debug!(target: TARGET, policy, reason, "no hedge");
}

/// A value of a policy was cut, as it could never work.
pub(crate) fn mended(policy: &str, location: &std::panic::Location<'_>, message: &str) {
    warn!(target: TARGET, policy, %location, "a value of this policy is cut to one that works: {message}");
}

/// A name or a shared configuration is there twice.
pub(crate) fn conflict(message: &str) {
    error!(target: TARGET, "{message}");
}

/// A call without a key went past what is by key.
pub(crate) fn keyless(policy: &str, what: &str) {
    warn!(target: TARGET, policy, "a call has no key: the {what} by key does not apply to it");
}

/// A key has made room for another; the message says what it had.
pub(crate) fn evicted(policy: &str, what: &'static str, key: &str) {
    observe::tell(&Event::Evicted { policy, key });
    debug!(target: TARGET, policy, key, "{what} evicted");
}
