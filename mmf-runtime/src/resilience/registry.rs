//! Every annotated function of the program, from link time on.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use super::breaker::{BreakerState, CircuitBreaker, KeyedBreakers};
use super::bulkhead::Bulkhead;
use super::counters::Counters;
use super::fallback::StaleValues;
use super::hedge::HedgePolicy;
use super::policy::{Identity, Invocation};
use super::rate_limit::RateLimiter;
use super::retry::RetryPolicy;
use super::snapshot::{BreakerSnapshot, BulkheadSnapshot, PolicySnapshot};

/// What the attribute knows of a function at compile time.
#[derive(Debug)]
pub struct Origin {
    /// The name written, or module path and function.
    pub name: &'static str,
    /// Whether the name was written.
    pub explicit: bool,
    /// Source file.
    pub file: &'static str,
    /// Line in it.
    pub line: u32,
    /// The configuration, as text.
    pub description: &'static str,
    /// The shared breaker the function names, and the configuration it writes for it, if any.
    pub shared: Option<(&'static str, Option<&'static str>)>,
}

/// The policies of a function that have state or are built once.
#[derive(Debug, Default)]
pub struct Parts {
    /// Built once where it depends on nothing of the call.
    pub retry: Option<RetryPolicy>,
    /// The function's own breaker.
    pub breaker: Option<CircuitBreaker>,
    /// A breaker that lives elsewhere.
    pub outer_breaker: Option<&'static CircuitBreaker>,
    /// One breaker per key.
    pub keyed: Option<Box<KeyedBreakers>>,
    /// The rate limiter.
    pub rate_limit: Option<RateLimiter>,
    /// The bulkhead.
    pub bulkhead: Option<Bulkhead>,
    /// The hedge.
    pub hedge: Option<HedgePolicy>,
    /// The last good values.
    pub stale: Option<StaleValues>,
}

/// An annotated function: a `static` that the attribute declares.
#[derive(Debug)]
pub struct Site {
    origin: Origin,
    build: fn(&'static str) -> Parts,
    state: OnceLock<State>,
}

#[derive(Debug)]
struct State {
    name: &'static str,
    counters: Counters,
    parts: Parts,
}

/// Puts a site on the list; submitted by the attribute.
#[derive(Debug)]
pub struct Registration(pub &'static Site);

inventory::collect!(Registration);

impl Site {
    /// A function whose state is built at its first call or listing.
    pub const fn new(origin: Origin, build: fn(&'static str) -> Parts) -> Self {
        Self { origin, build, state: OnceLock::new() }
    }

    /// Begins a call, through these policies.
    #[inline]
    pub fn begin(&'static self) -> (Invocation, &'static Parts) {
        let state = self.state();
        let identity = Identity { name: state.name, counters: Some(&state.counters) };
        (Invocation::begin(identity), &state.parts)
    }

    fn parts(&'static self) -> &'static Parts {
        &self.state().parts
    }

    #[inline]
    fn state(&'static self) -> &'static State {
        self.state.get_or_init(|| {
            let name = self.name();
            State { name, counters: Counters::new(), parts: (self.build)(name) }
        })
    }

    /// The name written; a default name that several functions share is told apart by the line.
    pub fn name(&'static self) -> &'static str {
        static DOUBLED: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
            let mut seen = HashSet::new();
            sites()
                .filter(|site| !site.origin.explicit && !seen.insert(site.origin.name))
                .map(|site| site.origin.name)
                .collect()
        });
        if self.origin.explicit || !DOUBLED.contains(self.origin.name) {
            return self.origin.name;
        }
        intern(format!("{}@{}", self.origin.name, self.origin.line).into())
    }

    fn location(&self) -> String {
        format!("{}:{}", self.origin.file, self.origin.line)
    }
}

macro_rules! part {
    ($($part:ident: $type:ty),*) => {
        impl Parts {
            $(
                #[doc = concat!("The `", stringify!($part), "` of a function that has one.")]
                ///
                /// # Panics
                ///
                /// Where the function has none.
                #[inline]
                pub fn $part(&self) -> &$type {
                    self.$part.as_ref().expect(concat!("built with ", stringify!($part)))
                }
            )*
        }
    };
}

part! {
    retry: RetryPolicy,
    rate_limit: RateLimiter,
    bulkhead: Bulkhead,
    keyed: KeyedBreakers,
    hedge: HedgePolicy,
    stale: StaleValues
}

impl Parts {
    /// The breaker of a function that has one, its own or another's.
    ///
    /// # Panics
    ///
    /// Where the function has none.
    #[inline]
    pub fn breaker(&self) -> &CircuitBreaker {
        self.find_breaker().expect("built with breaker")
    }

    fn find_breaker(&self) -> Option<&CircuitBreaker> {
        self.breaker.as_ref().or(self.outer_breaker)
    }
}

fn sites() -> impl Iterator<Item = &'static Site> {
    inventory::iter::<Registration>.into_iter().map(|registration| registration.0)
}

/// The shared breaker called `name`, built by the first function that asks for it, with the
/// configuration of the one that writes it.
pub fn shared_breaker(
    name: &'static str,
    build: fn(&'static str) -> CircuitBreaker,
    configured: bool,
) -> &'static CircuitBreaker {
    static SHARED: Mutex<BTreeMap<&'static str, &'static CircuitBreaker>> =
        Mutex::new(BTreeMap::new());
    let lookup = || {
        let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get(name).copied()
    };
    if let Some(breaker) = lookup() {
        return breaker;
    }
    if !configured {
        // Another function may write the configuration: build its parts first.
        let writer = sites()
            .find(|site| matches!(site.origin.shared, Some((shared, Some(_))) if shared == name));
        if let Some(breaker) = writer.and_then(|site| {
            site.parts();
            lookup()
        }) {
            return breaker;
        }
    }
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.entry(name).or_insert_with(|| Box::leak(Box::new(build(name))))
}

/// A name as `&'static str`: a text made at run time is kept once, for good.
pub(crate) fn intern(name: Cow<'static, str>) -> &'static str {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let name = match name {
        Cow::Borrowed(name) => return name,
        Cow::Owned(name) => name,
    };
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name.as_str()) {
        return known;
    }
    let name: &'static str = Box::leak(name.into_boxed_str());
    names.insert(name);
    name
}

/// An annotated function and its policies.
#[derive(Clone, Copy)]
pub struct Policy(&'static Site);

impl Policy {
    /// The name written in the attribute, or module path and function. Functions that share such a
    /// default name (methods of two types in one module) carry their line: `users::get@42`.
    pub fn name(&self) -> &'static str {
        self.0.state().name
    }

    /// Where the function stands: `src/users.rs:42`.
    pub fn location(&self) -> String {
        self.0.location()
    }

    /// Its breaker, if it has one: to read its state, or to force it open before maintenance.
    pub fn breaker(&self) -> Option<&'static CircuitBreaker> {
        self.0.parts().find_breaker()
    }

    /// Its breakers by key, if it has `breaker(key(…))`.
    pub fn keyed_breakers(&self) -> Option<&'static KeyedBreakers> {
        self.0.parts().keyed.as_deref()
    }

    /// Its bulkhead, if it has one.
    pub fn bulkhead(&self) -> Option<&'static Bulkhead> {
        self.0.parts().bulkhead.as_ref()
    }

