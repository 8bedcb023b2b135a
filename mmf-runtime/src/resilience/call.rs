//! Policies without the attribute: [`call`], policies, and a closure.
//!
//! It runs the same pipeline as the attribute's expansion, step by step.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use super::breaker::CircuitBreaker;
use super::bulkhead::{Bulkhead, learn};
use super::class::Class;
use super::deadline::Deadline;
use super::error::{FromRefusal, Refusals, ResilienceError};
use super::events::{ErrorText, type_name_only};
use super::handle::Held;
use super::hedge::HedgePolicy;
use super::identity::Identity;
use super::name::CallName;
use super::outcome::{Counted, Outcome};
use super::policy::Invocation;
use super::rate_limit::RateLimiter;
use super::retry::{Retry, RetryEvent, RetryPolicy, Retrying};
use super::time_left::until;
use super::tuning::Tuning;
use super::view::View;
use crate::clock;

/// Begins a call by this name, with no policy yet.
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::time::Duration;
/// use mmf::resilience::{self, Backoff, CircuitBreaker, ResilienceError, RetryPolicy};
///
/// #[derive(Debug)]
/// enum ApiError { Busy, Refused }
/// impl From<ResilienceError> for ApiError {
///     fn from(_: ResilienceError) -> Self { ApiError::Refused }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let payments = CircuitBreaker::builder("payments").failure_threshold(5).build();
/// let attempts = std::cell::Cell::new(0);
/// let receipt = resilience::call("payments.charge")
///     .retry(RetryPolicy::builder().max_attempts(5).backoff(Backoff::Fibonacci).build())
///     .breaker(&payments)
///     .timeout(Duration::from_secs(2))
///     .retry_if(|error: &ApiError| matches!(error, ApiError::Busy))
///     .run(|| async {
///         attempts.set(attempts.get() + 1);
///         if attempts.get() < 3 { Err(ApiError::Busy) } else { Ok("receipt") }
///     })
///     .await;
/// assert_eq!((receipt.unwrap(), attempts.get()), ("receipt", 3));
/// # });
/// ```
#[doc(alias = "async_call_with_resilience")]
#[doc(alias = "async_retry_with_advanced_policy")]
pub fn call<'a, E>(name: impl Into<CallName>) -> Call<'a, E> {
    Call::by(AdHoc {
        name: name.into(),
        deadline: None,
        retry: None,
        breaker: None,
        rate_limit: None,
        hedge: None,
        timeout: None,
        bulkhead: None,
        retry_refusals: Refusals::RETRIED,
        fail_refusals: Refusals::FAILURES,
    })
}

impl<E, P> Call<'_, E, P> {
    /// A call by these policies.
    pub(super) fn by(policed: P) -> Self {
        Self {
            policed,
            before_retry: None,
            error_text: type_name_only,
            applies: Applies { only: None, never: None, refusals: Refusals::ALL },
            fallback: Off,
            refused: Off,
            rules: Rules {
                retry_if: Off,
                abort_if: Off,
                retry_if_ok: Off,
                retry_after: Off,
                fail_if: Off,
                fail_if_ok: Off,
                skip_if: Off,
            },
        }
    }
}

/// A call through policies; see [`call`] and [`Pipeline::call`](super::Pipeline::call). `P` holds the policies, `F` is
/// the fallback, `J` are the predicates, and `R` says how a refusal becomes an error.
#[must_use = "nothing is called until `run`"]
pub struct Call<'a, E, P = AdHoc<'a>, F = Off, J = NoRules, R = Off> {
    pub(super) policed: P,
    pub(super) before_retry: Option<Hook<'a>>,
    pub(super) error_text: ErrorText<E>,
    applies: Applies<'a, E>,
    fallback: F,
    pub(super) refused: R,
    pub(super) rules: J,
}

impl<E, P: Policed, F, J, R> fmt::Debug for Call<'_, E, P, F, J, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.policed.identity().name;
        f.debug_struct("Call").field("name", &name.as_str()).finish_non_exhaustive()
    }
}

