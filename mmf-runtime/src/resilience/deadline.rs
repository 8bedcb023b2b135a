//! A limit on a whole call, back-off included, which also bounds the resilient calls inside it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::error::ResilienceError;
use super::events;
use super::outcome::Outcome;
use super::policy::Invocation;
use super::time_left::{Entered, current};
use super::timeout::{Elapsed, TimeLimit, Timed};
use crate::clock;

/// The deadline of one call.
#[derive(Clone, Copy, Debug)]
pub struct Deadline<'i> {
    invocation: &'i Invocation<'i>,
    at: Instant,
    limit: Duration,
}

impl<'i> Deadline<'i> {
    /// Begins now. Of this deadline and one that the call is already under, the earlier wins.
    pub fn begin(invocation: &'i Invocation<'i>, limit: Duration) -> Self {
        let now = clock::now();
        let own = clock::later(now, limit);
        match current() {
            Some(outer) if outer < own => {
                Self { invocation, at: outer, limit: outer.saturating_duration_since(now) }
            }
            _ => Self { invocation, at: own, limit },
        }
    }

    /// When it is over, and how long that was from its begin.
    pub(super) fn limit(&self) -> (Instant, Duration) {
        (self.at, self.limit)
    }

    /// Runs the rest of the call under the deadline.
    pub fn run<F>(self, rest: Pin<&'i mut F>) -> UnderDeadline<'i, F>
    where
        F: Future,
    {
        UnderDeadline { deadline: self, timed: Timed::new(rest) }
    }

    #[cold]
    fn exceeded(&self) -> ResilienceError {
        let refusal = ResilienceError::deadline_exceeded(self.invocation.policy_name(), self.limit);
        self.invocation.count(|counters| &counters.deadline_exceeded);
        events::timed_out(&refusal);
        refusal
    }
}

/// The rest of a call under its deadline; see [`Deadline::run`].
pub struct UnderDeadline<'i, F> {
    deadline: Deadline<'i>,
    timed: Timed<Pin<&'i mut F>>,
}

impl<F, T, E> Future for UnderDeadline<'_, F>
where
    F: Future<Output = Outcome<T, E>>,
{
    type Output = Outcome<T, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { deadline, timed } = self.get_mut();
        // It was over when the call began, which is then not begun.
        if deadline.limit.is_zero() {
            deadline.invocation.unbegin_attempt();
            return Poll::Ready(Err(deadline.exceeded()));
        }
        let _entered = Entered::enter(deadline.at);
        match ready!(timed.poll_within(TimeLimit::At(deadline.at), context)) {
            Ok(outcome) => Poll::Ready(outcome),
            Err(Elapsed) => Poll::Ready(Err(deadline.exceeded())),
        }
    }
}