    /// Its configuration, defaults included, as one would write it; an expression stands as it is
    /// written.
    pub fn describe(&self) -> &'static str {
        self.0.origin.description
    }

    /// What it has counted so far.
    pub fn snapshot(&self) -> PolicySnapshot {
        let State { name, counters, parts } = self.0.state();
        // Relaxed: statistics of calls that may be running.
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (successes, failures) = (counters.successes.sum(0), counters.failures.sum(0));
        let (calls, retries) = (successes + failures, read(&counters.retries));
        let hedges = read(&counters.hedges);
        let breaker = parts.find_breaker().map(CircuitBreaker::snapshot);
        PolicySnapshot {
            name,
            calls,
            successes,
            failures,
            cancelled: read(&counters.cancelled),
            attempts: (calls + retries + hedges).saturating_sub(counters.unstarted.sum(0)),
            retries,
            timeouts: read(&counters.timeouts),
            deadline_exceeded: read(&counters.deadline_exceeded),
            rate_limited: read(&counters.rate_limited),
            fallbacks: read(&counters.fallbacks),
            hedges,
            latency: parts.hedge.as_ref().and_then(HedgePolicy::latency),
            breaker: breaker.or_else(|| parts.keyed.as_deref().map(sum_of_keys)),
            bulkhead: parts.bulkhead.as_ref().map(|bulkhead| BulkheadSnapshot {
                running: bulkhead.running(),
                queued: bulkhead.queued(),
                refused: bulkhead.refused(),
            }),
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name())
            .field("location", &self.location())
            .field("configuration", &self.describe())
            .finish()
    }
}