pub(super) type Hook<'a> = Box<dyn Fn(&RetryEvent) + Send + Sync + 'a>;

/// A predicate that is kept in a box, since few calls have one.
type Boxed<'a, X> = Option<Box<dyn Fn(&X) -> bool + Send + Sync + 'a>>;

/// Which failures the fallback answers.
struct Applies<'a, E> {
    only: Boxed<'a, E>,
    never: Boxed<'a, E>,
    refusals: Refusals,
}

impl<E> Applies<'_, E> {
    fn to<T>(&self, invocation: &Invocation<'_>, outcome: &Outcome<T, E>) -> bool {
        super::fallback::applies(invocation, outcome, self.refusals, |error| {
            !self.never.as_ref().is_some_and(|never| never(error))
                && self.only.as_ref().is_none_or(|only| only(error))
        })
    }
}

/// What holds the policies of a call.
pub trait Policed {
    /// Under which name it runs.
    #[doc(hidden)]
    fn identity(&self) -> Identity<'_>;
    /// The policies, by what was changed of them when the call began.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "asked by `run` alone")]
    fn view(&self, tuning: Option<&Tuning>) -> View<'_>;
}

/// Policies that are named for this call alone.
#[derive(Debug)]
pub struct AdHoc<'a> {
    name: CallName,
    deadline: Option<Duration>,
    retry: Option<Held<'a, RetryPolicy>>,
    breaker: Option<Held<'a, CircuitBreaker>>,
    rate_limit: Option<Held<'a, RateLimiter>>,
    hedge: Option<Held<'a, HedgePolicy>>,
    timeout: Option<Duration>,
    bulkhead: Option<Held<'a, Bulkhead>>,
    retry_refusals: Refusals,
    fail_refusals: Refusals,
}

impl Policed for AdHoc<'_> {
    fn identity(&self) -> Identity<'_> {
        Identity::uncounted(&self.name)
    }

    #[expect(private_interfaces, reason = "see the trait")]
    fn view(&self, _: Option<&Tuning>) -> View<'_> {
        View {
            deadline: self.deadline,
            retry: self.retry.as_deref(),
            breaker: self.breaker.as_deref(),
            rate_limit: self.rate_limit.as_deref(),
            hedge: self.hedge.as_deref(),
            timeout: self.timeout,
            bulkhead: self.bulkhead.as_deref(),
            retry_refusals: self.retry_refusals,
            fail_refusals: self.fail_refusals,
            left: None,
        }
    }
}

/// A predicate, a fallback or a way for refusals that was not set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Off;

/// The predicates of a call, each [`Off`] until it is set.
#[derive(Clone, Copy, Debug)]
pub struct Rules<RetryIf, AbortIf, RetryIfOk, RetryAfter, FailIf, SkipIf, FailIfOk> {
    retry_if: RetryIf,
    abort_if: AbortIf,
    retry_if_ok: RetryIfOk,
    retry_after: RetryAfter,
    fail_if: FailIf,
    skip_if: SkipIf,
    fail_if_ok: FailIfOk,
}

/// No predicate set.
pub type NoRules = Rules<Off, Off, Off, Off, Off, Off, Off>;

