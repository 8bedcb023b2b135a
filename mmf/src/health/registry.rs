//! The checks of the process, and what runs them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::check::{Check, Importance};
use super::history::{self, CheckResult};

/// Registers a check: it runs in the background from now on, or, outside a runtime, from when somebody first asks within
/// one. Another of its name takes its place, which is told by a warning.
///
/// ```standalone_crate
/// use mmf::health::{self, Check};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// health::register(Check::new("cache", || async { Err("no connection") }));
/// tokio::time::sleep(std::time::Duration::from_millis(1)).await;
/// let cache = &health::checks()[0];
/// assert_eq!((cache.name.as_str(), cache.is_up), ("cache", Some(false)));
/// # }
/// ```
pub fn register(check: Check) {
    super::drain::expect_probes();
    let registered = Arc::new(Registered {
        check,
        state: Mutex::default(),
        runner: Mutex::default(),
        runs: AtomicBool::new(false),
    });
    let name = registered.check.name.as_str();
    let mut all = lock(&CHECKS);
    let place = all.iter().position(|other| other.check.name == name);
    let replaced = match place {
        Some(place) => Some(std::mem::replace(&mut all[place], Arc::clone(&registered))),
        None => {
            all.push(Arc::clone(&registered));
            None
        }
    };
    drop(all);
    if let Some(replaced) = replaced {
        replaced.stop();
        warn!(target: "mmf::health", check = name, "another check of this name takes its place");
    }
    registered.run();
}

/// Forgets the check of this name; whether there was one.
pub fn unregister(name: &str) -> bool {
    let mut all = lock(&CHECKS);
    let place = all.iter().position(|check| check.check.name == name);
    let removed = place.map(|place| all.remove(place));
    drop(all);
    removed.inspect(|removed| removed.stop()).is_some()
}

/// What is known of all checks, in the order they were registered. Nothing is asked for it: each runs by itself, and this is
/// what it said last.
pub fn checks() -> Vec<CheckReport> {
    super::drain::expect_probes();
    let all = lock(&CHECKS).clone();
    all.iter().for_each(Registered::run);
    all.iter().map(|check| check.report()).collect()
}

/// What is known of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// What it is to the whole.
    pub importance: Importance,
    /// Whether it is up; none before its first result. One that has said nothing for three times its period and timeout is down.
    pub is_up: Option<bool>,
    /// Whether it was up at any time.
    pub was_up: bool,
    /// How old its last result is.
    pub age: Option<Duration>,
    /// Since when it has been as it is.
    pub since: Option<SystemTime>,
    /// What it said last.
    pub last: Option<CheckResult>,
}

static CHECKS: Mutex<Vec<Arc<Registered>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Registered {
    check: Check,
    /// Under its lock there are values alone.
    state: Mutex<State>,
    runner: Mutex<Option<JoinHandle<()>>>,
    runs: AtomicBool,
}

#[derive(Default)]
struct State {
    last: Option<(CheckResult, Instant)>,
    since: Option<SystemTime>,
    was_up: bool,
    stopped: bool,
}

impl Registered {
    /// Has it run in the background, unless it does.
    fn run(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        // The runtime that it ran on may be gone, or nobody drives it any more.
        let report = self.report();
        let is_silent = report.age.is_some_and(|age| age > self.silent());
        let mut runner = lock(&self.runner);
        let is_over = runner.as_ref().is_none_or(|runner| runner.is_finished() || is_silent);
        let before = if is_over && !lock(&self.state).stopped {
            runner.replace(runtime.spawn(Arc::clone(self).again_and_again()))
        } else {
            None
        };
        drop(runner);
        // Outside of the lock, as its end may be a panic's payload.
        if let Some(before) = before {
            before.abort();
        }
    }

    /// So long without a word is down.
    fn silent(&self) -> Duration {
        self.check.every.saturating_add(self.check.timeout).saturating_mul(3)
    }

    fn stop(&self) {
        lock(&self.state).stopped = true;
        if let Some(runner) = lock(&self.runner).take() {
            runner.abort();
        }
    }

    async fn again_and_again(self: Arc<Self>) {
        loop {
            let next = Instant::now().checked_add(self.check.every);
            self.once().await;
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        }
    }

    async fn once(self: &Arc<Self>) {
        let (at, began) = (SystemTime::now(), Instant::now());
        let Some(alone) = Alone::enter(self) else {
            let error = "the one before still runs".to_owned();
            return self.keep(Some(error), at, began);
        };
        // A task of its own: what panics there is down, and only that.
        let mut task = Abort(tokio::spawn(async move { (alone.0.check.work)().await }));
        let answer = timeout(self.check.timeout, &mut task.0).await;
        let is_late = answer.is_err();
        let error = match answer {
            // It may have kept its thread, and with it whoever looks at the time.
            Ok(Ok(_)) if began.elapsed() > self.check.timeout.saturating_add(GRACE) => {
                Some(format!("no answer within {:?}", self.check.timeout))
            }
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(error),
            Ok(Err(panic)) => {
                // Whose payload may panic when it is dropped.
                std::mem::forget(panic);
                Some("it panicked".to_owned())
            }
            Err(_) => Some(format!("no answer within {:?}", self.check.timeout)),
        };
        self.keep(error, at, began);
        if is_late {
            // One at a time: what blocks a thread cannot be given up.
            task.0.abort();
            if let Err(panic) = (&mut task.0).await {
                std::mem::forget(panic);
            }
        }
    }

    fn keep(&self, error: Option<String>, at: SystemTime, began: Instant) {
        let is_up = error.is_none();
        let error = error.map(|error| cut(&error));
        let name = self.check.name.clone();
        let result = CheckResult { name, is_up, error, at, took: began.elapsed() };
        let changed = {
            let mut state = lock(&self.state);
            let before = state.last.replace((result.clone(), Instant::now()));
            let changed = before.is_none_or(|(before, _)| before.is_up != is_up);
            if changed {
                state.since = Some(at);
            }
            state.was_up |= is_up;
            changed
        };
        if changed {
            let (check, importance) = (self.check.name.as_str(), self.check.importance.as_str());
            match &result.error {
                None => info!(target: "mmf::health", check, importance, "{check} is up"),
                Some(error) => {
                    warn!(target: "mmf::health", check, importance, error, "{check} is down");
                }
            }
        }
        history::keep(result);
    }

    fn report(&self) -> CheckReport {
        let state = lock(&self.state);
        let age = state.last.as_ref().map(|(_, at)| at.elapsed());
        let silent = self.silent();
        let last = state.last.as_ref().map(|(last, _)| last.clone());
        CheckReport {
            name: self.check.name.clone(),
            importance: self.check.importance,
            is_up: last.as_ref().zip(age).map(|(last, age)| last.is_up && age <= silent),
            was_up: state.was_up,
            age,
            since: state.since,
            last,
        }
    }
}

/// A timer may be so much late.
const GRACE: Duration = Duration::from_millis(50);

/// A check that runs, until it does no more.
struct Alone(Arc<Registered>);

impl Alone {
    fn enter(check: &Arc<Registered>) -> Option<Self> {
        let runs = check.runs.swap(true, Ordering::AcqRel);
        (!runs).then(|| Self(Arc::clone(check)))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.runs.store(false, Ordering::Release);
    }
}

/// What is dropped with the task that waits for it.
struct Abort<T>(JoinHandle<T>);

impl<T> Drop for Abort<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn cut(text: &str) -> String {
    const MOST: usize = 256;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
