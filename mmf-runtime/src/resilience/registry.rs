//! Every annotated function of the program, from link time on, and every pipeline while it lives.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::breaker::{CircuitBreaker, KeyedBreakers};
use super::budget::RetryBudget;
use super::built::Built;
use super::bulkhead::{Bulkhead, KeyedBulkheads};
use super::counters::Counters;
use super::error::Refusals;
use super::events;
use super::fallback::StaleValues;
use super::feature::Gate;
use super::handle::Held;
use super::hedge::HedgePolicy;
use super::identity::Identity;
use super::name::{CallName, PolicyName};
use super::policy::Invocation;
use super::rate_limit::{KeyedRateLimiters, RateLimiter};
use super::retry::RetryPolicy;
use super::snapshot::{KeySnapshot, PolicySnapshot};
use super::tuning::Tunable;
use super::view::View;

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

/// The policies of a function that have state or are built once, each by reference: a ready one may live
/// elsewhere, and what is built lives as long as the function.
#[derive(Debug)]
pub struct Parts {
    /// Built once where it depends on nothing of the call.
    pub retry: Option<&'static RetryPolicy>,
    /// Of retries whose delays depend on the call.
    pub retry_budget: Option<Arc<RetryBudget>>,
    /// The breaker.
    pub breaker: Option<&'static CircuitBreaker>,
    /// One breaker per key.
    pub keyed: Option<&'static KeyedBreakers>,
    /// The rate limiter.
    pub rate_limit: Option<&'static RateLimiter>,
    /// One rate limiter per key.
    pub keyed_limits: Option<&'static KeyedRateLimiters>,
    /// The bulkhead.
    pub bulkhead: Option<&'static Bulkhead>,
    /// One bulkhead per key.
    pub keyed_bulkheads: Option<&'static KeyedBulkheads>,
    /// The hedge.
    pub hedge: Option<&'static HedgePolicy>,
    /// The last good values.
    pub stale: Option<&'static StaleValues>,
    /// What may be turned off.
    pub feature: Option<Gate>,
    /// The limits of a call and of an attempt, where they are the same for all calls.
    pub deadline: Option<Duration>,
    /// See `deadline`.
    pub timeout: Option<Duration>,
    /// What depends on each call, so that it can be changed in the code alone.
    pub local: &'static [&'static str],
    /// Which refusals are retried, where that is written.
    pub retried: Option<Refusals>,
    /// Which refusals the breaker counts as failures, where that is written.
    pub failures: Option<Refusals>,
    /// Which refusals the fallback answers, where that is written.
    pub answered: Option<Refusals>,
    /// Whether there is a fallback.
    pub has_fallback: bool,
    /// Whether its error can carry a refusal.
    pub carries_refusals: bool,
    /// Whether its fallback has always an answer.
    pub has_value: bool,
}

impl Parts {
    /// Of a function whose policies have no state.
    pub const NONE: Self = Self {
        retry: None,
        retry_budget: None,
        breaker: None,
        keyed: None,
        rate_limit: None,
        keyed_limits: None,
        bulkhead: None,
        keyed_bulkheads: None,
        hedge: None,
        stale: None,
        feature: None,
        deadline: None,
        timeout: None,
        local: &[],
        retried: None,
        failures: None,
        answered: None,
        has_fallback: false,
        carries_refusals: false,
        has_value: false,
    };

    /// [`NONE`](Self::NONE), under whatever name.
    pub fn none(_: &PolicyName) -> Self {
        Self::NONE
    }
}