impl<'a, E, F, J, R> Call<'a, E, AdHoc<'a>, F, J, R> {
    /// Limits the whole call, back-off included.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.policed.deadline = Some(limit);
        self
    }

    /// Tries again by this policy.
    pub fn retry(mut self, policy: impl Into<Held<'a, RetryPolicy>>) -> Self {
        self.policed.retry = Some(policy.into());
        self
    }

    /// Which refusals are retried. Default: timeout, bulkhead and rate limit.
    pub fn retry_on_refusal(mut self, refusals: impl Into<Refusals>) -> Self {
        self.policed.retry_refusals = refusals.into();
        self
    }

    /// Stops calling what fails.
    pub fn breaker(mut self, policy: impl Into<Held<'a, CircuitBreaker>>) -> Self {
        self.policed.breaker = Some(policy.into());
        self
    }

    /// Which refusals the breaker counts as failures. Default: timeouts.
    pub fn fail_on_refusal(mut self, refusals: impl Into<Refusals>) -> Self {
        self.policed.fail_refusals = refusals.into();
        self
    }

    /// Limits how many attempts start in a period.
    pub fn rate_limit(mut self, policy: impl Into<Held<'a, RateLimiter>>) -> Self {
        self.policed.rate_limit = Some(policy.into());
        self
    }

    /// Starts a copy of a slow attempt by this policy.
    pub fn hedge(mut self, policy: impl Into<Held<'a, HedgePolicy>>) -> Self {
        self.policed.hedge = Some(policy.into());
        self
    }

    /// Limits one attempt.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.policed.timeout = Some(limit);
        self
    }

    /// Limits how many attempts run at once.
    pub fn bulkhead(mut self, policy: impl Into<Held<'a, Bulkhead>>) -> Self {
        self.policed.bulkhead = Some(policy.into());
        self
    }
}

impl<'a, E, P, F, J, R> Call<'a, E, P, F, J, R> {
    /// Answers where the call fails, by [`fallback_if`](Self::fallback_if) and its likes; its own error is the
    /// result then.
    pub fn fallback<New, Fut>(self, fallback: New) -> Call<'a, E, P, New, J, R>
    where
        New: FnOnce(E) -> Fut,
    {
        let Self { policed, before_retry, error_text, applies, refused, rules, .. } = self;
        Call { policed, before_retry, error_text, applies, fallback, refused, rules }
    }

    /// How a refusal becomes an error. Without it, the error type must be one that can carry it.
    pub fn refused<New>(self, refused: New) -> Call<'a, E, P, F, J, New>
    where
        New: FnOnce(ResilienceError) -> E,
    {
        let Self { policed, before_retry, error_text, applies, fallback, rules, .. } = self;
        Call { policed, before_retry, error_text, applies, fallback, refused, rules }
    }

    /// The fallback answers these errors only. Refusals are asked by
    /// [`fallback_on_refusal`](Self::fallback_on_refusal) alone.
    pub fn fallback_if(mut self, predicate: impl Fn(&E) -> bool + Send + Sync + 'a) -> Self {
        self.applies.only = Some(Box::new(predicate));
        self
    }

    /// The fallback never answers these errors; asked before [`fallback_if`](Self::fallback_if).
    pub fn fallback_unless(mut self, predicate: impl Fn(&E) -> bool + Send + Sync + 'a) -> Self {
        self.applies.never = Some(Box::new(predicate));
        self
    }

    /// Which refusals the fallback answers. Default: all.
    pub fn fallback_on_refusal(mut self, refusals: impl Into<Refusals>) -> Self {
        self.applies.refusals = refusals.into();
        self
    }

    /// Is told of each retry, before its delay.
    pub fn before_retry(mut self, hook: impl Fn(&RetryEvent) + Send + Sync + 'a) -> Self {
        self.before_retry = Some(Box::new(hook));
        self
    }

