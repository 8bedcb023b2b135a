//! What is armed: it decides for each call at a point, by its seed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::config::{ChaosConfig, InvalidChaos};
use super::dice::{Dice, stream};
use super::fault::Fault;
use super::history::{History, Injection};
use super::kind::{ChaosKind, InjectedFault};
use super::load::{Load, Processors};
use super::point::{self, Point};
use crate::clock::{self, later};
use crate::glob;

/// Before so many calls no error rate ends an experiment.
const CALLS_BEFORE_STOP: u64 = 20;

/// An experiment that is armed. [`scope`](super::scope) and [`arm`](super::arm) make one.
#[derive(Clone, Debug)]
pub struct ChaosInjector(Arc<Armed>);

#[derive(Debug)]
struct Armed {
    /// From 1, in the order of arming.
    number: u64,
    config: ChaosConfig,
    seed: u64,
    started: Instant,
    /// How long any of its faults strikes.
    lasts: Duration,
    /// Under the lock of a point one call is decided: numbers are drawn, and noted in the history. Nothing else
    /// happens there, neither waiting nor code of a user.
    points: HashMap<usize, Mutex<PointState>>,
    /// Those of layers that were made after it was armed, by the same rule; none where no fault is meant for them.
    late: Mutex<HashMap<usize, Option<PointState>>>,
    injections: AtomicU64,
    calls: AtomicU64,
    errors: AtomicU64,
    stopped: AtomicBool,
    /// Whoever armed it is through with it.
    over: AtomicBool,
    /// Written and copied under its lock, which is taken under that of a point and takes no other.
    history: Mutex<History>,
    /// Under its lock this list is changed. What it takes to begin a load and to end one, memory that is touched
    /// and threads that are waited for, happens outside.
    loads: Mutex<Vec<Held>>,
}

/// A load of an experiment: the only one of its kind.
#[derive(Debug)]
struct Held {
    kind: ChaosKind,
    until: Duration,
    /// None, while it is being taken.
    load: Option<Load>,
}

/// A point in an experiment. One call at a time is decided, so that its number decides and nothing else.
#[derive(Debug)]
struct PointState {
    faults: Vec<(Fault, Burst)>,
    stream: u64,
    calls: u64,
    struck: u64,
}

impl PointState {
    fn of(point: &'static Point, faults: Vec<Fault>) -> Self {
        let faults = faults.into_iter().map(|fault| (fault, Burst::default())).collect();
        Self { faults, stream: stream(point.name()), calls: 0, struck: 0 }
    }
}

/// The two-state Markov chain of `intermittent_failures`.
#[derive(Clone, Copy, Debug, Default)]
struct Burst {
    failing: bool,
}

impl Burst {
    fn step(&mut self, fault: &Fault, dice: &mut Dice) -> bool {
        let share = fault.probability;
        let leave = 1.0 / fault.mean_burst;
        // The gaps between bursts have the length that makes the share of failing calls.
        let enter = if share >= 1.0 { 1.0 } else { (leave * share / (1.0 - share)).min(1.0) };
        let roll = dice.unit();
        self.failing = match self.failing {
            true if share >= 1.0 => true,
            true => roll >= leave,
            false => roll < enter,
        };
        self.failing
    }
}

/// What happens to a call.
#[derive(Debug, Default)]
pub(super) struct Strike {
    pub(super) delay: Duration,
    pub(super) end: Option<End>,
    /// Faults that take memory or processors.
    burdens: Vec<Fault>,
}

/// What a call ends in before it has begun.
#[derive(Debug)]
pub(super) enum End {
    Error(InjectedFault),
    Hang(InjectedFault),
    Panic(InjectedFault),
}

impl ChaosInjector {
    /// Makes a config ready for the points there are; what they name themselves is code of the user.
    ///
    /// # Errors
    ///
    /// Where the config, or what a point names itself, can never work.
    pub(super) fn new(config: ChaosConfig, seed: u64) -> Result<Self, InvalidChaos> {
        static ARMED: AtomicU64 = AtomicU64::new(0);
        config.check()?;
        let mut points = HashMap::new();
        let mut lasts: Option<Duration> = None;
        for point in point::all() {
            let faults = faults_at(point, &config);
            if let Some(mistake) = faults.iter().find_map(Fault::mistake) {
                return Err(InvalidChaos(format!("at {}: {mistake}", point.name())));
            }
            if faults.is_empty() {
                continue;
            }
            lasts = lasts.max(faults.iter().map(Fault::lasts).max());
            points.insert(point.id(), Mutex::new(PointState::of(point, faults)));
        }
        Ok(Self(Arc::new(Armed {
            // Relaxed: a number of its own is all that it is.
            number: ARMED.fetch_add(1, Ordering::Relaxed) + 1,
            points,
            late: Mutex::default(),
            // A layer that its faults are meant for may come yet.
            lasts: lasts.unwrap_or_default().max(config.duration()),
            config,
            seed,
            started: Instant::now(),
            injections: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            over: AtomicBool::new(false),
            history: Mutex::default(),
            loads: Mutex::default(),
        })))
    }

