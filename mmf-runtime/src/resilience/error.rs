//! How a policy refuses a call, and which refusals another policy listens to.

use std::fmt;
use std::time::Duration;

use super::name::{KeyLabel, PolicyName};

/// A call that a policy refused or cut short.
///
/// The error type of a function under `#[resilient]` implements `From<ResilienceError>` where one of
/// its policies can refuse; with thiserror that is one variant:
///
/// ```
/// # use mmf_runtime as mmf;
/// #[derive(Debug, thiserror::Error)]
/// enum ApiError {
///     #[error("status {0}")]
///     Status(u16),
///     #[error(transparent)]
///     Refused(#[from] mmf::resilience::ResilienceError),
/// }
/// ```
///
/// Each variant may get more fields: match with `..`. For tests of your own there are constructors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResilienceError {
    /// The circuit breaker is open, or all its trial calls are running.
    #[error("{policy}{}: circuit open, retry after {retry_after:?}", of_key(key))]
    #[non_exhaustive]
    CircuitOpen {
        /// Name of the policy.
        policy: PolicyName,
        /// The key of a breaker by key, cut to 64 characters.
        key: Option<KeyLabel>,
        /// Time until the breaker admits a trial; zero where it depends on running trials.
        retry_after: Duration,
    },
    /// An attempt took longer than `timeout`.
    #[error("{policy}: timed out after {limit:?}")]
    #[non_exhaustive]
    Timeout {
        /// Name of the policy.
        policy: PolicyName,
        /// The limit that was reached.
        limit: Duration,
    },
    /// The whole call, back-off included, took longer than `deadline`.
    #[error("{policy}: deadline of {limit:?} exceeded")]
    #[non_exhaustive]
    DeadlineExceeded {
        /// Name of the policy.
        policy: PolicyName,
        /// The limit that was reached: the policy's own, or what an outer deadline left of it.
        limit: Duration,
    },
    /// `max_concurrent` calls are running and the queue is full, or its `max_wait` is over.
    #[error("{policy}{}: bulkhead full, at most {limit} run at once", of_key(key))]
    #[non_exhaustive]
    BulkheadFull {
        /// Name of the policy.
        policy: PolicyName,
        /// The key of a bulkhead by key, cut to 64 characters.
        key: Option<KeyLabel>,
        /// How many calls may run at once.
        limit: usize,
    },
    /// No permit is left in the rate limiter, and none comes within `max_wait` and the deadline.
    #[error("{policy}{}: rate limited, retry after {retry_after:?}", of_key(key))]
    #[non_exhaustive]
    RateLimited {
        /// Name of the policy.
        policy: PolicyName,
        /// The key of a limit by key, cut to 64 characters.
        key: Option<KeyLabel>,
        /// Time until the next permit.
        retry_after: Duration,
    },
    /// The function belongs to a feature that is switched off.
    #[error("{policy}: the feature {feature} is off")]
    #[non_exhaustive]
    FeatureDisabled {
        /// Name of the policy.
        policy: PolicyName,
        /// The feature.
        feature: PolicyName,
    },
}

/// ` [key]`, where there is one.
fn of_key(key: &Option<KeyLabel>) -> String {
    key.as_ref().map(|key| format!(" [{key}]")).unwrap_or_default()
}

impl ResilienceError {
    /// [`CircuitOpen`](Self::CircuitOpen) without a key.
    pub fn circuit_open(policy: impl Into<PolicyName>, retry_after: Duration) -> Self {
        Self::CircuitOpen { policy: policy.into(), key: None, retry_after }
    }

    /// [`Timeout`](Self::Timeout).
    pub fn timeout(policy: impl Into<PolicyName>, limit: Duration) -> Self {
        Self::Timeout { policy: policy.into(), limit }
    }

    /// [`DeadlineExceeded`](Self::DeadlineExceeded).
    pub fn deadline_exceeded(policy: impl Into<PolicyName>, limit: Duration) -> Self {
        Self::DeadlineExceeded { policy: policy.into(), limit }
    }

    /// [`BulkheadFull`](Self::BulkheadFull) without a key.
    pub fn bulkhead_full(policy: impl Into<PolicyName>, limit: usize) -> Self {
        Self::BulkheadFull { policy: policy.into(), key: None, limit }
    }

    /// [`RateLimited`](Self::RateLimited) without a key.
    pub fn rate_limited(policy: impl Into<PolicyName>, retry_after: Duration) -> Self {
        Self::RateLimited { policy: policy.into(), key: None, retry_after }
    }

    /// [`FeatureDisabled`](Self::FeatureDisabled).
    pub fn feature_disabled(policy: impl Into<PolicyName>, feature: impl Into<PolicyName>) -> Self {
        Self::FeatureDisabled { policy: policy.into(), feature: feature.into() }
    }

