//! A limit on one attempt.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;
use crate::timer::Timer;

/// The limit passed while the future was pending.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// A future with a limit. A timer is started only once the future was pending, and the future is
/// polled first: one that is ready wins, also at the very instant of the limit.
pub(crate) struct Timed<F> {
    inner: F,
    timer: Timer,
}

/// When a [`Timed`] future is over.
#[derive(Clone, Copy)]
pub(crate) enum TimeLimit {
    /// From the first time the future is pending: what it did before that was not waiting, and a
    /// future that is ready at once never needs the clock.
    Within(Duration),
    At(Instant),
}

impl<F> Timed<F> {
    #[inline]
    pub(crate) fn new(inner: F) -> Self {
        Self { inner, timer: Timer::default() }
    }
}

impl<F: Future + Unpin> Timed<F> {
    /// Polls the future, and the time where it is pending.
    #[inline]
    pub(crate) fn poll_within(
        &mut self,
        limit: TimeLimit,
        context: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Elapsed>> {
        match Pin::new(&mut self.inner).poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => poll_limit(&mut self.timer, limit, context).map(Err),
        }
    }
}

/// Ready when the time is over. Not generic, so that it is compiled once and not for each function.
pub(crate) fn poll_limit(
    timer: &mut Timer,
    limit: TimeLimit,
    context: &mut Context<'_>,
) -> Poll<Elapsed> {
    if !timer.is_started() {
        *timer = Timer::until(match limit {
            TimeLimit::Within(limit) => clock::later(clock::now(), limit),
            TimeLimit::At(at) => at,
        });
    }
    Pin::new(timer).poll(context).map(|()| Elapsed)
}
