//! The pipeline: what every call through policies shares.
//!
//! A [`Pipeline`] holds the policies of one attempt by their types: a policy that was not asked for
//! is [`Off`], which is nothing at run time. An [`Attempt`] takes a future through it, pinned where
//! the caller made it: handing futures over by value doubles their size with every layer. A
//! [`Whole`] counts the call.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use super::breaker::{Admission, Counted, Settle};
use super::bulkhead::Compartment;
use super::counters::Counters;
use super::error::{FromRefusal, Refusals, ResilienceError};
use super::hedge::HedgePolicy;
use super::rate_limit::Throttle;
use super::timeout::Limit;

/// What came of an attempt or a call: the function's own result, or the refusal of a policy.
pub type Outcome<T, E> = Result<Result<T, E>, ResilienceError>;

/// A policy that was not asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Off;

/// A policy by value, by reference, in an `Arc` or in a `static` `LazyLock`.
#[diagnostic::on_unimplemented(
    message = "expected a `{P}`, a reference to one, or one in an `Arc` or `LazyLock`, not `{Self}`"
)]
pub trait Handle<P> {
    /// The policy itself.
    fn policy(&self) -> &P;
}

impl<P> Handle<P> for P {
    #[inline]
    fn policy(&self) -> &P {
        self
    }
}

impl<P> Handle<P> for &P {
    #[inline]
    fn policy(&self) -> &P {
        self
    }
}

impl<P> Handle<P> for Arc<P> {
    fn policy(&self) -> &P {
        self
    }
}

impl<P> Handle<P> for &Arc<P> {
    fn policy(&self) -> &P {
        self
    }
}

impl<P, F: FnOnce() -> P> Handle<P> for &LazyLock<P, F> {
    fn policy(&self) -> &P {
        self
    }
}

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
pub struct Whole(Identity);

impl Whole {
    /// Begins a call.
    #[inline]
    pub fn begin(identity: Identity) -> Self {
        Self(identity)
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
        if let Some(counters) = self.0.counters {
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
        self.0.count(|counters| {
            if std::thread::panicking() { &counters.failures } else { &counters.cancelled }
        });
    }
}

pub(crate) fn unrefused<T, E>(outcome: Outcome<T, E>) -> Result<T, E> {
    outcome.unwrap_or_else(|refusal| unreachable!("none of these policies refuses: {refusal}"))
}

/// The policies of one attempt.
#[derive(Debug)]
pub struct Pipeline<B = Off, L = Off, T = Off, K = Off> {
    identity: Identity,
    breaker: B,
    rate_limit: L,
    timeout: T,
    bulkhead: K,
}

impl Pipeline {
    /// No policy yet.
    #[inline]
    pub fn new(identity: Identity) -> Self {
        Self { identity, breaker: Off, rate_limit: Off, timeout: Off, bulkhead: Off }
    }
}

impl<B, L, T, K> Pipeline<B, L, T, K> {
    /// Adds the breaker.
    #[inline]
    pub fn breaker<New>(self, breaker: New) -> Pipeline<New, L, T, K> {
        let Self { identity, rate_limit, timeout, bulkhead, .. } = self;
        Pipeline { identity, breaker, rate_limit, timeout, bulkhead }
    }

    /// Adds the rate limit.
    #[inline]
    pub fn rate_limit<New>(self, rate_limit: New) -> Pipeline<B, New, T, K> {
        let Self { identity, breaker, timeout, bulkhead, .. } = self;
        Pipeline { identity, breaker, rate_limit, timeout, bulkhead }
    }

    /// Adds the timeout.
    #[inline]
    pub fn timeout<New>(self, timeout: New) -> Pipeline<B, L, New, K> {
        let Self { identity, breaker, rate_limit, bulkhead, .. } = self;
        Pipeline { identity, breaker, rate_limit, timeout, bulkhead }
    }

    /// Adds the bulkhead.
    #[inline]
    pub fn bulkhead<New>(self, bulkhead: New) -> Pipeline<B, L, T, New> {
        let Self { identity, breaker, rate_limit, timeout, .. } = self;
        Pipeline { identity, breaker, rate_limit, timeout, bulkhead }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }
}

impl<B: Admission, L: Throttle, T: Limit, K: Compartment> Pipeline<B, L, T, K> {
    /// Begins an attempt. Make it before the future that it is to run, so that it outlives it: what
    /// an attempt holds is given back only when the future is gone.
    #[inline]
    pub fn attempt(&self) -> Attempt<'_, B, L, T, K> {
        Attempt { pipeline: self, ticket: None, permit: None, panicked: AtomicBool::new(false) }
    }
}