    /// Name of the policy that refused.
    pub fn policy(&self) -> &str {
        match self {
            Self::CircuitOpen { policy, .. }
            | Self::Timeout { policy, .. }
            | Self::DeadlineExceeded { policy, .. }
            | Self::BulkheadFull { policy, .. }
            | Self::RateLimited { policy, .. }
            | Self::FeatureDisabled { policy, .. } => policy,
        }
    }

    /// The key that was refused, where the policy is one by key.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::CircuitOpen { key, .. }
            | Self::RateLimited { key, .. }
            | Self::BulkheadFull { key, .. } => key.as_deref(),
            _ => None,
        }
    }

    /// When to come back, where the policy knows.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CircuitOpen { retry_after, .. } | Self::RateLimited { retry_after, .. } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    /// Which kind of policy refused.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::CircuitOpen { .. } => Refusal::Breaker,
            Self::Timeout { .. } => Refusal::Timeout,
            Self::DeadlineExceeded { .. } => Refusal::Deadline,
            Self::BulkheadFull { .. } => Refusal::Bulkhead,
            Self::RateLimited { .. } => Refusal::RateLimit,
            Self::FeatureDisabled { .. } => Refusal::Feature,
        }
    }
}

/// A kind of refusal, as named in `on_refusal(…)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// `"breaker"`
    Breaker,
    /// `"timeout"`
    Timeout,
    /// `"deadline"`
    Deadline,
    /// `"bulkhead"`
    Bulkhead,
    /// `"rate_limit"`
    RateLimit,
    /// A feature that is off.
    Feature,
}

impl Refusal {
    /// As it is written in `on_refusal(…)`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Timeout => "timeout",
            Self::Deadline => "deadline",
            Self::Bulkhead => "bulkhead",
            Self::RateLimit => "rate_limit",
            Self::Feature => "feature",
        }
    }
}

/// A set of refusals: what `on_refusal(…)` lists.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::{Refusal, Refusals};
///
/// let listened_to = Refusals::of(&[Refusal::Timeout, Refusal::Breaker]);
/// assert!(listened_to.contains(Refusal::Timeout));
/// assert!(!listened_to.contains(Refusal::Bulkhead));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refusals(u8);

impl Refusals {
    /// No refusal.
    pub const NONE: Self = Self(0);
    /// Every refusal.
    pub const ALL: Self = Self(0b11_1111);
    /// What a retry retries unless told otherwise: timeout, bulkhead and rate limit.
    pub const RETRIED: Self = Self::of(&[Refusal::Timeout, Refusal::Bulkhead, Refusal::RateLimit]);
    /// What a breaker counts as failures unless told otherwise: timeouts.
    pub const FAILURES: Self = Self::of(&[Refusal::Timeout]);

    const EACH: [Refusal; 6] = [
        Refusal::Breaker,
        Refusal::Timeout,
        Refusal::Deadline,
        Refusal::Bulkhead,
        Refusal::RateLimit,
        Refusal::Feature,
    ];

    /// The set of the refusals listed.
    pub const fn of(refusals: &[Refusal]) -> Self {
        let mut set = 0;
        let mut i = 0;
        while i < refusals.len() {
            set |= 1 << refusals[i] as u8;
            i += 1;
        }
        Self(set)
    }

    /// As `on_refusal(…)` lists them.
    pub(super) fn words(self) -> Vec<&'static str> {
        match self {
            Self::ALL => vec!["all"],
            Self::NONE => vec!["none"],
            _ => {
                let listed = Self::EACH.into_iter().filter(|refusal| self.contains(*refusal));
                listed.map(Refusal::as_str).collect()
            }
        }
    }

    /// What is listed by these words.
    pub(super) fn of_words(words: &[&str]) -> Self {
        if words.contains(&"all") {
            return Self::ALL;
        }
        let listed = Self::EACH.into_iter().filter(|refusal| words.contains(&refusal.as_str()));
        listed.fold(Self::NONE, |set, refusal| Self(set.0 | Self::from(refusal).0))
    }

    /// Whether `refusal` is in the set.
    pub const fn contains(self, refusal: Refusal) -> bool {
        self.0 & 1 << refusal as u8 != 0
    }
}

impl From<Refusal> for Refusals {
    fn from(refusal: Refusal) -> Self {
        Self::of(&[refusal])
    }
}

impl<const N: usize> From<[Refusal; N]> for Refusals {
    fn from(refusals: [Refusal; N]) -> Self {
        Self::of(&refusals)
    }
}

/// As `on_refusal(…)` lists them.
impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.words().into_iter().map(|name| format!("{name:?}")).collect();
        f.write_str(&names.join(", "))
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = Self::EACH.into_iter().filter(|refusal| self.contains(*refusal));
        f.debug_set().entries(listed).finish()
    }
}

