//! The pipeline: what every call through policies shares.
//!
//! An [`Invocation`] is one call from its begin to its end. It has a method for each policy, and the
//! attribute prints a line for each that was asked for; [`call`](mod@super::call) takes the same steps
//! one after the other.
//!
//! Everything here is a concrete type. Composition by traits was tried: a trait that is implemented
//! for references, or that has a lifetime in an associated type, makes the compiler lose `Send` for
//! the futures built from it (rust-lang/rust#110338, #100013). What is awaited on every call is a
//! future written by hand, a few words over the `Pin<&mut _>` of the body: an `async fn` would be one
//! more state machine to enter and leave.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::breaker::{CircuitBreaker, Refused, Ticket};
use super::bulkhead::{Bulkhead, Permit, Queued};
use super::counters::Counters;
use super::error::{CallResult, FromRefusal, Refusals, ResilienceError, ResultOrSkipped};
use super::events::{self, ErrorText};
use super::feature::Gate;
use super::identity::Identity;
use super::name::{CallName, PolicyName};
use super::observe::{self, CallEnded};
use super::outcome::{Counted, Outcome, unrefused};
use super::rate_limit::{self, RateLimiter};
use super::time_left::time_left;
use super::timeout::{Elapsed, TimeLimit, Timed, poll_limit};
use super::tuning::Tuning;
use crate::clock;
use crate::timer::Timer;

/// One call from its begin to its end. Dropped before that, the call counts as cancelled, or as
/// failed where a panic ended it.
#[derive(Debug)]
#[must_use = "a call that is not finished counts as cancelled"]
pub struct Invocation<'a> {
    identity: Identity<'a>,
    /// How often the function has begun. The first time is counted beforehand, so that a call which is
    /// let through at once need not count; whoever refuses it, or has it wait, takes that back.
    attempts: AtomicU32,
    /// The body panicked: dropping its future afterwards looks like dropping one that was cancelled.
    panicked: AtomicBool,
    /// No attempt starts at or past it, by [`clock::nanos`].
    last_start: AtomicU64,
    /// When it began, where somebody measures calls, else 0.
    began: u64,
}

/// Apart from the calls that nobody measures, which are nearly all.
#[cold]
#[inline(never)]
fn begun_now() -> u64 {
    clock::nanos().max(1)
}

/// Tells those who measure calls how long one took. By values: a call whose place in memory is handed out has to be there.
#[cold]
#[inline(never)]
fn measured(name: &CallName, began: u64, succeeded: Option<bool>) {
    let latency = Duration::from_nanos(clock::nanos().saturating_sub(began));
    observe::tell_end(&CallEnded { policy: name.as_str(), succeeded, latency });
}

// Atomics, all relaxed: they are read by the task that wrote them, and are here only because a
// shared reference to them is held across an `.await` of a future that is `Send`.
impl<'a> Invocation<'a> {
    /// Begins a call.
    #[inline]
    pub fn begin(identity: Identity<'a>) -> Self {
        Self {
            identity,
            attempts: AtomicU32::new(1),
            panicked: AtomicBool::new(false),
            last_start: AtomicU64::new(u64::MAX),
            began: if observe::is_measured() { begun_now() } else { 0 },
        }
    }

    /// Ends it: a refusal becomes the caller's error.
    ///
    /// # Errors
    ///
    /// The function's own error, or a refusal as one.
    // Always inlined, here and below: handed over in memory, the call would be copied right after its parts
    // were written, for which a processor waits longer than for all the rest.
    #[inline(always)]
    pub fn finish<T, E: FromRefusal>(self, outcome: Outcome<T, E>) -> Result<T, E> {
        self.count_call(match outcome {
            Ok(result) => result,
            Err(refusal) => refused(refusal),
        })
    }

    /// [`finish`](Self::finish) where the caller says how a refusal becomes an error.
    ///
    /// # Errors
    ///
    /// The function's own error, or a refusal as one.
    #[inline(always)]
    pub fn finish_by<T, E>(
        self,
        outcome: Outcome<T, E>,
        refused: impl FnOnce(ResilienceError) -> E,
    ) -> Result<T, E> {
        self.count_call(match outcome {
            Ok(result) => result,
            Err(refusal) => Err(refused(refusal)),
        })
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
    #[inline(always)]
    pub fn finish_unrefused<T, E>(self, outcome: Outcome<T, E>) -> Result<T, E> {
        self.count_call(unrefused(outcome))
    }

    /// Ends it for the place where it stands: it was answered and goes on.
    pub(super) fn leave(self) -> Unfinished {
        let mut this = ManuallyDrop::new(self);
        Unfinished { attempts: *this.attempts.get_mut(), began: this.began }
    }

    #[inline(always)]
    fn count_call<T, E>(self, result: Result<T, E>) -> Result<T, E> {
        let this = ManuallyDrop::new(self);
        if let Some(counters) = this.identity.counters {
            counters.count_call(result.is_ok(), this.attempts.load(Ordering::Relaxed));
        }
        if this.began != 0 {
            measured(this.identity.name, this.began, Some(result.is_ok()));
        }
        result
    }

    pub(crate) fn name(&self) -> &'a str {
        self.identity.name.as_str()
    }