    /// How events write an error: `.error_text(fmt::Display::fmt)` where it has a text. Default: the name of its type,
    /// since nothing else need be known of it.
    pub fn error_text(mut self, text: fn(&E, &mut fmt::Formatter<'_>) -> fmt::Result) -> Self {
        self.error_text = text;
        self
    }

    /// Runs it: `work` is called once for each attempt.
    ///
    /// # Errors
    ///
    /// The last error of `work`, a refusal as one, or the fallback's own error.
    pub async fn run<V, Fut>(self, work: impl Fn() -> Fut) -> Result<V, E>
    where
        Fut: Future<Output = Result<V, E>>,
        P: Policed,
        F: Rescue<V, E>,
        J: Judge<V, E>,
        R: Refused<E>,
    {
        let Self { policed, before_retry, error_text, applies, fallback, refused, rules } = self;
        let identity = policed.identity();
        let (invocation, policies) = (Invocation::begin(identity), policed.view(identity.tuning));
        let told = (before_retry.as_ref(), error_text);
        let attempts = policies.attempts(&invocation, &rules, told, &work);
        let outcome = match policies.deadline {
            Some(limit) => Deadline::begin(&invocation, limit).run(pin!(attempts)).await,
            None => attempts.await,
        };
        let refused = |refusal| refused.refused(refusal);
        let result = fallback.rescue(&invocation, (&applies, error_text), outcome, refused).await;
        invocation.finish_unrefused(Ok(result))
    }
}

/// Who is told of retries, and how an error is written.
pub(super) type Told<'t, 'a, E> = (Option<&'t Hook<'a>>, ErrorText<E>);

impl View<'_> {
    /// One attempt after the other, as the retry has it.
    pub(super) async fn attempts<V, E, Fut, W, J>(
        &self,
        invocation: &Invocation<'_>,
        rules: &J,
        (before_retry, error_text): Told<'_, '_, E>,
        work: &W,
    ) -> Outcome<V, E>
    where
        W: Fn() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        J: Judge<V, E>,
    {
        if invocation.is_stopped(None) {
            return Err(invocation.stopped(None));
        }
        let mut retrying =
            self.retry.map(|policy| Retrying::begin(invocation, policy, self.retry_refusals));
        loop {
            let outcome = self.attempt(invocation, rules, error_text, work).await;
            let Some(retrying) = &mut retrying else { break outcome };
            let judge = |result: &Result<V, E>| rules.retry(result);
            let next = match before_retry {
                None => retrying.next(outcome, judge, error_text),
                Some(hook) => {
                    retrying.next_event(outcome, judge, error_text).map_continue(|event| {
                        hook(&event);
                        event.delay
                    })
                }
            };
            let delay = match next {
                ControlFlow::Break(outcome) => break outcome,
                ControlFlow::Continue(delay) => delay,
            };
            retrying.pause(delay).await;
        }
    }

    async fn attempt<V, E, Fut, W, J>(
        &self,
        invocation: &Invocation<'_>,
        rules: &J,
        error_text: ErrorText<E>,
        work: &W,
    ) -> Outcome<V, E>
    where
        W: Fn() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        J: Judge<V, E>,
    {
        let mut admission = invocation.admission();
        if let Some(breaker) = self.breaker {
            admission.ask(breaker)?;
        }
        let outcome = self.admitted(invocation, rules, work).await;
        match (self.left, &outcome) {
            (Some(left), Ok(Ok(_))) => left.ticket(&mut admission),
            _ if self.breaker.is_some() => {
                let judge = |result: &Result<V, E>| rules.counted(result);
                admission.settle(&outcome, self.fail_refusals, judge, error_text);
            }
            _ => {}
        }
        outcome
    }

    /// What the breaker has let in, and counts.
    async fn admitted<V, E, Fut, W, J>(
        &self,
        invocation: &Invocation<'_>,
        rules: &J,
        work: &W,
    ) -> Outcome<V, E>
    where
        W: Fn() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        J: Judge<V, E>,
    {
        if let Some(limiter) = self.rate_limit
            && let Some(wait) = invocation.throttle(limiter)?
        {
            wait.until_due().await?;
        }
        let copy = || async {
            let mut permit = None;
            let began = self.left.map(|_| clock::now());
            // Within the future: the closure is the user's as well, and waits and counts like what it returns.
            let body = pin!(async {
                match (began, self.timeout) {
                    // For whoever tells others how long they have: the wait for room is part of this time.
                    (Some(began), Some(limit)) => until(clock::later(began, limit), work()).await,
                    _ => work().await,
                }
            });
            let body = invocation.body(body);
            let outcome = match (self.bulkhead, self.timeout) {
                (None, None) => body.await,
                (None, Some(limit)) => invocation.within(limit, body).await,
                (Some(bulkhead), None) => invocation.enter(bulkhead, &mut permit, body).await,
                (Some(bulkhead), Some(limit)) => {
                    invocation.within(limit, invocation.enter(bulkhead, &mut permit, body)).await
                }
            };
            match (self.left, &outcome) {
                (Some(left), Ok(Ok(_))) => left.permit(permit.take(), began),
                _ => learn(&mut permit, &outcome, |result| rules.counted(result)),
            }
            outcome
        };
        match self.hedge {
            Some(hedge) => hedge.race(invocation, self.bulkhead, &copy, pin!(Some(copy()))).await,
            None => copy().await,
        }
    }
}

