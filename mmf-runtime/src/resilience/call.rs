//! Policies without the attribute: [`call`], policies, and a closure.
//!
//! It runs the same pipeline as the attribute's expansion, step by step.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use super::breaker::{Admission, CircuitBreaker, Counted};
use super::bulkhead::{Bulkhead, Compartment};
use super::deadline::Deadline;
use super::error::{FromRefusal, Refusals};
use super::events::type_name_only;
use super::hedge::HedgePolicy;
use super::policy::{Attempt, Handle, Identity, Off, Outcome, Pipeline, Whole};
use super::rate_limit::{RateLimiter, Throttle};
use super::registry::intern;
use super::retry::{Retry, RetryPolicy, Retrying};
use super::timeout::Limit;

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
pub fn call<E>(name: impl Into<std::borrow::Cow<'static, str>>) -> Call<E> {
    Call {
        pipeline: Pipeline::new(Identity::uncounted(intern(name.into()))),
        deadline: None,
        retry: Off,
        hedge: Off,
        fallback: Off,
        rules: Rules {
            retry_if: Off,
            abort_if: Off,
            retry_if_ok: Off,
            retry_after: Off,
            fail_if: Off,
            skip_if: Off,
        },
        retry_refusals: Refusals::RETRIED,
        fail_refusals: Refusals::FAILURES,
        error: PhantomData,
    }
}

/// A call through policies; see [`call`].
#[derive(Debug)]
#[must_use = "nothing is called until `run`"]
pub struct Call<E, P = Pipeline, R = Off, H = Off, F = Off, J = NoRules> {
    pipeline: P,
    deadline: Option<Duration>,
    retry: R,
    hedge: H,
    fallback: F,
    rules: J,
    retry_refusals: Refusals,
    fail_refusals: Refusals,
    error: PhantomData<fn() -> E>,
}

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

impl<E, P, R, H, F, J> Call<E, P, R, H, F, J> {
    /// Limits the whole call, back-off included.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Which refusals are retried. Default: timeout, bulkhead and rate limit.
    pub fn retry_on_refusal(mut self, refusals: impl Into<Refusals>) -> Self {
        self.retry_refusals = refusals.into();
        self
    }

    /// Which refusals the breaker counts as failures. Default: timeouts.
    pub fn fail_on_refusal(mut self, refusals: impl Into<Refusals>) -> Self {
        self.fail_refusals = refusals.into();
        self
    }

    /// Tries again by this policy.
    pub fn retry<New: Handle<RetryPolicy>>(self, retry: New) -> Call<E, P, New, H, F, J> {
        let Self {
            pipeline, deadline, hedge, fallback, rules, retry_refusals, fail_refusals, ..
        } = self;
        Call {
            pipeline,
            deadline,
            retry,
            hedge,
            fallback,
            rules,
            retry_refusals,
            fail_refusals,
            error: PhantomData,
        }
    }

    /// Starts a copy of a slow attempt by this policy.
    pub fn hedge<New: Handle<HedgePolicy>>(self, hedge: New) -> Call<E, P, R, New, F, J> {
        let Self {
            pipeline, deadline, retry, fallback, rules, retry_refusals, fail_refusals, ..
        } = self;
        Call {
            pipeline,
            deadline,
            retry,
            hedge,
            fallback,
            rules,
            retry_refusals,
            fail_refusals,
            error: PhantomData,
        }
    }

    /// Answers where the call fails; its own error is the result then.
    pub fn fallback<New, Fut>(self, fallback: New) -> Call<E, P, R, H, New, J>
    where
        New: FnOnce(E) -> Fut,
    {
        let Self { pipeline, deadline, retry, hedge, rules, retry_refusals, fail_refusals, .. } =
            self;
        Call {
            pipeline,
            deadline,
            retry,
            hedge,
            fallback,
            rules,
            retry_refusals,
            fail_refusals,
            error: PhantomData,
        }
    }

    fn with_pipeline<New>(self, change: impl FnOnce(P) -> New) -> Call<E, New, R, H, F, J> {
        let Self {
            pipeline,
            deadline,
            retry,
            hedge,
            fallback,
            rules,
            retry_refusals,
            fail_refusals,
            ..
        } = self;
        let pipeline = change(pipeline);
        Call {
            pipeline,
            deadline,
            retry,
            hedge,
            fallback,
            rules,
            retry_refusals,
            fail_refusals,
            error: PhantomData,
        }
    }

    fn with_rules<New>(self, change: impl FnOnce(J) -> New) -> Call<E, P, R, H, F, New> {
        let Self {
            pipeline,
            deadline,
            retry,
            hedge,
            fallback,
            rules,
            retry_refusals,
            fail_refusals,
            ..
        } = self;
        let rules = change(rules);
        Call {
            pipeline,
            deadline,
            retry,
            hedge,
            fallback,
            rules,
            retry_refusals,
            fail_refusals,
            error: PhantomData,
        }
    }
}