    /// The name as a refusal carries it.
    pub(crate) fn policy_name(&self) -> PolicyName {
        self.identity.name.to_policy()
    }

    pub(crate) fn count(&self, counter: impl FnOnce(&Counters) -> &AtomicU64) {
        self.identity.count(counter);
    }

    /// Counts another run of the function, or one that has waited long enough.
    pub(crate) fn begin_attempt(&self) {
        let attempts = self.attempts.load(Ordering::Relaxed);
        self.attempts.store(attempts.saturating_add(1), Ordering::Relaxed);
    }

    /// Code of the user's comes before the first run of the function: a key, which may panic.
    #[inline]
    pub fn hold(&self) {
        self.unbegin_attempt();
    }

    /// It has come back.
    #[inline]
    pub fn go_on(&self) {
        self.begin_attempt();
    }

    /// Takes a run back that was refused, or is about to wait.
    pub(super) fn unbegin_attempt(&self) {
        let attempts = self.attempts.load(Ordering::Relaxed);
        self.attempts.store(attempts.saturating_sub(1), Ordering::Relaxed);
    }

    /// No attempt starts at or past this time from now on.
    #[cold]
    pub(crate) fn start_no_attempt_after(&self, limit: Duration) {
        let end = clock::nanos().saturating_add(clock::saturating_nanos(limit));
        self.last_start.store(end, Ordering::Relaxed);
    }

    /// How long a wait may be that comes before an attempt, exclusive, and what limits it.
    pub(crate) fn time_left(&self) -> (Duration, &'static str) {
        let deadline = time_left();
        let last_start = match self.last_start.load(Ordering::Relaxed) {
            u64::MAX => Duration::MAX,
            end => Duration::from_nanos(end.saturating_sub(clock::nanos())),
        };
        if last_start < deadline { (last_start, "max_duration") } else { (deadline, "deadline") }
    }