impl<'a, E, P, F, R> Call<'a, E, P, F, NoRules, R> {
    /// What an error is to the breaker and to the retry, in place of predicates.
    ///
    /// ```
    /// # use mmf_runtime as mmf;
    /// use mmf::resilience::{Class, Pipeline, ResilienceError, RetryPolicy};
    ///
    /// #[derive(Debug)]
    /// enum ApiError { Status(u16), Refused }
    /// impl ApiError {
    ///     fn class(&self) -> Class {
    ///         match self {
    ///             Self::Status(503) => Class::TRANSIENT,
    ///             Self::Status(_) => Class::Failure,
    ///             Self::Refused => Class::Ignored,
    ///         }
    ///     }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
    /// let users = Pipeline::builder("users.classified").retry(RetryPolicy::builder().build()).build();
    /// let statuses = std::cell::RefCell::new(vec![404, 503]);
    /// let answer: Result<(), _> = users
    ///     .call()
    ///     .classify(ApiError::class)
    ///     .refused(|_| ApiError::Refused)
    ///     .run(|| async { Err(ApiError::Status(statuses.borrow_mut().pop().unwrap())) })
    ///     .await;
    /// assert!(matches!(answer, Err(ApiError::Status(404))), "503 was tried again, 404 was not");
    /// # });
    /// ```
    pub fn classify<New: Fn(&E) -> Class>(self, class: New) -> Call<'a, E, P, F, ByClass<New>, R> {
        let Self { policed, before_retry, error_text, applies, fallback, refused, .. } = self;
        Call {
            policed,
            before_retry,
            error_text,
            applies,
            fallback,
            refused,
            rules: ByClass(class),
        }
    }
}

/// Rebuilds the predicates with one of them set.
macro_rules! with_rule {
    ($self:ident, $rule:ident, $($kept:ident),*) => {{
        let Call { policed, before_retry, error_text, applies, fallback, refused, rules } = $self;
        let Rules { $($kept,)* .. } = rules;
        let rules = Rules { $rule, $($kept),* };
        Call { policed, before_retry, error_text, applies, fallback, refused, rules }
    }};
}

