//! Policies without the attribute: [`call`], policies, and a closure.
//!
//! It runs the same pipeline as the attribute's expansion, step by step.

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use super::breaker::{CircuitBreaker, Counted};
use super::bulkhead::Bulkhead;
use super::deadline::Deadline;
use super::error::{FromRefusal, Refusals};
use super::events::type_name_only;
use super::handle::Held;
use super::hedge::HedgePolicy;
use super::policy::{Identity, Invocation, Outcome};
use super::rate_limit::RateLimiter;
use super::registry::intern;
use super::retry::{Retry, RetryPolicy, Retrying};

/// Begins a call by this name, with no policy yet.
///
/// ```
/// use std::time::Duration;
/// use mmf_runtime::resilience::{self, Backoff, CircuitBreaker, ResilienceError, RetryPolicy};
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
pub fn call<'a, E>(name: impl Into<Cow<'static, str>>) -> Call<'a, E> {
    Call {
        identity: Identity::uncounted(intern(name.into())),
        policies: Policies {
            deadline: None,
            retry: None,
            breaker: None,
            rate_limit: None,
            hedge: None,
            timeout: None,
            bulkhead: None,
            retry_refusals: Refusals::RETRIED,
            fail_refusals: Refusals::FAILURES,
        },
        fallback: Off,
        rules: Rules {
            retry_if: Off,
            abort_if: Off,
            retry_if_ok: Off,
            retry_after: Off,
            fail_if: Off,
            skip_if: Off,
        },
        error: PhantomData,
    }
}

/// A call through policies; see [`call`]. `F` is the fallback, `J` are the predicates.
#[derive(Debug)]
#[must_use = "nothing is called until `run`"]
pub struct Call<'a, E, F = Off, J = NoRules> {
    identity: Identity,
    policies: Policies<'a>,
    fallback: F,
    rules: J,
    error: PhantomData<fn() -> E>,
}

#[derive(Debug)]
struct Policies<'a> {
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

/// A predicate or fallback that was not set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Off;

/// The predicates of a call, each [`Off`] until it is set.
#[derive(Clone, Copy, Debug)]
pub struct Rules<RetryIf, AbortIf, RetryIfOk, RetryAfter, FailIf, SkipIf> {
    retry_if: RetryIf,
    abort_if: AbortIf,
    retry_if_ok: RetryIfOk,
    retry_after: RetryAfter,
    fail_if: FailIf,
    skip_if: SkipIf,
}

/// No predicate set.
pub type NoRules = Rules<Off, Off, Off, Off, Off, Off>;