    /// What was changed of its policy when it began.
    #[inline]
    pub(super) fn tuning(&self) -> Option<&'a Tuning> {
        self.identity.tuning
    }

    /// The limit of the whole call in place of this one.
    #[inline]
    pub fn deadline(&self, written: Duration) -> Duration {
        self.tuning().and_then(|tuning| tuning.deadline).unwrap_or(written)
    }

    /// The limit of one attempt in place of this one.
    #[inline]
    pub fn timeout(&self, written: Duration) -> Duration {
        self.tuning().and_then(|tuning| tuning.timeout).unwrap_or(written)
    }

    /// Whether its policy is turned off, or the feature that it belongs to: then the function is not run.
    #[inline]
    pub fn is_stopped(&self, gate: Option<&Gate>) -> bool {
        self.tuning().is_some_and(|tuning| tuning.is_off)
            || gate.is_some_and(|gate| !gate.is_open())
    }

    /// The refusal of a call that is stopped; a policy that is turned off is a feature of its own name.
    #[cold]
    pub fn stopped(&self, gate: Option<&Gate>) -> ResilienceError {
        let is_off = self.tuning().is_some_and(|tuning| tuning.is_off);
        let feature = match gate {
            Some(gate) if !is_off => gate.name(),
            _ => self.policy_name(),
        };
        let refusal = ResilienceError::feature_disabled(self.policy_name(), feature);
        self.count(|counters| &counters.feature_disabled);
        self.note_refusal(&refusal);
        refusal
    }

    /// What an attempt asks the breaker with.
    #[inline]
    pub fn admission(&self) -> Admission<'_> {
        Admission { ticket: Ticket::empty(), invocation: self }
    }

    /// Asks the rate limiter: a permit now, or a wait for it.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`].
    #[inline]
    pub fn throttle<'i>(
        &'i self,
        limiter: &'i RateLimiter,
    ) -> Result<Option<Wait<'i>>, ResilienceError> {
        if self.tuning().is_some_and(|tuning| tuning.without_rate_limit) || limiter.take_now() {
            Ok(None)
        } else {
            self.queue_for_permit(limiter).map(Some)
        }
    }

    #[cold]
    fn queue_for_permit<'i>(
        &'i self,
        limiter: &'i RateLimiter,
    ) -> Result<Wait<'i>, ResilienceError> {
        let queued = limiter.queue_up(|| self.time_left().0).inspect_err(|refusal| {
            self.rate_limited(refusal);
        })?;
        self.unbegin_attempt();
        Ok(Wait { queued, invocation: self })
    }

    fn rate_limited(&self, refusal: &ResilienceError) {
        self.count(|counters| &counters.rate_limited);
        self.note_refusal(refusal);
    }

    /// What came of the wait for a permit.
    fn permitted(&self, waited: Result<(), ResilienceError>) -> Result<(), ResilienceError> {
        self.begin_attempt();
        waited.inspect_err(|refusal| self.rate_limited(refusal))
    }

    /// Polls the body, watched for a panic.
    #[inline]
    pub fn body<'i, F, R>(&'i self, body: Pin<&'i mut F>) -> Body<'i, F>
    where
        F: Future<Output = R>,
        R: CallResult,
    {
        Body { body, panicked: &self.panicked }
    }

    /// [`body`](Self::body) of a method that nobody has marked: what is said where it returns no result is another
    /// thing.
    #[inline]
    pub fn body_of_all<'i, F, R>(&'i self, body: Pin<&'i mut F>) -> Body<'i, F>
    where
        F: Future<Output = R>,
        R: ResultOrSkipped,
    {
        self.body(body)
    }

    /// Runs a body that is not `async`.
    ///
    /// # Errors
    ///
    /// None of its own: the body's result is within.
    #[inline]
    pub fn body_blocking<R: CallResult>(
        &self,
        body: impl FnOnce() -> R,
    ) -> Outcome<R::Value, R::Error> {
        let unwinding = Unwinding(&self.panicked);
        let result = body();
        std::mem::forget(unwinding);
        Ok(result.into_result())
    }

    /// Waits for room in the bulkhead, then runs the rest. The permit is put where it outlives the
    /// body: it goes back only when the body is gone.
    #[inline]
    pub fn enter<'i, 'b, F>(
        &'i self,
        bulkhead: &'b Bulkhead,
        permit: &'i mut Option<Permit<&'b Bulkhead>>,
        rest: F,
    ) -> Entered<'i, 'b, F> {
        let is_open = self.is_without_bulkhead();
        Entered { door: Door { invocation: self, bulkhead, permit, queued: None, is_open }, rest }
    }

    #[inline]
    pub(super) fn is_without_bulkhead(&self) -> bool {
        self.tuning().is_some_and(|tuning| tuning.without_bulkhead)
    }

    /// Waits for room in the bulkhead on the thread; no permit is needed where the bulkhead is turned off.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::BulkheadFull`].
    pub fn enter_blocking<'b>(
        &self,
        bulkhead: &'b Bulkhead,
    ) -> Result<Option<Permit<&'b Bulkhead>>, ResilienceError> {
        if self.is_without_bulkhead() {
            return Ok(None);
        }
        let permit = bulkhead.acquire_blocking();
        permit.map(Some).inspect_err(|refusal| self.note_refusal(refusal))
    }

    /// Runs the rest, with its wait for the bulkhead, under the timeout.
    #[inline]
    pub fn within<F>(&self, limit: Duration, rest: F) -> Within<'_, F> {
        Within { timed: Timed::new(rest), invocation: self, limit }
    }

    /// Tells a refusal that came before the body began, which is no run of it then.
    #[cold]
    fn note_refusal(&self, refusal: &ResilienceError) {
        self.unbegin_attempt();
        events::refused(refusal);
    }

    /// [`body`](Self::body) [`within`](Self::within) a timeout, where no bulkhead stands between them: one future in
    /// place of two, which is less for a compiler to look through.
    #[inline]
    pub fn body_within<'i, F, R>(
        &'i self,
        limit: Duration,
        body: Pin<&'i mut F>,
    ) -> BodyWithin<'i, F>
    where
        F: Future<Output = R>,
        R: CallResult,
    {
        BodyWithin { body, invocation: self, limit, timer: Timer::default() }
    }

    #[cold]
    fn timed_out(&self, limit: Duration) -> ResilienceError {
        let refusal = ResilienceError::timeout(self.policy_name(), limit);
        self.count(|counters| &counters.timeouts);
        events::timed_out(&refusal);
        refusal
    }
}