/// The result type of a resilient call: a `Result`, by any alias.
#[diagnostic::on_unimplemented(
    message = "a `#[resilient]` function must return a `Result`, not `{Self}`",
    label = "not a `Result`",
    note = "policies tell success from failure by `Ok` and `Err`: return `Result<T, E>` or an alias of it; a function that returns a future is made an `async fn`"
)]
pub trait CallResult {
    /// The value of a success.
    type Value;
    /// The error of a failure.
    type Error;
    /// The result as such.
    ///
    /// # Errors
    ///
    /// Its own.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
    /// The result by its own name.
    fn from_result(result: Result<Self::Value, Self::Error>) -> Self;
}

impl<T, E> CallResult for Result<T, E> {
    type Value = T;
    type Error = E;

    #[inline]
    fn into_result(self) -> Self {
        self
    }

    #[inline]
    fn from_result(result: Self) -> Self {
        result
    }
}

/// The type of a success of a function that returns `R`.
#[doc(hidden)]
pub type ValueOf<R> = <R as CallResult>::Value;

/// The return type of a method that `#[resilient(all)]` has taken.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a `#[resilient]` function must return a `Result`, not `{Self}`",
    label = "not a `Result`",
    note = "leave the method out by `#[resilient(skip)]`, or return `Result<T, E>` or an alias of it"
)]
pub trait ResultOrSkipped: CallResult {}

#[diagnostic::do_not_recommend]
impl<R: CallResult> ResultOrSkipped for R {}

/// Whether a type is a result: the inherent constant is that of a result, the one of [`IsNoResult`] of whatever
/// else.
#[doc(hidden)]
#[derive(Debug)]
pub struct ResultProbe<R>(std::marker::PhantomData<R>);

impl<T, E> ResultProbe<Result<T, E>> {
    /// It is.
    pub const IS_RESULT: bool = true;
}

/// See [`ResultProbe`].
#[doc(hidden)]
pub trait IsNoResult {
    /// It is not.
    const IS_RESULT: bool = false;
}

impl<R> IsNoResult for ResultProbe<R> {}

/// An error type that can carry a refusal: everything that implements `From<ResilienceError>`.
#[diagnostic::on_unimplemented(
    message = "the error type `{Self}` cannot carry a refusal: `From<mmf::ResilienceError>` is not implemented for it",
    label = "a policy of this function can refuse the call",
    note = "say in the attribute how a refusal becomes one: `refused(|refusal| …)`, any `Fn(mmf::ResilienceError) -> {Self}`; for a type of another crate there is no other way",
    note = "or, for a type of your own, write `impl From<mmf::ResilienceError> for {Self}`, with thiserror as a variant: `#[error(transparent)] Refused(#[from] mmf::ResilienceError)`"
)]
pub trait FromRefusal {
    /// Turns the refusal into the caller's error.
    fn from_refusal(refusal: ResilienceError) -> Self;
}

// Without it, the compiler would name the bound of this impl instead of the words above.
#[diagnostic::do_not_recommend]
impl<E: From<ResilienceError>> FromRefusal for E {
    fn from_refusal(refusal: ResilienceError) -> Self {
        refusal.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_sets_are_those_of_the_documentation() {
        assert_eq!(format!("{:?}", Refusals::RETRIED), "{Timeout, Bulkhead, RateLimit}");
        assert_eq!(format!("{:?}", Refusals::FAILURES), "{Timeout}");
        assert_eq!(Refusals::NONE, Refusals::of(&[]));
        assert_eq!(Refusals::RETRIED.to_string(), r#""timeout", "bulkhead", "rate_limit""#);
        assert_eq!(
            (Refusals::ALL.to_string(), Refusals::NONE.to_string()),
            ("\"all\"".into(), "\"none\"".into())
        );
    }

    #[test]
    fn an_error_says_which_policy_and_how_long() {
        let error = ResilienceError::timeout("users.fetch", Duration::from_secs(2));
        assert_eq!(error.to_string(), "users.fetch: timed out after 2s");
        assert_eq!(error.policy(), "users.fetch");
        let policy = PolicyName::from(String::from("hosts"));
        let (key, retry_after) = (Some("a.example".into()), Duration::from_secs(1));
        let error = ResilienceError::CircuitOpen { policy, key, retry_after };
        assert_eq!(error.to_string(), "hosts [a.example]: circuit open, retry after 1s");
        assert_eq!((error.key(), error.retry_after()), (Some("a.example"), Some(retry_after)));
        let error = ResilienceError::feature_disabled("users.export", "exports");
        assert_eq!(error.to_string(), "users.export: the feature exports is off");
        assert_eq!((error.policy(), error.refusal()), ("users.export", Refusal::Feature));
        assert!(Refusals::ALL.contains(Refusal::Feature));
    }
}
