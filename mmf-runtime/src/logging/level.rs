//! The level of the process: what was set for good, and what is in its place for a while.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing_log::AsLog;
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::error::InitError;
use crate::stderr;

/// What nobody turns off for a while: the target of a service's life cycle and of security events, such as that of the change itself.
const ALWAYS: &str = "mmf::service=debug";

/// What is logged, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelInForce {
    /// The level, or the directives, as in `RUST_LOG`.
    pub directives: String,
    /// How long it is until those before are in force again; none where they were set for good.
    pub left: Option<Duration>,
}

/// The one of this process.
static LEVEL: OnceLock<Arc<Level>> = OnceLock::new();

/// Has whoever asks find this one.
pub(super) fn is_of_process(level: &Arc<Level>) {
    let _ = LEVEL.set(Arc::clone(level));
}

/// What is logged now; none where [`init`](super::init) has not set the logging of the process up.
///
/// ```
/// # use mmf_runtime as mmf;
/// assert!(mmf::logging::level().is_none(), "nobody has called `init`");
/// ```
pub fn level() -> Option<LevelInForce> {
    LEVEL.get().map(|level| level.in_force())
}

/// Logs by another level for a while, or by directives beside those that are in force for good, then by those alone again: for an
/// operator who looks for something. An event says when it is over. What a service tells of its life and of its security goes on
/// meanwhile, whatever is set.
///
/// # Errors
///
/// Where they are not understood, or [`init`](super::init) has not set the logging of the process up: then nothing changes.
///
/// ```no_run
/// # use mmf_runtime as mmf;
/// # fn main() -> Result<(), mmf::logging::InitError> {
/// mmf::logging::set_level_for("users=debug", std::time::Duration::from_secs(900))?;
/// # Ok(()) }
/// ```
pub fn set_level_for(directives: &str, time: Duration) -> Result<(), InitError> {
    LEVEL.get().ok_or(InitError::NotSet)?.set_for(directives, time)
}

/// Ends what [`set_level_for`] has begun, before its time.
pub fn release_level() {
    if let Some(level) = LEVEL.get() {
        level.release();
    }
}

/// The longest while: what lasts longer is for good as far as anybody sees, and some clocks cannot say it.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Directives that can be changed.
#[derive(Debug)]
pub(super) struct Level {
    handle: reload::Handle<EnvFilter, Registry>,
    /// Under its lock there are texts and times: a filter is put in force outside of it, since that asks every subscriber.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// For good.
    own: String,
    /// In its place, until then.
    for_now: Option<(String, Instant)>,
    /// How often something was set.
    generation: u64,
    /// Whether a thread waits for the end.
    is_watched: bool,
}

impl State {
    fn directives(&self) -> &str {
        self.for_now.as_ref().map_or(&self.own, |(directives, _)| directives)
    }

    /// What the filter is made of. Of several for one target the last one holds.
    fn combined(&self) -> String {
        match &self.for_now {
            Some((directives, _)) => format!("{},{directives},{ALWAYS}", self.own),
            None => self.own.clone(),
        }
    }
}

impl Level {
    /// With what is in force already.
    pub(super) fn new(handle: reload::Handle<EnvFilter, Registry>, own: String) -> Self {
        let state = State { own, for_now: None, generation: 0, is_watched: false };
        Self { handle, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_force(&self) -> LevelInForce {
        let state = self.state();
        let left =
            state.for_now.as_ref().map(|(_, end)| end.saturating_duration_since(Instant::now()));
        LevelInForce { directives: state.directives().to_owned(), left }
    }

    /// For good; what was set for a while is over.
    pub(super) fn set(&self, directives: &str) -> Result<(), InitError> {
        filter(directives)?;
        tell_no_levels(directives);
        self.change(|state| {
            directives.clone_into(&mut state.own);
            state.for_now = None;
        });
        Ok(())
    }

    fn set_for(self: &Arc<Self>, directives: &str, time: Duration) -> Result<(), InitError> {
        filter(directives)?;
        tell_no_levels(directives);
        let end = Instant::now() + time.min(LONGEST);
        let is_watched = self.change(|state| {
            state.for_now = Some((directives.to_owned(), end));
            std::mem::replace(&mut state.is_watched, true)
        });
        if !is_watched {
            let level = Arc::clone(self);
            let thread = std::thread::Builder::new().name("mmf-log-level".into());
            if let Err(error) = thread.spawn(move || level.watch()) {
                self.change(|state| {
                    state.for_now = None;
                    state.is_watched = false;
                });
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn release(&self) {
        self.change(|state| state.for_now = None);
    }

    /// Changes the state, and puts in force what is set then.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let result = change(&mut state);
        state.generation += 1;
        self.changed.notify_all();
        drop(state);
        self.put_in_force();
        result
    }

    /// Of several threads that come here together the last one puts in force what was set last: each looks once more.
    fn put_in_force(&self) {
        loop {
            let state = self.state();
            let (directives, generation) = (state.combined(), state.generation);
            drop(state);
            if let Ok(filter) = filter(&directives) {
                // Fails only where the subscriber is gone, and then nobody logs.
                let _ = self.handle.reload(filter);
                tracing_log::log::set_max_level(LevelFilter::current().as_log());
            }
            if self.state().generation == generation {
                return;
            }
        }
    }

    /// Until nothing is set for a while any more.
    fn watch(&self) {
        let mut state = self.state();
        while let Some((_, end)) = &state.for_now {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.for_now = None;
                state.generation += 1;
                break;
            }
            state =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_watched = false;
        let level = state.own.clone();
        drop(state);
        self.put_in_force();
        tracing::info!(target: "mmf::logging", level, "the level that was set for a while is over");
    }
}

/// Tells of words that may have been meant as levels. Not by the log: it may be switched off by this very word.
pub(super) fn tell_no_levels(directives: &str) {
    for word in no_levels(directives) {
        stderr::tell(format_args!(
            "the level {directives:?} shows only what the target `{word}` logs; levels are error, warn, info, \
             debug, trace and off"
        ));
    }
}

/// The words of directives that stand for a target where a level may have been meant.
fn no_levels(directives: &str) -> impl Iterator<Item = &str> {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    directives.split(',').map(str::trim).filter(move |word| {
        let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        // What no target is called by: `warn;users=debug`.
        let is_other = word.contains([';', '/', ' ', '|']);
        (is_word || is_other) && !levels.iter().any(|level| level.eq_ignore_ascii_case(word))
    })
}

pub(super) fn filter(directives: &str) -> Result<EnvFilter, InitError> {
    EnvFilter::try_new(directives).map_err(|error| InitError::Level {
        directives: directives.into(),
        reason: error.to_string(),
    })
}
