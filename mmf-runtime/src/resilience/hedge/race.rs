//! A call and copies of it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::policy::{Delay, HedgePolicy};
use crate::clock;
use crate::resilience::bulkhead::Bulkhead;
use crate::resilience::events;
use crate::resilience::outcome::Outcome;
use crate::resilience::policy::Invocation;
use crate::timer::Timer;

impl HedgePolicy {
    /// Runs `first`, made by `copy`, and copies of it when it is slow; the first success wins and the
    /// others are dropped. Where all fail, the outcome is that of the last to do so. A copy starts only where
    /// the bulkhead, if there is one, has room for it.
    pub fn race<'r, M, C>(
        &'r self,
        invocation: &'r Invocation<'r>,
        bulkhead: Option<&'r Bulkhead>,
        copy: M,
        first: Pin<&'r mut Option<C>>,
    ) -> Race<'r, M, C>
    where
        M: Fn() -> C,
    {
        let tuned = match invocation.tuning() {
            None => Some(self),
            Some(tuning) => tuning.hedge(self),
        };
        let hedge = tuned.unwrap_or(self);
        // Turned off, all copies that there may be are as if they had been started.
        let hedges = if tuned.is_some() { 0 } else { u32::MAX };
        if tuned.is_some() {
            hedge.budget.deposit();
        }
        let learns = tuned.is_some() && matches!(hedge.delay, Delay::Percentile(..));
        Race {
            hedge,
            invocation,
            bulkhead: bulkhead.filter(|_| !invocation.is_without_bulkhead()),
            copy,
            first,
            others: Vec::new(),
            hedges,
            timer: Timer::default(),
            began: learns.then(clock::now),
        }
    }
}

/// A call and copies of it; see [`HedgePolicy::race`].
pub struct Race<'r, M, C> {
    hedge: &'r HedgePolicy,
    invocation: &'r Invocation<'r>,
    bulkhead: Option<&'r Bulkhead>,
    copy: M,
    /// Until it is over.
    first: Pin<&'r mut Option<C>>,
    others: Vec<Pin<Box<C>>>,
    hedges: u32,
    timer: Timer,
    began: Option<Instant>,
}

// Nothing in it is pinned: the copies are, where they stand.
impl<M, C> Unpin for Race<'_, M, C> {}

impl<M, C, V, E> Future for Race<'_, M, C>
where
    M: Fn() -> C,
    C: Future<Output = Outcome<V, E>>,
{
    type Output = Outcome<V, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome<V, E>> {
        let this = self.get_mut();
        let outcome = ready!(this.poll_copies(context));
        this.learn();
        this.drop_losers();
        Poll::Ready(outcome)
    }
}

impl<M, C> Race<'_, M, C> {
    /// Remembers how long the attempt took, however it ended.
    fn learn(&mut self) {
        if let (Delay::Percentile(_, histogram), Some(began)) =
            (&self.hedge.delay, self.began.take())
        {
            histogram.record(began.elapsed());
        }
    }

    /// Drops what has lost. Where that panics, the outcome is good all the same; the panic was told by its hook.
    fn drop_losers(&mut self) {
        let first = &mut self.first;
        let _ = catch_unwind(AssertUnwindSafe(|| first.set(None)));
        for loser in self.others.drain(..) {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(loser)));
        }
    }
}

impl<M, C> Drop for Race<'_, M, C> {
    fn drop(&mut self) {
        // Dropped before its end, by a deadline or its caller: that it took at least so long says something only
        // where it was slow already.
        if self
            .began
            .is_some_and(|began| self.hedge.delay().is_some_and(|delay| began.elapsed() >= delay))
        {
            self.learn();
        }
    }
}

impl<M, C, V, E> Race<'_, M, C>
where
    M: Fn() -> C,
    C: Future<Output = Outcome<V, E>>,
{
    fn poll_copies(&mut self, context: &mut Context<'_>) -> Poll<Outcome<V, E>> {
        let mut failed = None;
        if let Some(first) = self.first.as_mut().as_pin_mut()
            && let Poll::Ready(outcome) = first.poll(context)
        {
            self.first.set(None);
            if is_success(&outcome) {
                return Poll::Ready(outcome);
            }
            failed = Some(outcome);
        }
        // A copy that has just been started is polled at once: it counts as a run from then on.
        loop {
            if let Poll::Ready(success) = poll_others(&mut self.others, &mut failed, context) {
                return Poll::Ready(success);
            }
            // A failure stands only once no other copy is left to do better.
            if self.first.as_ref().get_ref().is_none()
                && self.others.is_empty()
                && let Some(outcome) = failed.take()
            {
                return Poll::Ready(outcome);
            }
            ready!(self.poll_next_copy(context));
        }
    }

    /// Ready once another copy has been started.
    fn poll_next_copy(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.hedges >= self.hedge.max_hedges {
            return Poll::Pending;
        }
        if !self.timer.is_started() {
            let Some(delay) = self.hedge.delay() else { return Poll::Pending };
            self.timer = Timer::until(clock::later(clock::now(), delay));
        }
        ready!(Pin::new(&mut self.timer).poll(context));
        self.hedges += 1;
        let name = self.invocation.name();
        if !self.bulkhead.is_none_or(Bulkhead::has_room) {
            events::hedge_refused(name, "bulkhead");
        } else if !self.hedge.budget.try_retry() {
            events::hedge_refused(name, "budget");
        } else {
            self.invocation.count(|counters| &counters.hedges);
            self.invocation.begin_attempt();
            events::hedged(name, self.hedges, self.hedge.delay().unwrap_or_default());
            self.others.push(Box::pin((self.copy)()));
        }
        Poll::Ready(())
    }
}

fn is_success<V, E>(outcome: &Outcome<V, E>) -> bool {
    matches!(outcome, Ok(Ok(_)))
}

/// Ready with the first success; copies that failed are dropped, the last one's outcome is kept.
fn poll_others<C, V, E>(
    others: &mut Vec<Pin<Box<C>>>,
    failed: &mut Option<Outcome<V, E>>,
    context: &mut Context<'_>,
) -> Poll<Outcome<V, E>>
where
    C: Future<Output = Outcome<V, E>>,
{
    let mut place = 0;
    while let Some(copy) = others.get_mut(place) {
        match copy.as_mut().poll(context) {
            // The losers are never polled again.
            Poll::Ready(outcome) if is_success(&outcome) => return Poll::Ready(outcome),
            Poll::Ready(outcome) => {
                drop(others.remove(place));
                *failed = Some(outcome);
            }
            Poll::Pending => place += 1,
        }
    }
    Poll::Pending
}
