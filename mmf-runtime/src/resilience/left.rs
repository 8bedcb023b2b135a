//! What a call holds that was answered and goes on: a stream, whose end tells whether it worked.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{CircuitBreaker, Ticket};
use super::built::{Built, One};
use super::bulkhead::{Bulkhead, Permit};
use super::class::Class;
use super::error::{Refusals, ResilienceError};
use super::events;
use super::outcome::Counted;
use super::policy::{Admission, Unfinished};
use super::time_left::Entered;
use crate::clock;
use crate::timer::Timer;

/// A call whose answer is there and whose end is not, such as one of a stream. It holds what the call holds: its ticket at
/// the breaker, its place in the bulkhead, its time. Dropped before its end, the call counts as cancelled, and the
/// breaker counts it as neither.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::{Bulkhead, Class, Pipeline, ResilienceError, policy};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let feed = Pipeline::builder("feed").bulkhead(Bulkhead::builder("feed").max_concurrent(1).build()).build();
/// let call = feed.call::<ResilienceError>().classify(|_| Class::Failure);
/// let (answer, open) = call.open(|| async { Ok("the first of many") }).await.unwrap();
/// assert_eq!(policy("feed").unwrap().snapshot().bulkhead.unwrap().running, 1);
/// open.end(Class::Success);
/// let snapshot = policy("feed").unwrap().snapshot();
/// assert_eq!((snapshot.bulkhead.unwrap().running, snapshot.successes), (0, 1));
/// # });
/// ```
#[must_use = "a call that is not ended counts as cancelled"]
pub struct OpenCall {
    built: Arc<Built>,
    /// Until its end.
    unfinished: Option<Unfinished>,
    ticket: Ticket<OfCall<CircuitBreaker>>,
    permit: Option<Permit<OfCall<Bulkhead>>>,
    timeout: Option<(Instant, Duration)>,
    deadline: Option<(Instant, Duration)>,
    /// Which refusals its breaker counts as failures.
    failures: Refusals,
    timer: Timer,
    panicked: bool,
}

impl OpenCall {
    /// Ends it.
    pub fn end(mut self, class: Class) {
        if class.counted() == Counted::Failure {
            events::failed_later(self.built.name.as_str());
        }
        self.settle(class.counted(), Some(class == Class::Success));
        if let Some(permit) = self.permit.take() {
            match class.counted() {
                Counted::Success => permit.succeeded(),
                Counted::Failure => permit.failed(),
                Counted::Neither => {}
            }
        }
    }

    fn settle(&mut self, counted: Counted, succeeded: Option<bool>) {
        if let Some(unfinished) = self.unfinished.take() {
            unfinished.end(self.built.identity(), succeeded);
        }
        self.ticket.settle(counted);
    }

    /// What is left of its time, where that is limited.
    pub fn time_left(&self) -> Option<Duration> {
        self.nearest().map(|(at, ..)| at.saturating_duration_since(clock::now()))
    }

    fn nearest(&self) -> Option<(Instant, Duration, bool)> {
        let timeout = self.timeout.map(|(at, limit)| (at, limit, true));
        let deadline = self.deadline.map(|(at, limit)| (at, limit, false));
        timeout.into_iter().chain(deadline).min_by_key(|(at, ..)| *at)
    }

    /// Whether its time is over: that of its attempt, or of the whole call.
    pub fn is_over(&self) -> bool {
        self.nearest().is_some_and(|(at, ..)| at <= clock::now())
    }

    /// Ready once its time is over; never, where it is not limited. For who waits: a stream that has always more to say asks
    /// [`is_over`](Self::is_over).
    pub fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some((at, ..)) = self.nearest() else { return Poll::Pending };
        if !self.timer.is_started() {
            self.timer = Timer::until(at);
        }
        Pin::new(&mut self.timer).poll(context)
    }

    /// Ends it, as its time is over, by a refusal.
    #[cold]
    pub fn expire(mut self) -> ResilienceError {
        let (_, limit, is_timeout) =
            self.nearest().unwrap_or((clock::now(), Duration::ZERO, false));
        let (identity, policy) = (self.built.identity(), self.built.name.to_policy());
        let refusal = if is_timeout {
            identity.count(|counters| &counters.timeouts);
            ResilienceError::timeout(policy, limit)
        } else {
            identity.count(|counters| &counters.deadline_exceeded);
            ResilienceError::deadline_exceeded(policy, limit)
        };
        events::timed_out(&refusal);
        let counted = if self.failures.contains(refusal.refusal()) {
            Counted::Failure
        } else {
            Counted::Neither
        };
        self.settle(counted, Some(false));
        if let Some(permit) = self.permit.take()
            && is_timeout
        {
            permit.timed_out();
        }
        refusal
    }

    /// Runs what serves it under what is left of its time, which bounds the calls within. Where that panics, the call has failed.
    pub fn within<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let _entered = self.nearest().map(|(at, ..)| Entered::enter(at));
        let unwinding = Unwinding(&mut self.panicked);
        let result = work();
        std::mem::forget(unwinding);
        result
    }
}