#[expect(clippy::type_complexity, reason = "each method sets one of seven parameters")]
impl<'a, E, P, F, R, A, B, C, D, G, I, K> Call<'a, E, P, F, Rules<A, B, C, D, G, I, K>, R> {
    /// Retries these errors only.
    pub fn retry_if<New: Fn(&E) -> bool>(
        self,
        retry_if: New,
    ) -> Call<'a, E, P, F, Rules<New, B, C, D, G, I, K>, R> {
        with_rule!(self, retry_if, abort_if, retry_if_ok, retry_after, fail_if, skip_if, fail_if_ok)
    }

    /// Never retries these errors; asked before `retry_if`.
    pub fn abort_if<New: Fn(&E) -> bool>(
        self,
        abort_if: New,
    ) -> Call<'a, E, P, F, Rules<A, New, C, D, G, I, K>, R> {
        with_rule!(self, abort_if, retry_if, retry_if_ok, retry_after, fail_if, skip_if, fail_if_ok)
    }

    /// Retries these successes, as if they were failures.
    pub fn retry_if_ok<V, New: Fn(&V) -> bool>(
        self,
        retry_if_ok: New,
    ) -> Call<'a, E, P, F, Rules<A, B, New, D, G, I, K>, R> {
        with_rule!(self, retry_if_ok, retry_if, abort_if, retry_after, fail_if, skip_if, fail_if_ok)
    }

    /// The server's own hint, which replaces the delay: it is never undercut, and spread up to half as much
    /// again. One above `max_delay`, or past the deadline, ends the call with its last error.
    pub fn retry_after<New: Fn(&E) -> Option<Duration>>(
        self,
        retry_after: New,
    ) -> Call<'a, E, P, F, Rules<A, B, C, New, G, I, K>, R> {
        with_rule!(self, retry_after, retry_if, abort_if, retry_if_ok, fail_if, skip_if, fail_if_ok)
    }

    /// Counts these errors only as the breaker's failures; the others count as successes.
    pub fn fail_if<New: Fn(&E) -> bool>(
        self,
        fail_if: New,
    ) -> Call<'a, E, P, F, Rules<A, B, C, D, New, I, K>, R> {
        with_rule!(self, fail_if, retry_if, abort_if, retry_if_ok, retry_after, skip_if, fail_if_ok)
    }

    /// Counts these errors neither as failures nor as successes; asked before `fail_if`.
    pub fn skip_if<New: Fn(&E) -> bool>(
        self,
        skip_if: New,
    ) -> Call<'a, E, P, F, Rules<A, B, C, D, G, New, K>, R> {
        with_rule!(self, skip_if, retry_if, abort_if, retry_if_ok, retry_after, fail_if, fail_if_ok)
    }

    /// Counts these successes as the breaker's failures.
    pub fn fail_if_ok<V, New: Fn(&V) -> bool>(
        self,
        fail_if_ok: New,
    ) -> Call<'a, E, P, F, Rules<A, B, C, D, G, I, New>, R> {
        with_rule!(self, fail_if_ok, retry_if, abort_if, retry_if_ok, retry_after, fail_if, skip_if)
    }
}

/// How a refusal becomes the caller's error.
#[diagnostic::on_unimplemented(
    message = "the error type `{E}` cannot carry a refusal: `From<mmf::ResilienceError>` is not implemented for it",
    label = "a policy of this call can refuse it",
    note = "say how a refusal becomes one: `.refused(|refusal| …)`, or write `impl From<mmf::ResilienceError> for {E}`"
)]
pub trait Refused<E> {
    /// The error.
    fn refused(self, refusal: ResilienceError) -> E;
}

#[diagnostic::do_not_recommend]
impl<E: FromRefusal> Refused<E> for Off {
    fn refused(self, refusal: ResilienceError) -> E {
        E::from_refusal(refusal)
    }
}

#[diagnostic::do_not_recommend]
impl<E, P: FnOnce(ResilienceError) -> E> Refused<E> for P {
    fn refused(self, refusal: ResilienceError) -> E {
        self(refusal)
    }
}

