//! Policies that are joined at run time and stay together: a client's, an endpoint's.

use std::fmt::{self, Display};
use std::hash::Hash;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::breaker::{BreakerState, CircuitBreaker, KeyedBreakers};
use super::built::{Built, Joined, One};
use super::bulkhead::{Bulkhead, KeyedBulkheads};
use super::call::{Call, Policed};
use super::error::Refusals;
use super::handle::Held;
use super::hedge::HedgePolicy;
use super::identity::Identity;
use super::invalid::{Check, InvalidPolicy};
use super::key::{Key, id_of};
use super::left::Left;
use super::name::{KeyLabel, PolicyName, shown};
use super::rate_limit::{KeyedRateLimiters, RateLimiter};
use super::registry::{self, Policy};
use super::retry::RetryPolicy;
use super::tuning::Tuning;
use super::view::View;

/// Policies joined at run time, in the order and by the rules of the attribute: for a client whose settings come from
/// outside, and for the layers of other libraries.
///
/// A handle: clones share one state. From [`build`](PipelineBuilder::build) until the last handle is gone it is among
/// [`policies`](super::policies).
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::sync::LazyLock;
/// use std::time::Duration;
/// use mmf::resilience::{CircuitBreaker, Pipeline, ResilienceError, RetryPolicy, policy};
///
/// static USERS: LazyLock<Pipeline> = LazyLock::new(|| {
///     Pipeline::builder("users.api")
///         .timeout(Duration::from_secs(2))
///         .retry(RetryPolicy::builder().max_attempts(3).build())
///         .breaker(CircuitBreaker::builder("users.api").build())
///         .build()
/// });
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let user = USERS.call().run(|| async { Ok::<_, ResilienceError>("Ada") }).await;
/// assert_eq!(user, Ok("Ada"));
/// assert_eq!(policy("users.api").unwrap().snapshot().successes, 1);
/// # });
/// ```
#[derive(Clone)]
pub struct Pipeline(Arc<Built>);

impl Pipeline {
    /// A pipeline without a policy yet. Where this stands is its place on the list of policies.
    #[track_caller]
    pub fn builder(name: impl Into<PolicyName>) -> PipelineBuilder {
        PipelineBuilder {
            name: name.into(),
            location: Location::caller(),
            joined: Joined {
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
        }
    }

    /// Begins a call through it. What differs from call to call is said there: predicates, a fallback, a key, and how
    /// a refusal becomes an error.
    #[inline]
    pub fn call<E>(&self) -> Call<'_, E, Through<'_>> {
        Call::by(Through {
            built: &self.0,
            repeats: true,
            deadline: None,
            timeout: None,
            keyless: false,
            breaker: None,
            rate_limit: None,
            bulkhead: None,
        })
    }

    /// Its name on the list of policies.
    pub fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// It as one of the policies: to look at it, or to force its breaker open.
    pub fn policy(&self) -> Policy {
        Policy::of_built(Arc::clone(&self.0))
    }

    /// Whether a call may run more than once: by retry, or by hedge.
    pub fn repeats(&self) -> bool {
        let Joined { retry, hedge, .. } = &self.0.joined;
        let (mut retry, mut hedge) = (retry.as_deref(), hedge.as_deref());
        if let Some(tuning) = self.0.tuning.get() {
            retry = retry.and_then(|built| tuning.retry(built));
            hedge = hedge.and_then(|built| tuning.hedge(built));
        }
        retry.is_some_and(|retry| retry.max_attempts() > 1) || hedge.is_some()
    }

    /// The limit of a whole call, where it has one.
    pub fn deadline(&self) -> Option<Duration> {
        self.0.deadline(self.0.tuning.get())
    }

    /// The limit of one attempt, where it has one.
    pub fn timeout(&self) -> Option<Duration> {
        self.0.timeout(self.0.tuning.get())
    }

    /// Whether any of its policies is by key.
    pub fn is_by_key(&self) -> bool {
        self.0.joined.is_by_key()
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy().fmt(f)
    }
}

/// The policies of a pipeline as a call goes through them.
#[derive(Debug)]
pub struct Through<'p> {
    built: &'p Arc<Built>,
    repeats: bool,
    /// Shorter ones than the pipeline's.
    deadline: Option<Duration>,
    timeout: Option<Duration>,
    /// The caller has said that there is no key.
    keyless: bool,
    breaker: Option<Arc<CircuitBreaker>>,
    rate_limit: Option<Arc<RateLimiter>>,
    bulkhead: Option<Arc<Bulkhead>>,
}