/// Dropped only by a panic.
struct Unwinding<'a>(&'a mut bool);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        *self.0 = true;
    }
}

impl fmt::Debug for OpenCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.built.name.as_str();
        f.debug_struct("OpenCall").field("name", &name).finish_non_exhaustive()
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.panicked {
            self.settle(Counted::Failure, Some(false));
        } else {
            self.settle(Counted::Neither, std::thread::panicking().then_some(false));
        }
    }
}

/// A policy by what holds it: the pipeline, or one's own share of it where it is by key.
#[derive(Debug)]
enum OfCall<P> {
    Pipeline(Arc<Built>),
    Key(Arc<P>),
}

impl<P> OfCall<P> {
    fn of(built: &Arc<Built>, by_key: Option<&Arc<P>>) -> Self {
        by_key.map_or_else(|| Self::Pipeline(Arc::clone(built)), |own| Self::Key(Arc::clone(own)))
    }
}

/// Why a pipeline has what a call of it holds.
const JOINED: &str = "what a call has asked stays joined";

impl Deref for OfCall<CircuitBreaker> {
    type Target = CircuitBreaker;

    fn deref(&self) -> &CircuitBreaker {
        match self {
            Self::Pipeline(built) => {
                built.joined.breaker.as_ref().and_then(One::for_all).expect(JOINED)
            }
            Self::Key(breaker) => breaker,
        }
    }
}

impl Deref for OfCall<Bulkhead> {
    type Target = Bulkhead;

    fn deref(&self) -> &Bulkhead {
        match self {
            Self::Pipeline(built) => {
                built.joined.bulkhead.as_ref().and_then(One::for_all).expect(JOINED)
            }
            Self::Key(bulkhead) => bulkhead,
        }
    }
}

/// Where the attempts of a call leave what they hold when they are answered. By its own handles, since it outlives the
/// place of the call.
#[derive(Debug)]
pub(crate) struct Left<'v> {
    built: &'v Arc<Built>,
    breaker: Option<&'v Arc<CircuitBreaker>>,
    bulkhead: Option<&'v Arc<Bulkhead>>,
    /// One task uses it. Under the lock values are moved, and nothing else.
    held: Mutex<Holding>,
}

#[derive(Debug, Default)]
struct Holding {
    /// When the attempt that was answered began.
    began: Option<Instant>,
    ticket: Option<Ticket<OfCall<CircuitBreaker>>>,
    permit: Option<Permit<OfCall<Bulkhead>>>,
}

impl<'v> Left<'v> {
    pub(super) fn new(
        built: &'v Arc<Built>,
        breaker: Option<&'v Arc<CircuitBreaker>>,
        bulkhead: Option<&'v Arc<Bulkhead>>,
    ) -> Self {
        Self { built, breaker, bulkhead, held: Mutex::default() }
    }

    fn with<R>(&self, work: impl FnOnce(&mut Holding) -> R) -> R {
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn ticket(&self, admission: &mut Admission<'_>) {
        let ticket = admission.leave(|| OfCall::of(self.built, self.breaker));
        self.with(|held| held.ticket = Some(ticket));
    }

    /// The permit of an attempt, and when that began.
    pub(super) fn permit(&self, permit: Option<Permit<&Bulkhead>>, began: Option<Instant>) {
        let permit = permit.map(|permit| permit.handed(OfCall::of(self.built, self.bulkhead)));
        self.with(|held| (held.permit, held.began) = (permit, began));
    }

    pub(super) fn open(
        &self,
        unfinished: Unfinished,
        (timeout, deadline): (Option<Duration>, Option<(Instant, Duration)>),
        failures: Refusals,
    ) -> OpenCall {
        let Holding { began, ticket, permit } = self.with(std::mem::take);
        let timeout = began.zip(timeout).map(|(began, limit)| (clock::later(began, limit), limit));
        OpenCall {
            built: Arc::clone(self.built),
            unfinished: Some(unfinished),
            ticket: ticket.unwrap_or_else(Ticket::empty),
            permit,
            timeout,
            deadline,
            failures,
            timer: Timer::default(),
            panicked: false,
        }
    }
}
