//! The pipeline: what every call through policies shares.
//!
//! A [`Whole`] counts a call, an [`Attempt`] is what a retry repeats, and a [`Run`] is one run of the
//! function within it: several under a hedge.
//!
//! Everything here is a concrete type. Composition by traits was tried: a trait that is implemented
//! for references, or that has a lifetime in an associated type, makes the compiler lose `Send` for
//! the futures built from it (rust-lang/rust#110338, #100013).

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use super::breaker::{CircuitBreaker, Counted, Ticket};
use super::bulkhead::{Bulkhead, Permit};
use super::counters::Counters;
use super::error::{FromRefusal, Refusals, ResilienceError};
use super::events;
use super::rate_limit::RateLimiter;
use super::timeout::{Elapsed, Timed};

/// What came of an attempt or a call: the function's own result, or the refusal of a policy.
pub type Outcome<T, E> = Result<Result<T, E>, ResilienceError>;

/// Under which name a call runs, and where it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    pub(crate) name: &'static str,
    pub(crate) counters: Option<&'static Counters>,
}

impl Identity {
    pub(crate) fn uncounted(name: &'static str) -> Self {
        Self { name, counters: None }
    }

    pub(crate) fn count(self, counter: impl FnOnce(&Counters) -> &AtomicU64) {
        if let Some(counters) = self.counters {
            // Relaxed: a statistic.
            counter(counters).fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One call from its begin to its end. Dropped before that, the call counts as cancelled, or as
/// failed where a panic ended it.
#[derive(Debug)]
#[must_use = "a call that is not finished counts as cancelled"]
pub struct Whole {
    identity: Identity,
    /// Runs of the function that were given up while they waited, neither begun nor refused.
    given_up: AtomicU32,
}

impl Whole {
    /// Begins a call.
    #[inline]
    pub fn begin(identity: Identity) -> Self {
        Self { identity, given_up: AtomicU32::new(0) }
    }

    /// Ends it: a refusal becomes the caller's error.
    ///
    /// # Errors
    ///
    /// The function's own error, or a refusal as one.
    #[inline]
    pub fn finish<T, E: FromRefusal>(self, outcome: Outcome<T, E>) -> Result<T, E> {
        self.count(outcome.unwrap_or_else(|refusal| Err(E::from_refusal(refusal))))
    }

    /// Ends a call that no policy can refuse, so that its error type need not carry refusals.
    ///
    /// # Errors
    ///
    /// The function's own error.
    ///
    /// # Panics
    ///
    /// Where the outcome is a refusal after all.
    #[inline]
    pub fn finish_unrefused<T, E>(self, outcome: Outcome<T, E>) -> Result<T, E> {
        self.count(unrefused(outcome))
    }

    #[inline]
    fn count<T, E>(self, result: Result<T, E>) -> Result<T, E> {
        if let Some(counters) = self.identity.counters {
            // Relaxed: everything that gave up was dropped by this task before.
            let given_up = self.given_up.load(Ordering::Relaxed);
            if given_up > 0 {
                counters.unstarted.fetch_add(given_up.into(), Ordering::Relaxed);
            }
            if result.is_ok() {
                counters.successes.add_one(0);
            } else {
                counters.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        std::mem::forget(self);
        result
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.identity.count(|counters| {
            if std::thread::panicking() { &counters.failures } else { &counters.cancelled }
        });
    }
}

pub(crate) fn unrefused<T, E>(outcome: Outcome<T, E>) -> Result<T, E> {
    outcome.unwrap_or_else(|refusal| unreachable!("none of these policies refuses: {refusal}"))
}

/// One attempt: a call through the policies inside the retry.
///
/// The attribute prints a step for each policy that was asked for, [`call`](mod@super::call) takes them
/// one after the other; a policy that was not asked for is not there. Futures are handed on pinned:
/// passed by value, each layer would store them again.
#[derive(Debug)]
pub struct Attempt<'w> {
    whole: &'w Whole,
    panicked: AtomicBool,
    /// It came as far as a run, or was refused before that.
    settled: AtomicBool,
}

impl<'w> Attempt<'w> {
    /// Begins an attempt.
    #[inline]
    pub fn begin(whole: &'w Whole) -> Self {
        let (panicked, settled) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { whole, panicked, settled }
    }

    /// Asks the breaker.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::CircuitOpen`].
    #[inline]
    pub fn admit<'a>(
        &'a self,
        breaker: &'a CircuitBreaker,
    ) -> Result<Admitted<'a>, ResilienceError> {
        match breaker.admit() {
            Ok(ticket) => Ok(Admitted { ticket, attempt: self }),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// Asks the rate limiter, and waits for its permit.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`].
    #[inline]
    pub async fn throttle(&self, limiter: &RateLimiter) -> Result<(), ResilienceError> {
        limiter.acquire().await.map_err(|refusal| self.rate_limited(refusal))
    }

    /// [`throttle`](Self::throttle) on the thread.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`].
    pub fn throttle_blocking(&self, limiter: &RateLimiter) -> Result<(), ResilienceError> {
        limiter.acquire_blocking().map_err(|refusal| self.rate_limited(refusal))
    }

    /// Begins one run of the function; under a hedge there are several.
    #[inline]
    pub fn start(&self) -> Run<'_> {
        self.settled.store(true, Ordering::Relaxed);
        Run { attempt: self, settled: AtomicBool::new(false) }
    }

    #[cold]
    fn rate_limited(&self, refusal: ResilienceError) -> ResilienceError {
        self.whole.identity.count(|counters| &counters.rate_limited);
        self.refused(refusal)
    }

    #[cold]
    fn refused(&self, refusal: ResilienceError) -> ResilienceError {
        self.settled.store(true, Ordering::Relaxed);
        self.whole.identity.count(|counters| &counters.unstarted);
        events::refused(&refusal);
        refusal
    }
}

impl Drop for Attempt<'_> {
    #[inline]
    fn drop(&mut self) {
        if !*self.settled.get_mut() {
            self.whole.given_up.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One run of the function within an attempt.
#[derive(Debug)]
pub struct Run<'a> {
    attempt: &'a Attempt<'a>,
    /// Its body began, or it was refused before that.
    settled: AtomicBool,
}

impl Run<'_> {
    /// Runs the body, watched for a panic.
    #[inline]
    pub async fn body<F, V, E>(&self, body: Pin<&mut F>) -> Outcome<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        // Relaxed: read by the same task.
        self.settled.store(true, Ordering::Relaxed);
        Ok(Watched { body, panicked: &self.attempt.panicked }.await)
    }

    /// Runs a body that is not `async`.
    #[inline]
    pub fn body_blocking<V, E>(&self, body: impl FnOnce() -> Result<V, E>) -> Outcome<V, E> {
        self.settled.store(true, Ordering::Relaxed);
        let unwinding = Unwinding(&self.attempt.panicked);
        let result = body();
        std::mem::forget(unwinding);
        Ok(result)
    }

    /// Waits for room in the bulkhead, then runs the rest. The permit is put where it outlives the
    /// body: it goes back only when the body is gone.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::BulkheadFull`].
    #[inline]
    pub async fn enter<'b, F, V, E>(
        &self,
        bulkhead: &'b Bulkhead,
        permit: &mut Option<Permit<'b>>,
        rest: Pin<&mut F>,
    ) -> Outcome<V, E>
    where
        F: Future<Output = Outcome<V, E>>,
    {
        match bulkhead.acquire().await {
            Ok(room) => *permit = Some(room),
            Err(refusal) => {
                events::refused(&refusal);
                return Err(refusal);
            }
        }
        rest.await
    }

    /// Waits for room in the bulkhead on the thread.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::BulkheadFull`].
    pub fn enter_blocking<'b>(
        &self,
        bulkhead: &'b Bulkhead,
    ) -> Result<Permit<'b>, ResilienceError> {
        bulkhead.acquire_blocking().inspect_err(events::refused)
    }

    /// Runs the rest, with its wait for the bulkhead, under the timeout.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::Timeout`].
    #[inline]
    pub async fn within<F, V, E>(&self, limit: Duration, rest: Pin<&mut F>) -> Outcome<V, E>
    where
        F: Future<Output = Outcome<V, E>>,
    {
        match Timed::within(limit, rest).await {
            Ok(outcome) => outcome,
            Err(Elapsed) => Err(self.timed_out(limit)),
        }
    }

    #[cold]
    fn timed_out(&self, limit: Duration) -> ResilienceError {
        let identity = self.attempt.whole.identity;
        let refusal = ResilienceError::Timeout { policy: identity.name, limit };
        identity.count(|counters| &counters.timeouts);
        events::timed_out(&refusal);
        refusal
    }

    /// Counts a run that was refused before its body began.
    #[cold]
    pub fn note_refusal(&self) {
        if !self.settled.swap(true, Ordering::Relaxed) {
            self.attempt.whole.identity.count(|counters| &counters.unstarted);
        }
    }
}