impl Drop for Invocation<'_> {
    #[cold]
    fn drop(&mut self) {
        let panicked = *self.panicked.get_mut() || std::thread::panicking();
        let unfinished = Unfinished { attempts: *self.attempts.get_mut(), began: self.began };
        unfinished.end(self.identity, panicked.then_some(false));
    }
}

/// What is told of a call at its end, wherever that is.
#[derive(Debug)]
pub(super) struct Unfinished {
    attempts: u32,
    began: u64,
}

impl Unfinished {
    /// Whether it succeeded; none where it was given up.
    pub(super) fn end(&self, identity: Identity<'_>, succeeded: Option<bool>) {
        if self.began != 0 {
            measured(identity.name, self.began, succeeded);
        }
        let Some(counters) = identity.counters else { return };
        match succeeded {
            Some(succeeded) => counters.count_call(succeeded, self.attempts),
            None => {
                counters.more_attempts.add(0, self.attempts);
                identity.count(|counters| &counters.cancelled);
            }
        }
    }
}

/// A refusal as the caller's error. Apart, so that what is inlined everywhere stays small.
#[inline(never)]
fn refused<T, E: FromRefusal>(refusal: ResilienceError) -> Result<T, E> {
    Err(E::from_refusal(refusal))
}

/// An attempt at the door of a breaker, and within it.
#[derive(Debug)]
pub struct Admission<'a> {
    ticket: Ticket<&'a CircuitBreaker>,
    invocation: &'a Invocation<'a>,
}

impl<'a> Admission<'a> {
    /// Asks the breaker.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::CircuitOpen`].
    // Always inlined: a compiler that leaves it out of a call pays as much again for going there and back.
    #[inline(always)]
    pub fn ask(&mut self, breaker: &'a CircuitBreaker) -> Result<(), ResilienceError> {
        if self.invocation.tuning().is_some_and(|tuning| tuning.without_breaker) {
            return Ok(());
        }
        breaker.admit(&mut self.ticket).map_err(|refused| self.refused(breaker, refused))
    }

    fn refused(&self, breaker: &CircuitBreaker, refused: Refused) -> ResilienceError {
        let refusal = breaker.refusal(refused);
        self.invocation.note_refusal(&refusal);
        refusal
    }

    /// Ends the attempt for the breaker: refusals count by the list of refusals, the function's results by the
    /// predicates.
    #[inline]
    pub fn settle<V, E>(
        &mut self,
        outcome: &Outcome<V, E>,
        refusals: Refusals,
        judge: impl FnOnce(&Result<V, E>) -> Counted,
        text: ErrorText<E>,
    ) {
        let tuned = self.invocation.tuning().and_then(|tuning| tuning.failures);
        let refusals = tuned.unwrap_or(refusals);
        self.ticket.settle(match outcome {
            Ok(result) => {
                let counted = judge(result);
                if counted == Counted::Failure {
                    events::failed(self.invocation.name(), result, text);
                }
                counted
            }
            Err(refusal) if refusals.contains(refusal.refusal()) => Counted::Failure,
            Err(_) => Counted::Neither,
        });
    }
}

impl Admission<'_> {
    /// The ticket of an attempt that was answered and goes on, for whoever sees its end.
    pub(super) fn leave<New>(&mut self, handle: impl FnOnce() -> New) -> Ticket<New>
    where
        New: Deref<Target = CircuitBreaker>,
    {
        self.ticket.handed(handle)
    }
}

impl Drop for Admission<'_> {
    #[inline]
    fn drop(&mut self) {
        // Otherwise it was settled, or the attempt was cancelled.
        if self.invocation.panicked.load(Ordering::Relaxed) {
            self.ticket.settle(Counted::Failure);
        }
    }
}

/// A permit of the rate limiter that is not due yet. Dropped before it is, the attempt has not begun, and
/// whoever is next in the queue moves up.
#[must_use = "the permit is due only after the wait"]
pub struct Wait<'a> {
    queued: rate_limit::Queued<'a>,
    invocation: &'a Invocation<'a>,
}

impl Wait<'_> {
    /// Waits until the permit is due.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`] where the queue did not move in time.
    pub async fn until_due(mut self) -> Result<(), ResilienceError> {
        let waited = Pin::new(&mut self.queued).await;
        self.invocation.permitted(waited)
    }

    /// [`until_due`](Self::until_due) on the thread.
    ///
    /// # Errors
    ///
    /// As [`until_due`](Self::until_due).
    pub fn until_due_blocking(mut self) -> Result<(), ResilienceError> {
        let waited = self.queued.wait_blocking();
        self.invocation.permitted(waited)
    }
}