impl<E, B, L, T, K, R, H, F, J> Call<E, Pipeline<B, L, T, K>, R, H, F, J> {
    /// Stops calling what fails.
    pub fn breaker<New: Handle<CircuitBreaker>>(
        self,
        breaker: New,
    ) -> Call<E, Pipeline<New, L, T, K>, R, H, F, J> {
        self.with_pipeline(|pipeline| pipeline.breaker(breaker))
    }

    /// Limits how many attempts start in a period.
    pub fn rate_limit<New: Handle<RateLimiter>>(
        self,
        limiter: New,
    ) -> Call<E, Pipeline<B, New, T, K>, R, H, F, J> {
        self.with_pipeline(|pipeline| pipeline.rate_limit(limiter))
    }

    /// Limits one attempt.
    pub fn timeout(self, limit: Duration) -> Call<E, Pipeline<B, L, Duration, K>, R, H, F, J> {
        self.with_pipeline(|pipeline| pipeline.timeout(limit))
    }

    /// Limits how many attempts run at once.
    pub fn bulkhead<New: Handle<Bulkhead>>(
        self,
        bulkhead: New,
    ) -> Call<E, Pipeline<B, L, T, New>, R, H, F, J> {
        self.with_pipeline(|pipeline| pipeline.bulkhead(bulkhead))
    }
}

impl<E, P, R, H, F, A, B, C, D, G, I> Call<E, P, R, H, F, Rules<A, B, C, D, G, I>> {
    /// Retries these errors only.
    pub fn retry_if<New: Fn(&E) -> bool>(
        self,
        retry_if: New,
    ) -> Call<E, P, R, H, F, Rules<New, B, C, D, G, I>> {
        self.with_rules(|Rules { abort_if, retry_if_ok, retry_after, fail_if, skip_if, .. }| {
            Rules { retry_if, abort_if, retry_if_ok, retry_after, fail_if, skip_if }
        })
    }

    /// Never retries these errors; asked before `retry_if`.
    pub fn abort_if<New: Fn(&E) -> bool>(
        self,
        abort_if: New,
    ) -> Call<E, P, R, H, F, Rules<A, New, C, D, G, I>> {
        self.with_rules(|Rules { retry_if, retry_if_ok, retry_after, fail_if, skip_if, .. }| {
            Rules { retry_if, abort_if, retry_if_ok, retry_after, fail_if, skip_if }
        })
    }

    /// Retries these successes, as if they were failures.
    pub fn retry_if_ok<V, New: Fn(&V) -> bool>(
        self,
        retry_if_ok: New,
    ) -> Call<E, P, R, H, F, Rules<A, B, New, D, G, I>> {
        self.with_rules(|Rules { retry_if, abort_if, retry_after, fail_if, skip_if, .. }| Rules {
            retry_if,
            abort_if,
            retry_if_ok,
            retry_after,
            fail_if,
            skip_if,
        })
    }

    /// The server's own hint, which replaces the delay, up to `max_delay`.
    pub fn retry_after<New: Fn(&E) -> Option<Duration>>(
        self,
        retry_after: New,
    ) -> Call<E, P, R, H, F, Rules<A, B, C, New, G, I>> {
        self.with_rules(|Rules { retry_if, abort_if, retry_if_ok, fail_if, skip_if, .. }| Rules {
            retry_if,
            abort_if,
            retry_if_ok,
            retry_after,
            fail_if,
            skip_if,
        })
    }

    /// Counts these errors only as the breaker's failures; the others count as successes.
    pub fn fail_if<New: Fn(&E) -> bool>(
        self,
        fail_if: New,
    ) -> Call<E, P, R, H, F, Rules<A, B, C, D, New, I>> {
        self.with_rules(
            |Rules { retry_if, abort_if, retry_if_ok, retry_after, skip_if, .. }| Rules {
                retry_if,
                abort_if,
                retry_if_ok,
                retry_after,
                fail_if,
                skip_if,
            },
        )
    }

    /// Counts these errors neither as failures nor as successes; asked before `fail_if`.
    pub fn skip_if<New: Fn(&E) -> bool>(
        self,
        skip_if: New,
    ) -> Call<E, P, R, H, F, Rules<A, B, C, D, G, New>> {
        self.with_rules(
            |Rules { retry_if, abort_if, retry_if_ok, retry_after, fail_if, .. }| Rules {
                retry_if,
                abort_if,
                retry_if_ok,
                retry_after,
                fail_if,
                skip_if,
            },
        )
    }
}