/// One attempt, which holds the breaker's ticket and the bulkhead's permit.
pub struct Attempt<'p, B: Admission, L, T, K: Compartment> {
    pipeline: &'p Pipeline<B, L, T, K>,
    ticket: Option<B::Ticket<'p>>,
    permit: Option<K::Permit<'p>>,
    panicked: AtomicBool,
}

impl<B: Admission, L: Throttle, T: Limit, K: Compartment> Attempt<'_, B, L, T, K> {
    /// Takes the future through the policies.
    ///
    /// # Errors
    ///
    /// The refusal of the policy that refused it.
    #[inline]
    pub async fn run<F, V, E>(&mut self, body: Pin<&mut F>) -> Outcome<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        let Self { pipeline, ticket, permit, panicked } = self;
        let identity = pipeline.identity;
        let mut started = false;
        let outcome = match pipeline.breaker.admit() {
            Err(refusal) => Err(refusal),
            Ok(admitted) => {
                *ticket = Some(admitted);
                match pipeline.rate_limit.acquire(identity).await {
                    Err(refusal) => Err(refusal),
                    Ok(()) => {
                        let rest = pin!(async {
                            *permit = Some(pipeline.bulkhead.enter().await?);
                            started = true;
                            Ok(Watched { body, panicked }.await)
                        });
                        pipeline.timeout.run(identity, rest).await
                    }
                }
            }
        };
        if outcome.is_err() && !started {
            identity.count(|counters| &counters.unstarted);
        }
        outcome
    }

    /// Takes a future through the policies, and copies of it where it is slow.
    ///
    /// # Errors
    ///
    /// The refusal of the policy that refused it.
    pub async fn run_hedged<F, V, E>(
        &mut self,
        hedge: &HedgePolicy,
        make: impl Fn() -> F,
    ) -> Outcome<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        let Self { pipeline, ticket, panicked, .. } = self;
        let identity = pipeline.identity;
        let admitted = match pipeline.breaker.admit() {
            Ok(admitted) => pipeline.rate_limit.acquire(identity).await.map(|()| admitted),
            Err(refusal) => Err(refusal),
        };
        match admitted {
            Ok(admitted) => *ticket = Some(admitted),
            Err(refusal) => {
                identity.count(|counters| &counters.unstarted);
                return Err(refusal);
            }
        }
        let panicked = &*panicked;
        hedge
            .race(identity, || async {
                // Before the body, so that it is given back after it.
                let mut permit = None;
                let started = AtomicBool::new(false);
                let body = pin!(make());
                let rest = pin!(async {
                    permit = Some(pipeline.bulkhead.enter().await?);
                    started.store(true, Ordering::Relaxed);
                    Ok(Watched { body, panicked }.await)
                });
                let outcome = pipeline.timeout.run(identity, rest).await;
                if outcome.is_err() && !started.load(Ordering::Relaxed) {
                    identity.count(|counters| &counters.unstarted);
                }
                outcome
            })
            .await
    }

    /// Takes a function that is not `async` through the policies, on the thread.
    ///
    /// # Errors
    ///
    /// The refusal of the policy that refused it.
    #[inline]
    pub fn run_blocking<V, E>(&mut self, body: impl FnOnce() -> Result<V, E>) -> Outcome<V, E> {
        let Self { pipeline, ticket, permit, panicked } = self;
        let mut enter = || {
            *ticket = Some(pipeline.breaker.admit()?);
            pipeline.rate_limit.acquire_blocking(pipeline.identity)?;
            *permit = Some(pipeline.bulkhead.enter_blocking()?);
            Ok(())
        };
        match enter() {
            Ok(()) => {
                let unwinding = Unwinding(panicked);
                let result = body();
                std::mem::forget(unwinding);
                Ok(result)
            }
            Err(refusal) => {
                pipeline.identity.count(|counters| &counters.unstarted);
                Err(refusal)
            }
        }
    }

    /// Ends the attempt for the breaker: refusals count by the list of refusals, the function's
    /// errors by the predicates.
    #[inline]
    pub fn settle<V, E>(
        mut self,
        outcome: &Outcome<V, E>,
        refusals: Refusals,
        judge: impl FnOnce(&E) -> Counted,
    ) {
        let counted = match outcome {
            Ok(Ok(_)) => Counted::Success,
            Ok(Err(error)) => judge(error),
            Err(refusal) if refusals.contains(refusal.refusal()) => Counted::Failure,
            Err(_) => Counted::Neither,
        };
        if let Some(ticket) = &mut self.ticket {
            ticket.settle(counted);
        }
    }
}

impl<B: Admission, L, T, K: Compartment> Drop for Attempt<'_, B, L, T, K> {
    #[inline]
    fn drop(&mut self) {
        if *self.panicked.get_mut()
            && let Some(ticket) = &mut self.ticket
        {
            ticket.settle(Counted::Failure);
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
