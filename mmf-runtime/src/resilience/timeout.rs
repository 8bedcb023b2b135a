//! A limit on one attempt.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock;

/// The limit passed while the future was pending.
#[derive(Debug)]
pub(crate) struct Elapsed;

pin_project! {
    /// A future with a limit. A timer is registered only once the future was pending, and the future
    /// is polled first: one that is ready wins, also at the very instant of the limit.
    pub(crate) struct Timed<F> {
        inner: F,
        limit: TimeLimit,
        #[pin]
        timer: Option<Unconstrained<Sleep>>,
    }
}

#[derive(Clone, Copy)]
enum TimeLimit {
    /// From the first time the future is pending: what it did before that was not waiting, and a
    /// future that is ready at once never needs the clock.
    Within(Duration),
    At(Instant),
}

impl<F> Timed<F> {
    #[inline]
    pub(crate) fn within(limit: Duration, inner: F) -> Self {
        Self { inner, limit: TimeLimit::Within(limit), timer: None }
    }

    pub(crate) fn until(limit: Instant, inner: F) -> Self {
        Self { inner, limit: TimeLimit::At(limit), timer: None }
    }
}

impl<F: Future + Unpin> Future for Timed<F> {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(output) = Pin::new(&mut *this.inner).poll(context) {
            return Poll::Ready(Ok(output));
        }
        if this.timer.is_none() {
            let at = match *this.limit {
                TimeLimit::Within(limit) => clock::later(clock::now(), limit),
                TimeLimit::At(at) => at,
            };
            // Unconstrained: a future that spends the task's whole budget of polls must not keep the
            // timer from being asked.
            this.timer.set(Some(unconstrained(sleep_until(at))));
        }
        if let Some(timer) = this.timer.as_pin_mut() {
            ready!(timer.poll(context));
        }
        Poll::Ready(Err(Elapsed))
    }
}