impl Policed for Through<'_> {
    fn identity(&self) -> Identity<'_> {
        self.built.identity()
    }

    #[inline]
    #[expect(private_interfaces, reason = "see the trait")]
    fn view(&self, tuning: Option<&Tuning>) -> View<'_> {
        let joined = &self.built.joined;
        let mut view = View::of(joined);
        if !self.repeats {
            (view.retry, view.hedge) = (None, None);
        }
        let nearer = |one: Option<Duration>, other| one.into_iter().chain(other).min();
        view.deadline = nearer(self.built.deadline(tuning), self.deadline);
        view.timeout = nearer(self.built.timeout(tuning), self.timeout);
        if joined.is_by_key() {
            self.view_by_key(&mut view);
        }
        view
    }
}

impl<'p> Through<'p> {
    /// Where attempts leave what they hold, of a call that goes on after its answer.
    pub(super) fn left(&self) -> Left<'_> {
        Left::new(self.built, self.breaker.as_ref(), self.bulkhead.as_ref())
    }

    fn view_by_key<'v>(&'v self, view: &mut View<'v>) {
        let joined = &self.built.joined;
        if joined.breakers().is_some() {
            view.breaker = self.breaker.as_deref();
            self.expect(view.breaker.is_some(), "breaker");
        }
        if joined.rate_limits().is_some() {
            view.rate_limit = self.rate_limit.as_deref();
            self.expect(view.rate_limit.is_some(), "rate limit");
        }
        if joined.bulkheads().is_some() {
            view.bulkhead = self.bulkhead.as_deref();
            self.expect(view.bulkhead.is_some(), "bulkhead");
        }
    }

    fn expect(&self, has_key: bool, what: &'static str) {
        if !has_key && !self.keyless {
            self.built.has_no_key(what);
        }
    }
}

impl<'p, E, F, J, R> Call<'p, E, Through<'p>, F, J, R> {
    /// Runs it once, neither retried nor hedged: what it does must not be done twice.
    pub fn once(mut self) -> Self {
        self.policed.repeats = false;
        self
    }

    /// Limits this call, back-off included: the pipeline's own deadline holds where it is nearer.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.policed.deadline = Some(limit);
        self
    }

    /// Limits each attempt of this call: the pipeline's own timeout holds where it is nearer.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.policed.timeout = Some(limit);
        self
    }

    /// Whether its breaker refuses calls just now.
    #[doc(hidden)]
    pub fn is_open(&self) -> bool {
        let is_without = |tuning: &Tuning| tuning.without_breaker;
        let breaker = self.policed.view(None).breaker;
        breaker.filter(|_| !self.policed.built.tuning.get().is_some_and(is_without)).is_some_and(
            |breaker| matches!(breaker.state(), BreakerState::Open | BreakerState::ForcedOpen),
        )
    }

    /// The key of all that is by key.
    pub fn key(self, key: impl Into<Key>) -> Self {
        let key = key.into();
        self.found(key.id(), || key.shared_label())
    }

    /// The key of a value, as [`Key::of`] has it, whose label is written only where there is none of it yet.
    #[doc(hidden)]
    pub fn key_of<K: Hash + Display + ?Sized>(self, key: &K) -> Self {
        self.found(id_of(key), || shown(key))
    }

    fn found(mut self, id: u128, label: impl Fn() -> KeyLabel) -> Self {
        let through = &mut self.policed;
        let joined = &through.built.joined;
        through.breaker = joined.breakers().map(|breakers| breakers.find(id, &label));
        through.rate_limit = joined.rate_limits().map(|limits| limits.find(id, &label));
        through.bulkhead = joined.bulkheads().map(|bulkheads| bulkheads.find(id, &label));
        self
    }

    /// The key of all that is by key, where the call has one: without one, none of that applies to it.
    pub fn maybe_key(mut self, key: Option<Key>) -> Self {
        match key {
            Some(key) => self.key(key),
            None => {
                self.policed.keyless = true;
                self
            }
        }
    }

    /// The key of the breaker alone.
    pub fn breaker_key(mut self, key: impl Into<Key>) -> Self {
        let through = &mut self.policed;
        if let Some(breakers) = through.built.joined.breakers() {
            through.breaker = Some(breakers.get_key(&key.into()));
        }
        self
    }

    /// The key of the rate limit alone.
    pub fn limit_key(mut self, key: impl Into<Key>) -> Self {
        let through = &mut self.policed;
        if let Some(limits) = through.built.joined.rate_limits() {
            through.rate_limit = Some(limits.get_key(&key.into()));
        }
        self
    }

    /// The key of the bulkhead alone.
    pub fn bulkhead_key(mut self, key: impl Into<Key>) -> Self {
        let through = &mut self.policed;
        if let Some(bulkheads) = through.built.joined.bulkheads() {
            through.bulkhead = Some(bulkheads.get_key(&key.into()));
        }
        self
    }
}