    /// The seed, which repeats it.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Its number in this process, from 1.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// What it was armed with.
    pub fn config(&self) -> &ChaosConfig {
        &self.0.config
    }

    /// How long any of its faults strikes from now on.
    pub fn left(&self) -> Duration {
        self.ends().saturating_duration_since(clock::now())
    }

    /// Ends it, whoever has armed it: from now on it strikes nobody, and what it has taken is given back.
    pub fn disarm(&self) {
        self.finish();
    }

    /// How many points of the program it could strike when it was armed.
    pub fn points(&self) -> usize {
        self.0.points.len()
    }

    /// How many faults it has injected.
    pub fn injections(&self) -> u64 {
        self.0.injections.load(Ordering::Relaxed)
    }

    /// Whether its error rate has ended it early.
    pub fn was_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    /// How many injections of each kind there were at each point.
    pub fn counts(&self) -> BTreeMap<(&'static str, ChaosKind), u64> {
        self.0.history().counts.clone()
    }

    /// How often a fault was due that its point could not carry: an error where the function's error type
    /// takes none, or a hang in a blocking function.
    pub fn unable(&self) -> BTreeMap<(&'static str, ChaosKind), u64> {
        self.0.history().unable.clone()
    }

    pub(super) fn history(&self) -> Vec<Injection> {
        self.0.history().injections.clone()
    }

    /// Whether it is the very same.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How long any of its faults strikes.
    pub(super) fn lasts(&self) -> Duration {
        self.0.lasts
    }

    /// When the last of its faults is over.
    pub(super) fn ends(&self) -> Instant {
        later(self.0.started, self.0.lasts)
    }

    /// Ends it: from then on it strikes nobody, and what it has taken is given back.
    pub(super) fn finish(&self) {
        // Relaxed: a call elsewhere may be struck just before. A load of it is not left behind, since `burden`
        // looks once more under the lock that `release` takes.
        self.0.over.store(true, Ordering::Relaxed);
        self.0.release(Duration::MAX);
    }

    /// Whether it strikes no more: it is over, or its error rate has stopped it.
    pub(super) fn is_through(&self) -> bool {
        self.0.is_through()
    }

    /// Whether whoever armed it has ended it.
    pub(super) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Relaxed)
    }

    /// Decides for the next call at a point, and takes what its faults take.
    pub(super) fn strike(&self, point: &'static Point) -> Strike {
        let armed = &*self.0;
        let known = armed.points.get(&point.id());
        if self.is_over() || (known.is_none() && !point.is_placed()) {
            return Strike::default();
        }
        let since = armed.started.elapsed();
        armed.release(since);
        let mut strike = match known {
            Some(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                armed.decide(&mut state, point.name(), since)
            }
            None => armed.decide_late(point, since),
        };
        for fault in std::mem::take(&mut strike.burdens) {
            armed.burden(&fault, since);
        }
        strike
    }

    /// Notes that a point could not carry a fault: it was not injected, after all.
    pub(super) fn unable_to(&self, fault: InjectedFault) {
        let InjectedFault { kind, point, call, .. } = fault;
        let is_first = self.0.history().withdraw(point, kind, call);
        if is_first {
            tracing::warn!(
                target: "mmf::chaos", point,
                "{kind} cannot be injected at {point}: {}", why_unable(kind.name())
            );
        }
    }

    /// Notes how a call at a point ended.
    pub(super) fn observe(&self, failed: bool) {
        let armed = &*self.0;
        let calls = armed.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let errors =
            armed.errors.fetch_add(u64::from(failed), Ordering::Relaxed) + u64::from(failed);
        if let Some(limit) = armed.config.stop_above
            && calls >= CALLS_BEFORE_STOP
            && errors as f64 > limit * calls as f64
            && !armed.stopped.swap(true, Ordering::Relaxed)
        {
            armed.release(Duration::MAX);
            tracing::warn!(
                target: "mmf::chaos", errors, calls,
                "the experiment is stopped: its error rate is above {limit}"
            );
        }
    }
}

impl Armed {
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loads(&self) -> MutexGuard<'_, Vec<Held>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it strikes no more: it is over, or its error rate has stopped it.
    fn is_through(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.stopped.load(Ordering::Relaxed)
    }

