//! What is armed: it decides for each call at a point, by its seed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::config::{ChaosConfig, InvalidChaos};
use super::dice::{Dice, stream};
use super::fault::Fault;
use super::glob;
use super::history::{History, Injection};
use super::kind::{ChaosKind, InjectedFault};
use super::load::{Load, Processors};
use super::point::{self, Point};

/// Before so many calls no error rate ends an experiment.
const CALLS_BEFORE_STOP: u64 = 20;

/// An experiment that is armed. [`scope`](super::scope) and [`arm`](super::arm) make one.
#[derive(Clone, Debug)]
pub struct ChaosInjector(Arc<Armed>);

#[derive(Debug)]
struct Armed {
    config: ChaosConfig,
    seed: u64,
    started: Instant,
    points: HashMap<usize, Mutex<PointState>>,
    injections: AtomicU64,
    calls: AtomicU64,
    errors: AtomicU64,
    stopped: AtomicBool,
    history: Mutex<History>,
    loads: Mutex<Vec<Load>>,
}

/// A point in an experiment. One call at a time is decided, so that its number decides and nothing else.
#[derive(Debug)]
struct PointState {
    faults: Vec<(Fault, Burst)>,
    stream: u64,
    calls: u64,
    struck: u64,
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
}

/// What a call ends in before it has begun.
#[derive(Debug)]
pub(super) enum End {
    Error(InjectedFault),
    Hang(InjectedFault),
    Panic(InjectedFault),
}

impl ChaosInjector {
    /// Arms a config for the points there are.
    ///
    /// # Errors
    ///
    /// Where the config can never work.
    pub(super) fn new(config: ChaosConfig, seed: u64) -> Result<Self, InvalidChaos> {
        config.check()?;
        let states = point::all().filter_map(|point| {
            let faults: Vec<_> = faults_at(point, &config)
                .into_iter()
                .map(|fault| (fault, Burst::default()))
                .collect();
            let state = PointState { faults, stream: stream(point.name()), calls: 0, struck: 0 };
            (!state.faults.is_empty()).then(|| (point.id(), Mutex::new(state)))
        });
        Ok(Self(Arc::new(Armed {
            points: states.collect(),
            config,
            seed,
            started: Instant::now(),
            injections: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            history: Mutex::default(),
            loads: Mutex::default(),
        })))
    }

    /// The seed, which repeats it.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// How many points of the program it can strike.
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

    /// When the last of its faults is over.
    pub(super) fn ends(&self) -> Instant {
        self.0.started + self.0.config.duration()
    }

    /// Decides for the next call at a point.
    pub(super) fn strike(&self, point: &'static Point) -> Strike {
        let armed = &*self.0;
        let Some(state) = armed.points.get(&point.id()) else { return Strike::default() };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let PointState { faults, stream, calls, struck } = &mut *state;
        *calls += 1;
        let since = armed.started.elapsed();
        armed.release(since);
        if self.was_stopped() {
            return Strike::default();
        }
        let mut strike = Strike::default();
        // One call may be struck by several faults, and counts once.
        let room = (*struck + 1) as f64 <= armed.config.max_share * *calls as f64;
        let mut injected = false;
        for (place, (fault, burst)) in faults.iter_mut().enumerate() {
            let mut dice = Dice::new(armed.seed ^ place as u64, *stream, *calls);
            let due = match fault.kind {
                ChaosKind::IntermittentFailures => burst.step(fault, &mut dice),
                _ => dice.unit() < fault.probability,
            };
            if !due || !room || since >= fault.lasts() || strike.end.is_some() || !armed.take_one()
            {
                continue;
            }
            injected = true;
            let delay = armed.inject(&mut strike, fault, point.name(), *calls, &mut dice);
            let injection =
                Injection { point: point.name(), call: *calls, kind: fault.kind, delay };
            armed.history().add(injection);
        }
        *struck += u64::from(injected);
        strike
    }

    /// Notes that a point could not carry a fault: it was not injected, after all.
    pub(super) fn unable_to(&self, fault: InjectedFault) {
        let InjectedFault { kind, point, call, .. } = fault;
        if self.0.history().withdraw(point, kind, call) {
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
            tracing::warn!(
                target: "mmf::chaos", errors, calls,
                "the experiment is stopped: its error rate is above {limit}"
            );
        }
    }
}

impl Armed {
    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one of the injections that the blast radius allows.
    fn take_one(&self) -> bool {
        let allowed =
            |injections| (injections < self.config.max_injections).then_some(injections + 1);
        self.injections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, allowed).is_ok()
    }

    fn inject(
        &self,
        strike: &mut Strike,
        fault: &Fault,
        point: &'static str,
        call: u64,
        dice: &mut Dice,
    ) -> Option<Duration> {
        let injected = InjectedFault::new(fault.kind, point, call, dice.next());
        match fault.kind {
            ChaosKind::NetworkDelay | ChaosKind::HighLatency => {
                let delay = fault.delay_by(dice);
                strike.delay += delay;
                return Some(delay);
            }
            ChaosKind::MemoryPressure | ChaosKind::CpuSpike => self.burden(fault),
            ChaosKind::Hang => strike.end = Some(End::Hang(injected)),
            ChaosKind::Panic => strike.end = Some(End::Panic(injected)),
            ChaosKind::NetworkFailure
            | ChaosKind::ServiceUnavailable
            | ChaosKind::DiskFull
            | ChaosKind::RandomErrors
            | ChaosKind::IntermittentFailures => strike.end = Some(End::Error(injected)),
        }
        None
    }

    /// Takes memory or processors until the fault is over; one load of a kind at a time.
    fn burden(&self, fault: &Fault) {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        if loads.iter().any(|load| load.kind() == fault.kind) {
            return;
        }
        let until = fault.lasts();
        loads.push(match fault.kind {
            ChaosKind::MemoryPressure => {
                Load::memory((fault.size as f64 * fault.intensity) as u64, until)
            }
            _ => Load::processors(
                Processors { at_most: fault.threads, share: fault.intensity },
                until,
            ),
        });
    }

    /// Gives back what is over.
    fn release(&self, since: Duration) {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        loads.retain(|load| since < load.until());
    }
}

/// Why a point cannot carry a fault, and what to do.
pub(super) fn why_unable(kind: &str) -> &'static str {
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