/// What answers where the call fails.
#[expect(
    async_fn_in_trait,
    reason = "used with the two types below alone, where Send shows through"
)]
pub trait Rescue<V, E> {
    /// The outcome, or the fallback's; a refusal that stands becomes an error.
    #[expect(private_interfaces, reason = "called by `run` alone")]
    async fn rescue(
        self,
        invocation: &Invocation<'_>,
        failures: (&Applies<'_, E>, ErrorText<E>),
        outcome: Outcome<V, E>,
        refused: impl FnOnce(ResilienceError) -> E,
    ) -> Result<V, E>;
}

impl<V, E> Rescue<V, E> for Off {
    #[expect(private_interfaces, reason = "see the trait")]
    async fn rescue(
        self,
        _: &Invocation<'_>,
        _: (&Applies<'_, E>, ErrorText<E>),
        outcome: Outcome<V, E>,
        refused: impl FnOnce(ResilienceError) -> E,
    ) -> Result<V, E> {
        outcome.unwrap_or_else(|refusal| Err(refused(refusal)))
    }
}

impl<V, E, P, Fut> Rescue<V, E> for P
where
    P: FnOnce(E) -> Fut,
    Fut: Future<Output = Result<V, E>>,
{
    #[expect(private_interfaces, reason = "see the trait")]
    async fn rescue(
        self,
        invocation: &Invocation<'_>,
        (applies, error_text): (&Applies<'_, E>, ErrorText<E>),
        outcome: Outcome<V, E>,
        refused: impl FnOnce(ResilienceError) -> E,
    ) -> Result<V, E> {
        if !applies.to(invocation, &outcome) {
            return outcome.unwrap_or_else(|refusal| Err(refused(refusal)));
        }
        super::fallback::note(invocation, &outcome, error_text);
        self(super::fallback::error_by(outcome, refused)).await
    }
}

/// What the predicates of a call say.
pub trait Judge<V, E> {
    /// To the retry.
    fn retry(&self, result: &Result<V, E>) -> Retry;
    /// To the breaker.
    fn counted(&self, result: &Result<V, E>) -> Counted;
}

/// What a classifier says of errors.
#[derive(Clone, Copy, Debug)]
pub struct ByClass<F>(F);

impl<V, E, F: Fn(&E) -> Class> Judge<V, E> for ByClass<F> {
    fn retry(&self, result: &Result<V, E>) -> Retry {
        match result.as_ref().map_err(&self.0) {
            Ok(_) => Retry::No,
            Err(class) => Retry::when(class.is_transient(), || class.retry_after()),
        }
    }

    fn counted(&self, result: &Result<V, E>) -> Counted {
        result.as_ref().map_or_else(|error| (self.0)(error).counted(), |_| Counted::Success)
    }
}

/// A predicate that may be [`Off`].
pub trait Test<X> {
    /// What it says; nothing where it is off.
    fn test(&self, value: &X) -> Option<bool>;
}

impl<X> Test<X> for Off {
    fn test(&self, _: &X) -> Option<bool> {
        None
    }
}

impl<X, P: Fn(&X) -> bool> Test<X> for P {
    fn test(&self, value: &X) -> Option<bool> {
        Some(self(value))
    }
}

/// A hint that may be [`Off`].
pub trait Hint<E> {
    /// The delay that the server asked for.
    fn hint(&self, error: &E) -> Option<Duration>;
}

impl<E> Hint<E> for Off {
    fn hint(&self, _: &E) -> Option<Duration> {
        None
    }
}

impl<E, P: Fn(&E) -> Option<Duration>> Hint<E> for P {
    fn hint(&self, error: &E) -> Option<Duration> {
        self(error)
    }
}

impl<V, E, A, B, C, D, G, I, K> Judge<V, E> for Rules<A, B, C, D, G, I, K>
where
    A: Test<E>,
    B: Test<E>,
    C: Test<V>,
    D: Hint<E>,
    G: Test<E>,
    I: Test<E>,
    K: Test<V>,
{
    fn retry(&self, result: &Result<V, E>) -> Retry {
        match result {
            Ok(value) => Retry::when(self.retry_if_ok.test(value).unwrap_or(false), || None),
            Err(error) => {
                let aborted = self.abort_if.test(error).unwrap_or(false);
                let retried = !aborted && self.retry_if.test(error).unwrap_or(true);
                Retry::when(retried, || self.retry_after.hint(error))
            }
        }
    }

    fn counted(&self, result: &Result<V, E>) -> Counted {
        let error = match result {
            Ok(value) if self.fail_if_ok.test(value).unwrap_or(false) => return Counted::Failure,
            Ok(_) => return Counted::Success,
            Err(error) => error,
        };
        if self.skip_if.test(error).unwrap_or(false) {
            Counted::Neither
        } else if self.fail_if.test(error).unwrap_or(true) {
            Counted::Failure
        } else {
            Counted::Success
        }
    }
}