/// The body of an attempt; see [`Invocation::body`].
pub struct Body<'a, F> {
    body: Pin<&'a mut F>,
    panicked: &'a AtomicBool,
}

impl<F> Future for Body<'_, F>
where
    F: Future<Output: CallResult>,
{
    type Output = Outcome<<F::Output as CallResult>::Value, <F::Output as CallResult>::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { body, panicked } = &mut *self;
        poll_watched(body.as_mut(), panicked, context).map(|result| Ok(result.into_result()))
    }
}

/// Polls a body, and notes where it panics.
#[inline]
fn poll_watched<F: Future>(
    body: Pin<&mut F>,
    panicked: &AtomicBool,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    let unwinding = Unwinding(panicked);
    let poll = body.poll(context);
    std::mem::forget(unwinding);
    poll
}

/// Dropped only by a panic.
struct Unwinding<'a>(&'a AtomicBool);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An attempt at the door of a bulkhead; see [`Invocation::enter`].
pub struct Entered<'a, 'b, F> {
    door: Door<'a, 'b>,
    rest: F,
}

impl<F, V, E> Future for Entered<'_, '_, F>
where
    F: Future<Output = Outcome<V, E>> + Unpin,
{
    type Output = Outcome<V, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { door, rest } = self.get_mut();
        if !door.is_passed()
            && let Some(refusal) = ready!(door.queue_up(context))
        {
            return Poll::Ready(Err(refusal));
        }
        Pin::new(rest).poll(context)
    }
}

/// Where an attempt waits for room. Not generic, so that it is compiled once and not for each function.
struct Door<'a, 'b> {
    invocation: &'a Invocation<'a>,
    bulkhead: &'b Bulkhead,
    permit: &'a mut Option<Permit<&'b Bulkhead>>,
    queued: Option<Queued<&'b Bulkhead>>,
    /// The bulkhead is turned off.
    is_open: bool,
}

impl Door<'_, '_> {
    /// Whether the attempt has its permit, or gets it now without waiting.
    #[inline]
    fn is_passed(&mut self) -> bool {
        if self.is_open {
            return true;
        }
        if self.permit.is_none() && self.queued.is_none() {
            *self.permit = self.bulkhead.try_enter();
        }
        self.permit.is_some()
    }

    /// Ready with the permit in its place, or with a refusal.
    #[cold]
    fn queue_up(&mut self, context: &mut Context<'_>) -> Poll<Option<ResilienceError>> {
        let settled = match &mut self.queued {
            Some(queued) => {
                let settled = ready!(Pin::new(queued).poll(context));
                self.queued = None;
                self.invocation.begin_attempt();
                settled
            }
            None => match Bulkhead::queue_up(self.bulkhead) {
                Ok(queued) => {
                    self.invocation.unbegin_attempt();
                    self.queued = Some(queued);
                    return self.queue_up(context);
                }
                Err(settled) => settled,
            },
        };
        Poll::Ready(match settled {
            Ok(permit) => {
                *self.permit = Some(permit);
                None
            }
            Err(refusal) => {
                self.invocation.note_refusal(&refusal);
                Some(refusal)
            }
        })
    }
}

/// An attempt under a timeout; see [`Invocation::within`].
pub struct Within<'a, F> {
    timed: Timed<F>,
    invocation: &'a Invocation<'a>,
    limit: Duration,
}

impl<F, V, E> Future for Within<'_, F>
where
    F: Future<Output = Outcome<V, E>> + Unpin,
{
    type Output = Outcome<V, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { timed, invocation, limit } = self.get_mut();
        match ready!(timed.poll_within(TimeLimit::Within(*limit), context)) {
            Ok(outcome) => Poll::Ready(outcome),
            Err(Elapsed) => Poll::Ready(Err(invocation.timed_out(*limit))),
        }
    }
}

/// The body of an attempt under a timeout; see [`Invocation::body_within`].
pub struct BodyWithin<'a, F> {
    body: Pin<&'a mut F>,
    invocation: &'a Invocation<'a>,
    limit: Duration,
    timer: Timer,
}

impl<F> Future for BodyWithin<'_, F>
where
    F: Future<Output: CallResult>,
{
    type Output = Outcome<<F::Output as CallResult>::Value, <F::Output as CallResult>::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { body, invocation, limit, timer } = &mut *self;
        match poll_watched(body.as_mut(), &invocation.panicked, context) {
            Poll::Ready(result) => Poll::Ready(Ok(result.into_result())),
            Poll::Pending => poll_limit(timer, TimeLimit::Within(*limit), context)
                .map(|Elapsed| Err(invocation.timed_out(*limit))),
        }
    }
}