fn sum_of_keys(keyed: &KeyedBreakers) -> BreakerSnapshot {
    let badness = |state| match state {
        BreakerState::Disabled => 0,
        BreakerState::Closed => 1,
        BreakerState::HalfOpen => 2,
        BreakerState::Open => 3,
        BreakerState::ForcedOpen => 4,
    };
    let none = BreakerSnapshot {
        state: BreakerState::Closed,
        successes: 0,
        failures: 0,
        slow: 0,
        refused: 0,
        opened: 0,
        failure_rate: 0.0,
    };
    keyed.breakers().into_iter().map(|(_, breaker)| breaker.snapshot()).fold(none, |sum, one| {
        BreakerSnapshot {
            state: if badness(one.state) > badness(sum.state) { one.state } else { sum.state },
            successes: sum.successes + one.successes,
            failures: sum.failures + one.failures,
            slow: sum.slow + one.slow,
            refused: sum.refused + one.refused,
            opened: sum.opened + one.opened,
            failure_rate: sum.failure_rate.max(one.failure_rate),
        }
    })
}

/// Two functions with one name, or two configurations of one shared breaker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameConflict {
    /// Two functions carry one explicit name.
    #[error("two functions are named {name:?}: {first} and {second}; give each its own `name`")]
    Policy {
        /// The name.
        name: &'static str,
        /// Where the first stands.
        first: String,
        /// Where the second stands.
        second: String,
    },
    /// Two functions configure one shared breaker differently.
    #[error(
        "the shared breaker {name:?} is configured differently at {first} and {second}; \
         write its configuration once, or the same at both"
    )]
    SharedBreaker {
        /// Name of the breaker.
        name: &'static str,
        /// Where the first stands.
        first: String,
        /// Where the second stands.
        second: String,
    },
}

/// Every annotated function of the program, those never called included, by name.
///
/// # Errors
///
/// The first [`NameConflict`] in the program: worth a call at start-up.
pub fn try_policies() -> Result<Vec<Policy>, NameConflict> {
    static CHECKED: LazyLock<Result<Vec<&'static Site>, NameConflict>> =
        LazyLock::new(|| check(sites().collect()));
    CHECKED.as_ref().map(|sites| sites.iter().copied().map(Policy).collect()).map_err(Clone::clone)
}

/// Every annotated function of the program, those never called included, by name.
///
/// # Panics
///
/// Where two functions carry one explicit name, naming both places; [`try_policies`] gives that as
/// an error.
///
/// ```
/// for policy in mmf_runtime::resilience::policies() {
///     println!("{} {}", policy.name(), policy.location());
/// }
/// ```
pub fn policies() -> Vec<Policy> {
    try_policies().unwrap_or_else(|conflict| panic!("{conflict}"))
}

/// The annotated function of this name.
///
/// # Panics
///
/// As [`policies`].
pub fn policy(name: &str) -> Option<Policy> {
    policies().into_iter().find(|policy| policy.name() == name)
}

/// The sites by name, or the first conflict among them.
fn check(mut sites: Vec<&'static Site>) -> Result<Vec<&'static Site>, NameConflict> {
    let mut named: BTreeMap<&'static str, &'static Site> = BTreeMap::new();
    let mut shared: BTreeMap<&'static str, (&'static str, &'static Site)> = BTreeMap::new();
    sites.sort_by_key(|site| (site.origin.file, site.origin.line));
    for site in &sites {
        if let Some(first) = named.insert(site.name(), site) {
            let (first, second) = (first.location(), site.location());
            return Err(NameConflict::Policy { name: site.name(), first, second });
        }
        if let Some((name, Some(configuration))) = site.origin.shared {
            match shared.get(name) {
                Some((other, first)) if *other != configuration => {
                    let (first, second) = (first.location(), site.location());
                    return Err(NameConflict::SharedBreaker { name, first, second });
                }
                _ => drop(shared.insert(name, (configuration, site))),
            }
        }
    }
    Ok(named.into_values().collect())
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

    fn site(name: &'static str, line: u32, configuration: Option<&'static str>) -> &'static Site {
        let origin = Origin {
            name,
            explicit: true,
            file: "users.rs",
            line,
            description: "",
            shared: Some(("db", configuration)),
        };
        Box::leak(Box::new(Site::new(origin, |_| Parts::default())))
    }

    #[test]
    fn functions_that_share_a_breaker_write_one_configuration() {
        let (five, six) = (Some("failure_threshold = 5"), Some("failure_threshold = 6"));
        assert!(check(vec![site("a", 1, five), site("b", 2, None), site("c", 3, five)]).is_ok());
        let conflict = check(vec![site("b", 2, six), site("c", 3, None), site("a", 1, five)]);
        assert_eq!(
            conflict.unwrap_err(),
            NameConflict::SharedBreaker {
                name: "db",
                first: "users.rs:1".into(),
                second: "users.rs:2".into()
            }
        );
    }
}