/// Builds a [`Pipeline`].
///
/// Each policy is there once; of two of one kind, such as a breaker and breakers by key, the last holds.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct PipelineBuilder {
    name: PolicyName,
    location: &'static Location<'static>,
    joined: Joined,
}

impl PipelineBuilder {
    /// Limits the whole call, back-off included; no time at all is invalid.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.joined.deadline = Some(limit);
        self
    }

    /// Limits one attempt; no time at all is invalid.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.joined.timeout = Some(limit);
        self
    }

    /// Tries again by this policy.
    pub fn retry(mut self, policy: impl Into<Held<'static, RetryPolicy>>) -> Self {
        self.joined.retry = Some(policy.into());
        self
    }

    /// Which refusals are retried. Default: timeout, bulkhead and rate limit.
    pub fn retry_on_refusal(mut self, refusals: impl Into<Refusals>) -> Self {
        self.joined.retry_refusals = refusals.into();
        self
    }

    /// Stops calling what fails.
    pub fn breaker(mut self, policy: impl Into<Held<'static, CircuitBreaker>>) -> Self {
        self.joined.breaker = Some(One::ForAll(policy.into()));
        self
    }

    /// Stops calling what fails, key by key.
    pub fn breakers(mut self, policy: impl Into<Held<'static, KeyedBreakers>>) -> Self {
        self.joined.breaker = Some(One::ByKey(policy.into()));
        self
    }

    /// Which refusals the breaker counts as failures. Default: timeouts.
    pub fn fail_on_refusal(mut self, refusals: impl Into<Refusals>) -> Self {
        self.joined.fail_refusals = refusals.into();
        self
    }

    /// Limits how many attempts start in a period.
    pub fn rate_limit(mut self, policy: impl Into<Held<'static, RateLimiter>>) -> Self {
        self.joined.rate_limit = Some(One::ForAll(policy.into()));
        self
    }

    /// Limits how many attempts start in a period, key by key.
    pub fn rate_limits(mut self, policy: impl Into<Held<'static, KeyedRateLimiters>>) -> Self {
        self.joined.rate_limit = Some(One::ByKey(policy.into()));
        self
    }

    /// Starts a copy of a slow attempt by this policy.
    pub fn hedge(mut self, policy: impl Into<Held<'static, HedgePolicy>>) -> Self {
        self.joined.hedge = Some(policy.into());
        self
    }

    /// Limits how many attempts run at once.
    pub fn bulkhead(mut self, policy: impl Into<Held<'static, Bulkhead>>) -> Self {
        self.joined.bulkhead = Some(One::ForAll(policy.into()));
        self
    }

    /// Limits how many attempts run at once, key by key.
    pub fn bulkheads(mut self, policy: impl Into<Held<'static, KeyedBulkheads>>) -> Self {
        self.joined.bulkhead = Some(One::ByKey(policy.into()));
        self
    }

    /// The pipeline, on the list of policies from now on; beside another of its name it is listed as `name#2`, which is
    /// told by an error event. A value that can never work is cut to the nearest that can, which is told by a warning:
    /// no time at all is a nanosecond, and a timeout above the deadline is the deadline.
    #[track_caller]
    pub fn build(mut self) -> Pipeline {
        self.mend().tell(&self.name);
        self.built()
    }

    /// The pipeline, where all its values can work.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy`] with all that is wrong.
    pub fn try_build(mut self) -> Result<Pipeline, InvalidPolicy> {
        self.mend().refuse()?;
        Ok(self.built())
    }

    fn mend(&mut self) -> Check {
        let Joined { deadline, timeout, .. } = &mut self.joined;
        let mut check = Check::default();
        for (key, limit) in [("deadline", &mut *deadline), ("timeout", &mut *timeout)] {
            if let Some(limit) = limit {
                check.mend(limit, |limit| mmf_rules::positive(key, limit));
            }
        }
        if let (Some(deadline), Some(timeout)) = (deadline, timeout) {
            check.mend(timeout, |timeout| mmf_rules::timeout(timeout, *deadline));
        }
        check
    }

    fn built(self) -> Pipeline {
        let Self { name, location, joined } = self;
        let description = joined.to_string();
        Pipeline(registry::enlist(&name, |name| Built::new(name, location, description, joined)))
    }
}