impl<E, B, L, T, K, R, H, F, J> Call<E, Pipeline<B, L, T, K>, R, H, F, J>
where
    B: Admission,
    L: Throttle,
    T: Limit,
    K: Compartment,
    R: Retries,
    H: Launch,
{
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
        let Self {
            pipeline,
            deadline,
            retry,
            hedge,
            fallback,
            rules,
            retry_refusals,
            fail_refusals,
            ..
        } = self;
        let identity = pipeline.identity();
        let whole = Whole::begin(identity);
        let attempts = async {
            let mut retrying =
                retry.policy().map(|policy| Retrying::begin(identity, policy, retry_refusals));
            loop {
                let mut attempt = pipeline.attempt();
                let outcome = hedge.launch(&mut attempt, &work).await;
                attempt.settle(&outcome, fail_refusals, |error| rules.counted(error));
                let Some(retrying) = &mut retrying else { break outcome };
                match retrying.next(outcome, |result| rules.retry(result), type_name_only) {
                    ControlFlow::Break(outcome) => break outcome,
                    ControlFlow::Continue(delay) => retrying.pause(delay).await,
                }
            }
        };
        let outcome = match deadline {
            Some(limit) => Deadline::begin(identity, limit).run(pin!(attempts)).await,
            None => attempts.await,
        };
        whole.finish(fallback.rescue(identity, outcome).await)
    }
}

impl<E, B, L, T, K> Call<E, Pipeline<B, L, T, K>>
where
    B: Admission,
    L: Throttle,
    T: Limit,
    K: Compartment,
{
    /// Runs a future that cannot be run again.
    pub(crate) async fn run_once<V>(
        self,
        future: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E>
    where
        E: FromRefusal,
    {
        let whole = Whole::begin(self.pipeline.identity());
        let mut attempt = self.pipeline.attempt();
        let outcome = attempt.run(pin!(future)).await;
        attempt.settle(&outcome, self.fail_refusals, |_| Counted::Failure);
        whole.finish(outcome)
    }
}

/// Whether a call retries.
pub trait Retries {
    /// The policy, if any.
    fn policy(&self) -> Option<&RetryPolicy>;
}

impl Retries for Off {
    fn policy(&self) -> Option<&RetryPolicy> {
        None
    }
}

impl<P: Handle<RetryPolicy>> Retries for P {
    fn policy(&self) -> Option<&RetryPolicy> {
        Some(Handle::policy(self))
    }
}

/// How an attempt is run: once, or with copies.
#[expect(
    async_fn_in_trait,
    reason = "used with the two types below alone, where Send shows through"
)]
pub trait Launch {
    /// Runs one attempt.
    async fn launch<B, L, T, K, V, E, Fut>(
        &self,
        attempt: &mut Attempt<'_, B, L, T, K>,
        work: impl Fn() -> Fut,
    ) -> Outcome<V, E>
    where
        B: Admission,
        L: Throttle,
        T: Limit,
        K: Compartment,
        Fut: Future<Output = Result<V, E>>;
}

impl Launch for Off {
    async fn launch<B, L, T, K, V, E, Fut>(
        &self,
        attempt: &mut Attempt<'_, B, L, T, K>,
        work: impl Fn() -> Fut,
    ) -> Outcome<V, E>
    where
        B: Admission,
        L: Throttle,
        T: Limit,
        K: Compartment,
        Fut: Future<Output = Result<V, E>>,
    {
        attempt.run(pin!(work())).await
    }
}

impl<P: Handle<HedgePolicy>> Launch for P {
    async fn launch<B, L, T, K, V, E, Fut>(
        &self,
        attempt: &mut Attempt<'_, B, L, T, K>,
        work: impl Fn() -> Fut,
    ) -> Outcome<V, E>
    where
        B: Admission,
        L: Throttle,
        T: Limit,
        K: Compartment,
        Fut: Future<Output = Result<V, E>>,
    {
        attempt.run_hedged(self.policy(), work).await
    }
}

/// What answers where the call fails.
#[expect(
    async_fn_in_trait,
    reason = "used with the two types below alone, where Send shows through"
)]
pub trait Rescue<V, E> {
    /// The outcome, or the fallback's.
    async fn rescue(self, identity: Identity, outcome: Outcome<V, E>) -> Outcome<V, E>;
}

impl<V, E> Rescue<V, E> for Off {
    async fn rescue(self, _: Identity, outcome: Outcome<V, E>) -> Outcome<V, E> {
        outcome
    }
}

impl<V, E, P, Fut> Rescue<V, E> for P
where
    E: FromRefusal,
    P: FnOnce(E) -> Fut,
    Fut: Future<Output = Result<V, E>>,
{
    async fn rescue(self, identity: Identity, outcome: Outcome<V, E>) -> Outcome<V, E> {
        if !super::fallback::applies(&outcome, Refusals::ALL, |_| true) {
            return outcome;
        }
        super::fallback::note(identity, &outcome, type_name_only);
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