impl<'a, E, F, J> Call<'a, E, F, J> {
    /// Limits the whole call, back-off included.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.policies.deadline = Some(limit);
        self
    }

    /// Tries again by this policy.
    pub fn retry(mut self, policy: impl Into<Held<'a, RetryPolicy>>) -> Self {
        self.policies.retry = Some(policy.into());
        self
    }

    /// Which refusals are retried. Default: timeout, bulkhead and rate limit.
    pub fn retry_on_refusal(mut self, refusals: impl Into<Refusals>) -> Self {
        self.policies.retry_refusals = refusals.into();
        self
    }

    /// Stops calling what fails.
    pub fn breaker(mut self, policy: impl Into<Held<'a, CircuitBreaker>>) -> Self {
        self.policies.breaker = Some(policy.into());
        self
    }

    /// Which refusals the breaker counts as failures. Default: timeouts.
    pub fn fail_on_refusal(mut self, refusals: impl Into<Refusals>) -> Self {
        self.policies.fail_refusals = refusals.into();
        self
    }

    /// Limits how many attempts start in a period.
    pub fn rate_limit(mut self, policy: impl Into<Held<'a, RateLimiter>>) -> Self {
        self.policies.rate_limit = Some(policy.into());
        self
    }

    /// Starts a copy of a slow attempt by this policy.
    pub fn hedge(mut self, policy: impl Into<Held<'a, HedgePolicy>>) -> Self {
        self.policies.hedge = Some(policy.into());
        self
    }

    /// Limits one attempt.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.policies.timeout = Some(limit);
        self
    }

    /// Limits how many attempts run at once.
    pub fn bulkhead(mut self, policy: impl Into<Held<'a, Bulkhead>>) -> Self {
        self.policies.bulkhead = Some(policy.into());
        self
    }

    /// Answers where the call fails; its own error is the result then.
    pub fn fallback<New, Fut>(self, fallback: New) -> Call<'a, E, New, J>
    where
        New: FnOnce(E) -> Fut,
    {
        let Self { identity, policies, rules, error, .. } = self;
        Call { identity, policies, fallback, rules, error }
    }

    /// Runs it: `work` is called once for each attempt.
    ///
    /// # Errors
    ///
    /// The last error of `work`, a refusal as one, or the fallback's own error.
    pub async fn run<V, Fut>(self, work: impl Fn() -> Fut) -> Result<V, E>
    where
        Fut: Future<Output = Result<V, E>>,
        E: FromRefusal,
        F: Rescue<V, E>,
        J: Judge<V, E>,
    {
        let Self { identity, policies, fallback, rules, .. } = self;
        let invocation = Invocation::begin(identity);
        let attempts = async {
            let mut retrying = policies
                .retry
                .as_deref()
                .map(|policy| Retrying::begin(&invocation, policy, policies.retry_refusals));
            loop {
                let outcome = policies.attempt(&invocation, &rules, &work).await;
                let Some(retrying) = &mut retrying else { break outcome };
                let delay =
                    match retrying.next(outcome, |result| rules.retry(result), type_name_only) {
                        ControlFlow::Break(outcome) => break outcome,
                        ControlFlow::Continue(delay) => delay,
                    };
                retrying.pause(delay).await;
            }
        };
        let outcome = match policies.deadline {
            Some(limit) => Deadline::begin(&invocation, limit).run(pin!(attempts)).await,
            None => attempts.await,
        };
        let outcome = fallback.rescue(&invocation, outcome).await;
        invocation.finish(outcome)
    }
}

impl Policies<'_> {
    async fn attempt<V, E, Fut, W, J>(
        &self,
        invocation: &Invocation,
        rules: &J,
        work: &W,
    ) -> Outcome<V, E>
    where
        W: Fn() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        J: Judge<V, E>,
    {
        let mut admission = invocation.admission();
        if let Some(breaker) = &self.breaker {
            admission.ask(breaker)?;
        }
        if let Some(limiter) = &self.rate_limit
            && let Some(wait) = invocation.throttle(limiter)?
        {
            wait.until_due().await;
        }
        let copy = || async {
            let mut permit = None;
            let body = pin!(work());
            let body = invocation.body(body);
            let entered = pin!(async {
                match &self.bulkhead {
                    Some(bulkhead) => invocation.enter(bulkhead, &mut permit, body).await,
                    None => body.await,
                }
            });
            match self.timeout {
                Some(limit) => invocation.within(limit, entered).await,
                None => entered.await,
            }
        };
        let outcome = match &self.hedge {
            Some(hedge) => hedge.race(invocation, &copy, pin!(copy())).await,
            None => copy().await,
        };
        if self.breaker.is_some() {
            admission.settle(&outcome, self.fail_refusals, |error| rules.counted(error));
        }
        outcome
    }
}

/// Rebuilds the predicates with one of them set.
macro_rules! with_rule {
    ($self:ident, $rule:ident, $($kept:ident),*) => {{
        let Call { identity, policies, fallback, rules, error } = $self;
        let Rules { $($kept,)* .. } = rules;
        Call { identity, policies, fallback, rules: Rules { $rule, $($kept),* }, error }
    }};
}