impl Drop for Run<'_> {
    #[inline]
    fn drop(&mut self) {
        if !*self.settled.get_mut() {
            self.attempt.whole.given_up.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An attempt that the breaker let through.
#[derive(Debug)]
pub struct Admitted<'a> {
    ticket: Ticket<'a>,
    attempt: &'a Attempt<'a>,
}

impl Admitted<'_> {
    /// Ends the attempt for the breaker: refusals count by the list of refusals, the function's
    /// errors by the predicates.
    #[inline]
    pub fn settle<V, E>(
        mut self,
        outcome: &Outcome<V, E>,
        refusals: Refusals,
        judge: impl FnOnce(&E) -> Counted,
    ) {
        self.ticket.settle(match outcome {
            Ok(Ok(_)) => Counted::Success,
            Ok(Err(error)) => judge(error),
            Err(refusal) if refusals.contains(refusal.refusal()) => Counted::Failure,
            Err(_) => Counted::Neither,
        });
    }
}

impl Drop for Admitted<'_> {
    #[inline]
    fn drop(&mut self) {
        // A cancelled attempt counts as neither, by the ticket's own drop.
        if self.attempt.panicked.load(Ordering::Relaxed) {
            self.ticket.settle(Counted::Failure);
        }
    }
}

/// The body of an attempt, watched for a panic: dropping a future that panicked looks like dropping
/// one that was cancelled.
struct Watched<'a, F> {
    body: Pin<&'a mut F>,
    panicked: &'a AtomicBool,
}

impl<F: Future> Future for Watched<'_, F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let unwinding = Unwinding(self.panicked);
        let poll = self.body.as_mut().poll(context);
        std::mem::forget(unwinding);
        poll
    }
}

/// Dropped only by a panic.
struct Unwinding<'a>(&'a AtomicBool);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        // Relaxed: read by the owner of the attempt, on whichever thread then owns the future.
        self.0.store(true, Ordering::Relaxed);
    }
}