    /// The same for a point that was not known when this was armed.
    fn decide_late(&self, point: &'static Point, since: Duration) -> Strike {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let state = late.entry(point.id()).or_insert_with(|| {
            let faults = faults_at(point, &self.config);
            (!faults.is_empty()).then(|| PointState::of(point, faults))
        });
        match state {
            Some(state) => self.decide(state, point.name(), since),
            None => Strike::default(),
        }
    }

    /// Draws what strikes the next call at a point, and notes it.
    fn decide(&self, state: &mut PointState, point: &'static str, since: Duration) -> Strike {
        let PointState { faults, stream, calls, struck } = state;
        *calls += 1;
        let mut strike = Strike::default();
        if self.is_through() {
            return strike;
        }
        // One call may be struck by several faults, and counts once.
        let room = (*struck + 1) as f64 <= self.config.max_share * *calls as f64;
        let mut injected = false;
        for (place, (fault, burst)) in faults.iter_mut().enumerate() {
            let mut dice = Dice::new(self.seed ^ place as u64, *stream, *calls);
            let due = match fault.kind {
                ChaosKind::IntermittentFailures => burst.step(fault, &mut dice),
                _ => dice.unit() < fault.probability,
            };
            if !due || !room || since >= fault.lasts() || strike.end.is_some() || !self.take_one() {
                continue;
            }
            injected = true;
            let delay = strike.add(fault, point, *calls, &mut dice);
            self.history().add(Injection { point, call: *calls, kind: fault.kind, delay });
        }
        *struck += u64::from(injected);
        strike
    }

    /// Takes one of the injections that the blast radius allows.
    fn take_one(&self) -> bool {
        let allowed =
            |injections| (injections < self.config.max_injections).then_some(injections + 1);
        self.injections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, allowed).is_ok()
    }

    /// Takes memory or processors until the fault is over; one load of a kind at a time.
    fn burden(&self, fault: &Fault, since: Duration) {
        let (kind, until) = (fault.kind, fault.lasts());
        {
            let mut loads = self.loads();
            if self.is_through() || loads.iter().any(|held| held.kind == kind) {
                return;
            }
            loads.push(Held { kind, until, load: None });
        }
        let lasts = until.saturating_sub(since);
        let load = match kind {
            ChaosKind::MemoryPressure => {
                Load::memory((fault.size as f64 * fault.intensity) as u64, lasts)
            }
            _ => Load::processors(
                Processors { at_most: fault.threads, share: fault.intensity },
                lasts,
            ),
        };
        // Where its place was released meanwhile, it ends here, when the lock is no longer held.
        let mut taken = Some(load);
        if let Some(held) =
            self.loads().iter_mut().find(|held| held.kind == kind && held.load.is_none())
        {
            held.load = taken.take();
        }
    }

    /// Gives back what is over.
    fn release(&self, since: Duration) {
        // Off the list first, and ended then, without the lock.
        let over: Vec<_> = self.loads().extract_if(.., |held| since >= held.until).collect();
        drop(over);
    }
}

impl Strike {
    /// Adds a fault to it; the delay, where it is one.
    fn add(
        &mut self,
        fault: &Fault,
        point: &'static str,
        call: u64,
        dice: &mut Dice,
    ) -> Option<Duration> {
        let injected = InjectedFault::new(fault.kind, point, call, dice.draw());
        match fault.kind {
            ChaosKind::NetworkDelay | ChaosKind::HighLatency => {
                let delay = fault.delay_by(dice);
                self.delay = self.delay.saturating_add(delay);
                return Some(delay);
            }
            ChaosKind::MemoryPressure | ChaosKind::CpuSpike => self.burdens.push(fault.clone()),
            ChaosKind::Hang => self.end = Some(End::Hang(injected)),
            ChaosKind::Panic => self.end = Some(End::Panic(injected)),
            ChaosKind::NetworkFailure
            | ChaosKind::ServiceUnavailable
            | ChaosKind::DiskFull
            | ChaosKind::RandomErrors
            | ChaosKind::IntermittentFailures => self.end = Some(End::Error(injected)),
        }
        None
    }
}

/// Why a point cannot carry a fault, and what to do.
pub fn why_unable(kind: &str) -> &'static str {
    if kind == ChaosKind::Hang.name() {
        "a blocking function cannot be taken out of it; make it an `async fn`"
    } else {
        "its error type cannot carry it; implement From<InjectedFault> or From<io::Error>, or write \
         `error(…)` in this kind of its `#[chaos(…)]`"
    }
}

/// The faults of a config that strike at a point.
fn faults_at(point: &'static Point, config: &ChaosConfig) -> Vec<Fault> {
    let name = point.name();
    let is_meant = |fault: &Fault| {
        fault.enabled && glob::matches(fault.target.as_ref().unwrap_or(&config.target), name)
    };
    let own = point.faults();
    let own = own.into_iter().filter(|fault| {
        let target = fault.target.as_deref().unwrap_or("*");
        config.annotated
            && fault.enabled
            && glob::matches(&config.target, name)
            && glob::matches(target, name)
    });
    // A kind that the point switches off stays off.
    let is_off = |kind| point.faults().iter().any(|fault| fault.kind == kind && !fault.enabled);
    let given = config.faults.iter().filter(|fault| is_meant(fault) && !is_off(fault.kind));
    given.cloned().chain(own).collect()
}