impl<'a, E, F, A, B, C, D, G, I> Call<'a, E, F, Rules<A, B, C, D, G, I>> {
    /// Retries these errors only.
    pub fn retry_if<New: Fn(&E) -> bool>(
        self,
        retry_if: New,
    ) -> Call<'a, E, F, Rules<New, B, C, D, G, I>> {
        with_rule!(self, retry_if, abort_if, retry_if_ok, retry_after, fail_if, skip_if)
    }

    /// Never retries these errors; asked before `retry_if`.
    pub fn abort_if<New: Fn(&E) -> bool>(
        self,
        abort_if: New,
    ) -> Call<'a, E, F, Rules<A, New, C, D, G, I>> {
        with_rule!(self, abort_if, retry_if, retry_if_ok, retry_after, fail_if, skip_if)
    }

    /// Retries these successes, as if they were failures.
    pub fn retry_if_ok<V, New: Fn(&V) -> bool>(
        self,
        retry_if_ok: New,
    ) -> Call<'a, E, F, Rules<A, B, New, D, G, I>> {
        with_rule!(self, retry_if_ok, retry_if, abort_if, retry_after, fail_if, skip_if)
    }

    /// The server's own hint, which replaces the delay, up to `max_delay`.
    pub fn retry_after<New: Fn(&E) -> Option<Duration>>(
        self,
        retry_after: New,
    ) -> Call<'a, E, F, Rules<A, B, C, New, G, I>> {
        with_rule!(self, retry_after, retry_if, abort_if, retry_if_ok, fail_if, skip_if)
    }

    /// Counts these errors only as the breaker's failures; the others count as successes.
    pub fn fail_if<New: Fn(&E) -> bool>(
        self,
        fail_if: New,
    ) -> Call<'a, E, F, Rules<A, B, C, D, New, I>> {
        with_rule!(self, fail_if, retry_if, abort_if, retry_if_ok, retry_after, skip_if)
    }

    /// Counts these errors neither as failures nor as successes; asked before `fail_if`.
    pub fn skip_if<New: Fn(&E) -> bool>(
        self,
        skip_if: New,
    ) -> Call<'a, E, F, Rules<A, B, C, D, G, New>> {
        with_rule!(self, skip_if, retry_if, abort_if, retry_if_ok, retry_after, fail_if)
    }
}

/// What answers where the call fails.
#[expect(
    async_fn_in_trait,
    reason = "used with the two types below alone, where Send shows through"
)]
pub trait Rescue<V, E> {
    /// The outcome, or the fallback's.
    async fn rescue(self, invocation: &Invocation, outcome: Outcome<V, E>) -> Outcome<V, E>;
}

impl<V, E> Rescue<V, E> for Off {
    async fn rescue(self, _: &Invocation, outcome: Outcome<V, E>) -> Outcome<V, E> {
        outcome
    }
}

impl<V, E, P, Fut> Rescue<V, E> for P
where
    E: FromRefusal,
    P: FnOnce(E) -> Fut,
    Fut: Future<Output = Result<V, E>>,
{
    async fn rescue(self, invocation: &Invocation, outcome: Outcome<V, E>) -> Outcome<V, E> {
        if !super::fallback::applies(&outcome, Refusals::ALL, |_| true) {
            return outcome;
        }
        super::fallback::note(invocation, &outcome, type_name_only);
        Ok(self(super::fallback::error(outcome)).await)
    }
}

/// What the predicates of a call say.
pub trait Judge<V, E> {
    /// To the retry.
    fn retry(&self, result: &Result<V, E>) -> Retry;
    /// To the breaker.
    fn counted(&self, error: &E) -> Counted;
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

impl<V, E, A, B, C, D, G, I> Judge<V, E> for Rules<A, B, C, D, G, I>
where
    A: Test<E>,
    B: Test<E>,
    C: Test<V>,
    D: Hint<E>,
    G: Test<E>,
    I: Test<E>,
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

    fn counted(&self, error: &E) -> Counted {
        if self.skip_if.test(error).unwrap_or(false) {
            Counted::Neither
        } else if self.fail_if.test(error).unwrap_or(true) {
            Counted::Failure
        } else {
            Counted::Success
        }
    }
}