/// A policy that is kept for as long as the program runs, as the function is that it belongs to.
pub fn kept<P>(policy: impl Into<Held<'static, P>>) -> &'static P {
    match policy.into() {
        Held::Borrowed(policy) => policy,
        Held::Owned(policy) => Box::leak(Box::new(policy)),
        Held::Shared(policy) => Box::leak(Box::new(policy)),
    }
}

/// An annotated function: a `static` that the attribute declares.
#[derive(Debug)]
pub struct Site {
    origin: Origin,
    build: fn(&PolicyName) -> Parts,
    state: OnceLock<State>,
}

#[derive(Debug)]
struct State {
    name: CallName,
    counters: Counters,
    parts: Parts,
    /// What is changed of it from outside.
    tuning: Tunable,
}

/// Puts a site on the list; submitted by the attribute.
#[derive(Debug)]
pub struct Registration(pub &'static Site);

inventory::collect!(Registration);

impl Site {
    /// A function whose state is built at its first call or listing.
    pub const fn new(origin: Origin, build: fn(&PolicyName) -> Parts) -> Self {
        Self { origin, build, state: OnceLock::new() }
    }

    /// Begins a call, through these policies.
    #[inline]
    pub fn begin(&'static self) -> (Invocation<'static>, &'static Parts) {
        let state = self.state();
        let (counters, tuning) = (Some(&state.counters), state.tuning.get());
        let identity = Identity { name: &state.name, counters, tuning };
        (Invocation::begin(identity), &state.parts)
    }

    fn parts(&'static self) -> &'static Parts {
        &self.state().parts
    }

    #[inline]
    fn state(&'static self) -> &'static State {
        match self.state.get() {
            Some(state) => state,
            None => self.build_state(),
        }
    }

    /// Built before the cell is taken: what the user wrote as values may call the function itself.
    #[cold]
    fn build_state(&'static self) -> &'static State {
        let _building = Building::begin(self);
        let name = PolicyName::of_program(self.name());
        let parts = (self.build)(&name);
        let name = name.into();
        let state = State { name, counters: Counters::new(), parts, tuning: Tunable::new() };
        self.state.get_or_init(|| state)
    }

    /// The name written. A default name that several functions share is told apart by the line, and so is the
    /// second of two that carry one written name.
    pub fn name(&'static self) -> &'static str {
        known().names[&id(self)]
    }

    fn location(&self) -> String {
        format!("{}:{}", self.origin.file, self.origin.line)
    }
}

thread_local! {
    /// The functions whose policies this thread is building just now: what the user wrote as values may ask for the list.
    static BUILDING: RefCell<Vec<*const Site>> = const { RefCell::new(Vec::new()) };
}

/// A function whose policies are being built.
struct Building;

impl Building {
    fn begin(site: &'static Site) -> Self {
        BUILDING.with_borrow_mut(|building| building.push(site));
        Self
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        BUILDING.with_borrow_mut(Vec::pop);
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
    retry_budget: Arc<RetryBudget>,
    breaker: CircuitBreaker,
    rate_limit: RateLimiter,
    bulkhead: Bulkhead,
    keyed: KeyedBreakers,
    keyed_limits: KeyedRateLimiters,
    keyed_bulkheads: KeyedBulkheads,
    hedge: HedgePolicy,
    stale: StaleValues,
    feature: Gate
}

impl Parts {
    /// The limit of a call, of a function where it is a constant.
    ///
    /// # Panics
    ///
    /// Where it has none.
    #[inline]
    pub fn deadline(&self) -> Duration {
        self.deadline.expect("built with deadline")
    }

    /// The limit of an attempt, of a function where it is a constant.
    ///
    /// # Panics
    ///
    /// Where it has none.
    #[inline]
    pub fn timeout(&self) -> Duration {
        self.timeout.expect("built with timeout")
    }
}

/// What is known of all sites of the program.
struct Known {
    /// By name.
    sites: Vec<&'static Site>,
    by_name: HashMap<&'static str, &'static Site>,
    names: HashMap<usize, &'static str>,
    conflict: Option<NameConflict>,
}

/// Tells sites apart.
fn id(site: &'static Site) -> usize {
    std::ptr::from_ref(site) as usize
}

fn known() -> &'static Known {
    static KNOWN: LazyLock<Known> = LazyLock::new(|| Known::of(registered()));
    static TOLD: AtomicBool = AtomicBool::new(false);
    let known = &*KNOWN;
    // Not while it is found out: a subscriber may ask for the policies.
    if let Some(conflict) = &known.conflict
        && tracing::dispatcher::has_been_set()
        // Relaxed: who is first tells it.
        && !TOLD.swap(true, Ordering::Relaxed)
    {
        events::conflict(&conflict.to_string());
    }
    known
}

fn registered() -> Vec<&'static Site> {
    inventory::iter::<Registration>.into_iter().map(|registration| registration.0).collect()
}

impl Known {
    fn of(mut sites: Vec<&'static Site>) -> Self {
        sites.sort_by_key(|site| (site.origin.file, site.origin.line));
        let mut by_name: HashMap<&'static str, &'static Site> = HashMap::new();
        let mut names = HashMap::new();
        let mut conflict = None;
        let mut seen = HashSet::new();
        let defaults = sites.iter().filter(|site| !site.origin.explicit);
        let doubled: HashSet<&str> =
            defaults.map(|site| site.origin.name).filter(|name| !seen.insert(*name)).collect();
        // What was written has the first say.
        let (written, default): (Vec<_>, Vec<_>) =
            sites.iter().copied().partition(|site| site.origin.explicit);
        for site in written.into_iter().chain(default) {
            let Origin { name, explicit, line, .. } = site.origin;
            let first = by_name.get(name);
            if let Some(first) = first.filter(|_| explicit) {
                let (first, second) = (first.location(), site.location());
                conflict.get_or_insert(NameConflict::Policy { name, first, second });
            }
            let name = if first.is_none() && (explicit || !doubled.contains(name)) {
                name
            } else {
                let own = |count: u32| match count {
                    1 => format!("{name}@{line}"),
                    _ => format!("{name}@{line}#{count}"),
                };
                // Functions that one macro writes stand on one line.
                let own = (1..).map(own).find(|own| !by_name.contains_key(own.as_str()));
                Box::leak(own.unwrap_or_default().into_boxed_str())
            };
            by_name.insert(name, site);
            names.insert(id(site), name);
        }
        let conflict = conflict.or_else(|| shared_conflict(&sites));
        sites.sort_by_key(|site| names[&id(site)]);
        Self { sites, by_name, names, conflict }
    }
}

/// The first two functions that configure one shared breaker differently.
fn shared_conflict(sites: &[&'static Site]) -> Option<NameConflict> {
    let mut shared: HashMap<&'static str, (&'static str, &'static Site)> = HashMap::new();
    sites.iter().find_map(|site| {
        let (name, configuration) = site.origin.shared?;
        let configuration = configuration?;
        let (other, first) = *shared.entry(name).or_insert((configuration, site));
        (other != configuration).then(|| {
            let (first, second) = (first.location(), site.location());
            NameConflict::SharedBreaker { name, first, second }
        })
    })
}

/// The shared breaker called `name`, built by the first function that asks for it, with the
/// configuration of the one that writes it.
pub fn shared_breaker(
    name: &'static str,
    build: fn(&PolicyName) -> CircuitBreaker,
    configured: bool,
) -> &'static CircuitBreaker {
    /// Under its lock: the map alone. A breaker is built before, of what the user wrote.
    static SHARED: Mutex<BTreeMap<&'static str, &'static CircuitBreaker>> =
        Mutex::new(BTreeMap::new());
    let shared = || SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let lookup = || shared().get(name).copied();
    if let Some(breaker) = lookup() {
        return breaker;
    }
    if !configured {
        // Another function may write the configuration: build its parts first.
        let writer = registered()
            .into_iter()
            .find(|site| matches!(site.origin.shared, Some((shared, Some(_))) if shared == name));
        if let Some(breaker) = writer.and_then(|site| {
            site.parts();
            lookup()
        }) {
            return breaker;
        }
    }
    let built = build(&PolicyName::of_program(name));
    shared().entry(name).or_insert_with(|| Box::leak(Box::new(built)))
}

/// An annotated function and its policies, or a pipeline: a handle, whose accessors borrow from it.
#[derive(Clone)]
pub struct Policy(Source);

#[derive(Clone)]
enum Source {
    Site(&'static Site),
    Built(Arc<Built>),
}

/// The policies of one by reference, whoever holds them.
pub(super) struct Shown<'p> {
    pub(super) tuning: &'p Tunable,
    pub(super) deadline: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<&'p RetryPolicy>,
    pub(super) stale: Option<&'p StaleValues>,
    pub(super) feature: Option<&'p Gate>,
    /// What depends on each call.
    pub(super) local: &'static [&'static str],
    /// Of retry, breaker and fallback, where they are written.
    pub(super) refusals: [Option<Refusals>; 3],
    pub(super) has_fallback: bool,
    pub(super) carries_refusals: bool,
    pub(super) has_value: bool,
    pub(super) breaker: Option<&'p CircuitBreaker>,
    pub(super) breakers: Option<&'p KeyedBreakers>,
    pub(super) rate_limit: Option<&'p RateLimiter>,
    pub(super) rate_limits: Option<&'p KeyedRateLimiters>,
    pub(super) bulkhead: Option<&'p Bulkhead>,
    pub(super) bulkheads: Option<&'p KeyedBulkheads>,
    pub(super) hedge: Option<&'p HedgePolicy>,
}

impl<'p> Shown<'p> {
    /// The hedge in force, where there is one.
    pub(super) fn hedge_now(&self) -> Option<&'p HedgePolicy> {
        let built = self.hedge?;
        self.tuning.get().map_or(Some(built), |tuning| tuning.hedge(built))
    }
}

impl Policy {
    pub(super) fn of_built(built: Arc<Built>) -> Self {
        Self(Source::Built(built))
    }

    pub(super) fn shown(&self) -> Shown<'_> {
        match &self.0 {
            Source::Site(site) => {
                let parts = site.parts();
                Shown {
                    tuning: &site.state().tuning,
                    deadline: parts.deadline,
                    timeout: parts.timeout,
                    retry: parts.retry,
                    stale: parts.stale,
                    feature: parts.feature.as_ref(),
                    local: parts.local,
                    refusals: [parts.retried, parts.failures, parts.answered],
                    has_fallback: parts.has_fallback,
                    carries_refusals: parts.carries_refusals,
                    has_value: parts.has_value,
                    breaker: parts.breaker,
                    breakers: parts.keyed,
                    rate_limit: parts.rate_limit,
                    rate_limits: parts.keyed_limits,
                    bulkhead: parts.bulkhead,
                    bulkheads: parts.keyed_bulkheads,
                    hedge: parts.hedge,
                }
            }
            Source::Built(built) => {
                let (joined, view) = (&built.joined, View::of(&built.joined));
                let written = |now: Refusals, default| (now != default).then_some(now);
                Shown {
                    tuning: &built.tuning,
                    deadline: view.deadline,
                    timeout: view.timeout,
                    retry: view.retry,
                    stale: None,
                    feature: None,
                    local: &[],
                    refusals: [
                        written(joined.retry_refusals, Refusals::RETRIED),
                        written(joined.fail_refusals, Refusals::FAILURES),
                        None,
                    ],
                    has_fallback: false,
                    carries_refusals: true,
                    has_value: false,
                    breaker: view.breaker,
                    breakers: joined.breakers(),
                    rate_limit: view.rate_limit,
                    rate_limits: joined.rate_limits(),
                    bulkhead: view.bulkhead,
                    bulkheads: joined.bulkheads(),
                    hedge: view.hedge,
                }
            }
        }
    }

    fn call_name(&self) -> &CallName {
        match &self.0 {
            Source::Site(site) => &site.state().name,
            Source::Built(built) => &built.name,
        }
    }

    /// Whether it is being built on this thread: what it is cannot be asked then.
    #[doc(hidden)]
    pub fn is_being_built(&self) -> bool {
        match &self.0 {
            Source::Site(site) => {
                BUILDING.with_borrow(|all| all.contains(&std::ptr::from_ref(*site)))
            }
            Source::Built(_) => false,
        }
    }

    /// Whether it may share a breaker, a limit or a bulkhead with another.
    #[doc(hidden)]
    pub fn may_share(&self) -> bool {
        match &self.0 {
            Source::Site(_) => true,
            Source::Built(built) => built.joined.may_share(),
        }
    }

    pub(super) fn is_pipeline(&self) -> bool {
        matches!(self.0, Source::Built(_))
    }

    /// Whether its policies are built, which asks what the user wrote as values; until then it has neither state nor breaker.
    #[doc(hidden)]
    pub fn is_built(&self) -> bool {
        match &self.0 {
            Source::Site(site) => site.state.get().is_some(),
            Source::Built(_) => true,
        }
    }

    /// Its name, for which nothing is built: what the user wrote as values may ask for the list.
    #[doc(hidden)]
    pub fn listed_as(&self) -> &str {
        match &self.0 {
            Source::Site(site) => site.name(),
            Source::Built(built) => built.name.as_str(),
        }
    }

    fn counters(&self) -> &Counters {
        match &self.0 {
            Source::Site(site) => &site.state().counters,
            Source::Built(built) => &built.counters,
        }
    }

    /// The name written in the attribute or given to the builder, or module path and function. Functions that share
    /// such a default name (methods of two types in one module) carry their line: `users::get@42`.
    pub fn name(&self) -> &str {
        self.call_name().as_str()
    }

    /// Where the function stands, or where the pipeline was built: `src/users.rs:42`.
    pub fn location(&self) -> String {
        match &self.0 {
            Source::Site(site) => site.location(),
            Source::Built(built) => format!("{}:{}", built.location.file(), built.location.line()),
        }
    }

    /// Its breaker, if it has one: to read its state, or to force it open before maintenance.
    pub fn breaker(&self) -> Option<&CircuitBreaker> {
        self.shown().breaker
    }

    /// Its breakers by key, if it has `breaker(key(…))`.
    pub fn keyed_breakers(&self) -> Option<&KeyedBreakers> {
        self.shown().breakers
    }

    /// Its bulkhead, if it has one.
    pub fn bulkhead(&self) -> Option<&Bulkhead> {
        self.shown().bulkhead
    }

    /// Its bulkheads by key, if it has `bulkhead(key(…))`.
    pub fn keyed_bulkheads(&self) -> Option<&KeyedBulkheads> {
        self.shown().bulkheads
    }

    /// Its rate limiter, if it has one.
    pub fn rate_limiter(&self) -> Option<&RateLimiter> {
        self.shown().rate_limit
    }

    /// Its rate limiters by key, if it has `rate_limit(key(…))`.
    pub fn keyed_rate_limiters(&self) -> Option<&KeyedRateLimiters> {
        self.shown().rate_limits
    }

    /// Its configuration in the code, defaults included, as one would write it; an expression stands as it is written.
    /// What is in force, where that was changed from outside, is in [`settings`](Self::settings).
    pub fn describe(&self) -> &str {
        match &self.0 {
            Source::Site(site) => site.origin.description,
            Source::Built(built) => &built.description,
        }
    }

    /// What is remembered of each key, the worst first: by the state of its breaker, then by how many of its calls
    /// wait and run, how many were refused, and by its failure rate; of those that are equal, by label.
    pub fn keys(&self) -> Vec<KeySnapshot> {
        let Shown { breakers, rate_limits, bulkheads, .. } = self.shown();
        let mut keys: HashMap<u128, KeySnapshot> = HashMap::new();
        for (id, label, breaker) in breakers.map(KeyedBreakers::all).unwrap_or_default() {
            KeySnapshot::of(&mut keys, id, label).breaker = Some(breaker.snapshot());
        }
        for (id, label, limiter) in rate_limits.map(KeyedRateLimiters::all).unwrap_or_default() {
            KeySnapshot::of(&mut keys, id, label).rate_limited = limiter.refused();
        }
        for (id, label, bulkhead) in bulkheads.map(KeyedBulkheads::all).unwrap_or_default() {
            KeySnapshot::of(&mut keys, id, label).bulkhead = Some(bulkhead.snapshot());
        }
        let mut keys: Vec<_> = keys.into_values().collect();
        keys.sort_by(KeySnapshot::worst_first);
        keys
    }

    /// [`snapshot`](Self::snapshot), or nothing where a value that the user wrote panics when it is asked: what is shown of the others
    /// is shown all the same, and the panic is told like any other.
    #[doc(hidden)]
    pub fn try_snapshot(&self) -> Option<PolicySnapshot> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.snapshot())).ok()
    }

    /// What it has counted so far.
    pub fn snapshot(&self) -> PolicySnapshot {
        let (counters, shown) = (self.counters(), self.shown());
        // Relaxed: statistics of calls that may be running.
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (successes, failures, attempts) = counters.calls();
        let breaker = shown.breaker.map(CircuitBreaker::snapshot);
        let bulkhead = shown.bulkhead.map(Bulkhead::snapshot);
        PolicySnapshot {
            name: self.call_name().to_policy(),
            calls: successes + failures,
            successes,
            failures,
            cancelled: read(&counters.cancelled),
            attempts,
            retries: read(&counters.retries),
            timeouts: read(&counters.timeouts),
            deadline_exceeded: read(&counters.deadline_exceeded),
            feature_disabled: read(&counters.feature_disabled),
            rate_limited: read(&counters.rate_limited),
            fallbacks: read(&counters.fallbacks),
            hedges: read(&counters.hedges),
            latency: shown.hedge_now().and_then(HedgePolicy::latency),
            breaker: breaker.or_else(|| shown.breakers.map(KeyedBreakers::counts)),
            bulkhead: bulkhead.or_else(|| shown.bulkheads.map(KeyedBulkheads::counts)),
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

/// The pipelines that live, each under a name of its own. Under its lock there are handles, names and counters alone:
/// policies are built before and dropped after.
static PIPELINES: Mutex<Vec<(PolicyName, Weak<Built>)>> = Mutex::new(Vec::new());

/// Who is told of each new pipeline.
static NEW: OnceLock<fn(&Policy)> = OnceLock::new();

/// Has somebody told of each new pipeline, before its first call; the first who asks is.
pub fn tell_new(told: fn(&Policy)) {
    let _ = NEW.set(told);
}

/// Every pipeline that lives.
fn pipelines() -> Vec<Arc<Built>> {
    let pipelines = PIPELINES.lock().unwrap_or_else(PoisonError::into_inner);
    pipelines.iter().filter_map(|(_, built)| built.upgrade()).collect()
}

/// Puts a pipeline on the list, under a name of its own, which `finish` gives it; nothing of the user's runs there.
pub(super) fn enlist(name: &PolicyName, finish: impl FnOnce(CallName) -> Built) -> Arc<Built> {
    let sites = &known().by_name;
    let mut pipelines = PIPELINES.lock().unwrap_or_else(PoisonError::into_inner);
    // Those that are gone make room: their number is bounded by that of the living.
    pipelines.retain(|(_, other)| other.strong_count() > 0);
    let taken = |name: &PolicyName| {
        sites.contains_key(name.as_str()) || pipelines.iter().any(|(other, _)| other == name)
    };
    let own = |count: u32| match count {
        1 => name.clone(),
        _ => format!("{name}#{count}").into(),
    };
    let own = (1..).map(own).find(|own| !taken(own)).unwrap_or_else(|| name.clone());
    let built = Arc::new(finish(own.clone().into()));
    pipelines.push((own.clone(), Arc::downgrade(&built)));
    drop(pipelines);
    if let Some(told) = NEW.get() {
        told(&Policy::of_built(Arc::clone(&built)));
    }
    if own != *name {
        events::conflict(&format!(
            "a policy named {name:?} is there already: a pipeline of this name is listed as {own:?}"
        ));
    }
    built
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
    known().conflict.clone().map_or_else(|| Ok(policies()), Err)
}

/// Every annotated function of the program, those never called included, and every pipeline, by name. Of two that carry one
/// written name the second is listed as `name@line`, which is told by one error event; [`try_policies`] gives
/// it as an error.
///
/// ```
/// # use mmf_runtime as mmf;
/// for policy in mmf::resilience::policies() {
///     println!("{} {}", policy.name(), policy.location());
/// }
/// ```
pub fn policies() -> Vec<Policy> {
    let sites = known().sites.iter().copied().map(|site| Policy(Source::Site(site)));
    let mut all: Vec<_> = sites.collect();
    for built in pipelines() {
        let place = all.partition_point(|policy| policy.listed_as() < built.name.as_str());
        all.insert(place, Policy::of_built(built));
    }
    all
}

/// The annotated function or the pipeline of this name.
pub fn policy(name: &str) -> Option<Policy> {
    let site = known().by_name.get(name).copied().map(|site| Policy(Source::Site(site)));
    let pipeline = || pipelines().into_iter().find(|built| built.name.as_str() == name);
    site.or_else(|| pipeline().map(Policy::of_built))
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
        Box::leak(Box::new(Site::new(origin, Parts::none)))
    }

    fn unnamed(name: &'static str, line: u32) -> &'static Site {
        let origin =
            Origin { name, explicit: false, file: "users.rs", line, description: "", shared: None };
        Box::leak(Box::new(Site::new(origin, Parts::none)))
    }

    fn conflict(sites: Vec<&'static Site>) -> Option<NameConflict> {
        Known::of(sites).conflict
    }

    fn names(known: &Known) -> Vec<&str> {
        known.sites.iter().map(|site| known.names[&id(site)]).collect()
    }

    #[test]
    fn functions_that_share_a_breaker_write_one_configuration() {
        let (five, six) = (Some("failure_threshold = 5"), Some("failure_threshold = 6"));
        let agreed = vec![site("a", 1, five), site("b", 2, None), site("c", 3, five)];
        assert_eq!(conflict(agreed), None);
        assert_eq!(
            conflict(vec![site("b", 2, six), site("c", 3, None), site("a", 1, five)]),
            Some(NameConflict::SharedBreaker {
                name: "db",
                first: "users.rs:1".into(),
                second: "users.rs:2".into()
            })
        );
    }

    #[test]
    fn of_two_that_carry_one_name_the_second_has_its_line() {
        let known = Known::of(vec![site("a", 9, None), site("b", 3, None), site("a", 2, None)]);
        assert_eq!(names(&known), ["a", "a@9", "b"]);
        assert_eq!(known.by_name["a"].origin.line, 2);
        let (first, second) = ("users.rs:2".into(), "users.rs:9".into());
        assert_eq!(known.conflict, Some(NameConflict::Policy { name: "a", first, second }));
    }

    #[test]
    fn names_that_nobody_wrote_never_conflict() {
        let sites = vec![
            unnamed("get", 96),
            unnamed("get", 96),
            unnamed("get", 7),
            unnamed("put", 1),
            site("put", 5, None),
        ];
        let known = Known::of(sites);
        assert_eq!(names(&known), ["get@7", "get@96", "get@96#2", "put", "put@1"]);
        assert_eq!(known.conflict, None);
    }
}
