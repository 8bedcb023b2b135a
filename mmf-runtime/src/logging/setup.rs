//! Setting the process up.

use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_log::AsLog;
#[cfg(feature = "otel")]
use tracing_subscriber::Layer;
#[cfg(feature = "otel")]
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, reload};

use super::config::{Directives, LoggingConfig};
use super::error::InitError;
use super::gather::Gathering;
use super::layer::json_layer;
use super::level::{Level, filter, is_of_process, tell_no_levels};
use super::output::Stdout;
use super::queue::{Queue, with_patience_until};
use crate::stderr;

/// Logging of this process; see [`init`]. Dropped, it flushes, for at most five seconds: a reader that does not
/// read keeps no process from its end.
#[must_use = "dropped, it flushes, and what is logged later may be lost at the end of the process"]
pub struct Logging {
    queue: Queue,
    level: Arc<Level>,
    #[cfg(feature = "otel")]
    telemetry: Option<Box<dyn crate::otel::Telemetry>>,
    has_ended: bool,
}

/// So long the end of logging waits where nobody says how long it may.
const LONGEST_END: Duration = Duration::from_secs(5);
/// So long a panic waits for its line.
const LONGEST_PANIC: Duration = Duration::from_secs(1);

/// Sets up logging for the process, by `config` and the environment: lines go to standard output from
/// a thread of their own, records of the `log` crate are carried over, and a panic is logged and
/// flushed, for at most a second.
///
/// [`std::process::exit`] runs no destructor and loses what is queued: call `logging.flush()` before it, or
/// [`flush_within`] where `#[service]` has set it up.
///
/// # Errors
///
/// Where a level in `config` is not understood (one of the environment is left aside and told), or another
/// subscriber is set up already.
#[doc(alias = "setup_unified_logging")]
pub fn init(config: LoggingConfig) -> Result<Logging, InitError> {
    let mut config = config.override_from_env();
    config.colours = std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (filter, level_in_force) = filter_of(&config.level, &mut config.complaints)?;
    #[cfg(feature = "otel")]
    let (exported, _) = filter_of(&config.export_level, &mut config.complaints)?;
    let gathering = Some(Gathering::new(&config));
    let queue = Queue::start(config.queue, config.when_full, gathering, Stdout::new()?)?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = json_layer(&config, queue.clone()).gathering();
    #[cfg(feature = "otel")]
    let telemetry = {
        match crate::otel::export(&config)? {
            // Each output has a filter of its own, where there are two.
            Some(crate::otel::Export { spans, telemetry }) => {
                let exported = exported.and(filter_fn(|_| !crate::otel::is_exporting()));
                let lines: crate::otel::Lines =
                    tracing_subscriber::registry().with(lines.with_filter(filter));
                set(lines.with(spans.with_filter(exported)))?;
                Some(telemetry)
            }
            None => {
                set(tracing_subscriber::registry().with(filter).with(lines))?;
                None
            }
        }
    };
    #[cfg(not(feature = "otel"))]
    set(tracing_subscriber::registry().with(filter).with(lines))?;
    if !carry_log_over() {
        config
            .complaints
            .push("records of the `log` crate go to another logger, set before".into());
    }
    for complaint in &config.complaints {
        tracing::warn!(target: "mmf::logging", "{complaint}");
    }
    tell_no_levels(&level_in_force);
    let _ = SERVICE.set((config.service.to_string(), config.version.as_deref().map(Into::into)));
    let level = Arc::new(Level::new(handle, level_in_force));
    is_of_process(&level);
    let _ = QUEUE.set(queue.clone());
    log_panics(queue.clone());
    Ok(Logging {
        queue,
        level,
        #[cfg(feature = "otel")]
        telemetry,
        has_ended: false,
    })
}

fn set(subscriber: impl Into<Dispatch>) -> Result<(), InitError> {
    tracing::dispatcher::set_global_default(subscriber.into()).map_err(|_| InitError::AlreadySet)
}

/// Has the records of the `log` crate come to the subscriber; whether nobody else has them.
fn carry_log_over() -> bool {
    let most = LevelFilter::current().as_log();
    tracing_log::LogTracer::builder().with_max_level(most).init().is_ok()
}

/// The service that logs in this process, and its version.
static SERVICE: OnceLock<(String, Option<String>)> = OnceLock::new();

/// The service that logs in this process, and its version, where [`init`] has set that up.
#[doc(hidden)]
pub fn service() -> Option<(String, Option<String>)> {
    SERVICE.get().cloned()
}

/// The queue of this process.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Waits until all that the process logged before is written, at most so long; whether it is. For a program whose
/// logging is set up by `#[service]`, before [`std::process::exit`].
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::time::Duration;
///
/// assert!(mmf::logging::flush_within(Duration::from_secs(1)), "nothing is logged by `init`");
/// ```
pub fn flush_within(at_most: Duration) -> bool {
    QUEUE.get().is_none_or(|queue| queue.flush(Instant::now().checked_add(at_most)))
}

/// Lines that were dropped, as the queue of this process was full, or could not be written.
pub fn unwritten_lines() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.dropped() + queue.lost())
}

/// The process is to end: from then on nobody waits for room in its log.
pub(crate) fn end_waits_at(end: Instant) {
    if let Some(queue) = QUEUE.get() {
        queue.end_waits_at(end);
    }
}

/// The filter of an output, and the directives that it holds. A part of the environment's that is not understood is
/// left aside and told, and the rest of it holds; what is written in the program is an error.
fn filter_of(
    directives: &Directives,
    complaints: &mut Vec<String>,
) -> Result<(EnvFilter, String), InitError> {
    let mut understood = Vec::new();
    for directive in self::directives(directives.of_env.as_deref().unwrap_or_default()) {
        match filter(directive) {
            Ok(_) => understood.push(directive),
            Err(error) => complaints.push(format!("{error}; it is left aside")),
        }
    }
    let in_force =
        if understood.is_empty() { directives.own.clone() } else { understood.join(",") };
    Ok((filter(&in_force)?, in_force))
}

/// The directives of a filter: parts between commas that are not within brackets or braces.
fn directives(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let parts = text.split(|letter: char| {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Logs a panic as an error and flushes, before the hook that was there. It may come at any place: while this
/// thread holds the lock of standard output, or while nobody reads that.
fn log_panics(queue: Queue) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let end = Instant::now() + LONGEST_PANIC;
        with_patience_until(end, || {
            let location = panic.location().map(ToString::to_string).unwrap_or_default();
            let reason = panic.payload_as_str().unwrap_or("a value that is not text");
            tracing::error!(target: "mmf::service", location, "panic: {reason}");
        });
        queue.flush(Some(end));
        // The hook that was there prints, as a rule: not where nobody reads that either.
        let left = end.saturating_duration_since(Instant::now());
        if stderr::takes_bytes_within(left) {
            before(panic);
        }
    }));
}

impl Logging {
    /// Changes the level, or the directives, from now on; what [`set_level_for`](super::set_level_for) has begun is over.
    ///
    /// # Errors
    ///
    /// Where they are not understood; then nothing changes.
    pub fn set_level(&self, directives: &str) -> Result<(), InitError> {
        self.level.set(directives)
    }

    /// Waits until all that was logged before is written; what other threads log meanwhile is not waited for.
    /// Where lines were dropped since the last time, that is logged first. A reader that does not read is waited
    /// for: [`flush_within`](Self::flush_within) has an end.
    pub fn flush(&self) {
        self.flush_until(None);
    }

    /// [`flush`](Self::flush) for at most so long; whether all is written.
    pub fn flush_within(&self, at_most: Duration) -> bool {
        self.flush_until(Instant::now().checked_add(at_most))
    }

    fn flush_until(&self, end: Option<Instant>) -> bool {
        self.queue.tell_losses();
        let is_written = self.queue.flush(end);
        #[cfg(feature = "otel")]
        if let Some(telemetry) = &self.telemetry {
            telemetry.flush(end);
        }
        is_written
    }

    /// Writes what repeated itself so far.
    pub(crate) fn tell_repeats(&self) {
        self.queue.tell_repeats();
    }

    /// Ends it, in at most so long.
    pub(crate) fn end_within(mut self, at_most: Duration) {
        self.end(at_most);
    }

    fn end(&mut self, at_most: Duration) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let end = Instant::now().checked_add(at_most);
        #[cfg(feature = "otel")]
        if let Some(telemetry) = self.telemetry.take() {
            telemetry.end(end);
        }
        self.queue.tell_losses();
        self.queue.flush(end);
    }

    /// Lines that were dropped because the queue was full.
    pub fn dropped_lines(&self) -> u64 {
        self.queue.dropped()
    }

    /// Lines that could not be written, by a closed pipe or a full disk.
    pub fn lost_lines(&self) -> u64 {
        self.queue.lost()
    }

    /// Times that writing failed, by a closed pipe or a full disk.
    pub fn failed_writes(&self) -> u64 {
        self.queue.failed()
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.end(LONGEST_END);
    }
}

impl std::fmt::Debug for Logging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logging").field("dropped_lines", &self.dropped_lines()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_stand_between_commas() {
        let text = "info, sqlx=warn,[request{id=1,user=\"a\"}]=debug,,users=trace";
        let parts = ["info", "sqlx=warn", "[request{id=1,user=\"a\"}]=debug", "users=trace"];
        assert_eq!(directives(text), parts);
    }

    #[test]
    fn of_the_environment_what_is_understood_holds() {
        let given = |text: &str| Directives {
            of_env: Some(text.into()),
            ..Directives::new("debug".into())
        };
        let mut complaints = Vec::new();
        let (filter, level) =
            filter_of(&given("warn,users=loud,sqlx=error"), &mut complaints).unwrap();
        assert_eq!(level, "warn,sqlx=error");
        let filter = filter.to_string();
        assert!(filter.contains("sqlx=error") && filter.contains("warn"), "{filter}");
        assert!(complaints[0].contains("users=loud"), "{complaints:?}");
        let (filter, level) = filter_of(&given("a=b=c"), &mut complaints).unwrap();
        assert_eq!((filter.to_string(), level), ("debug".into(), "debug".into()));
    }

    #[test]
    fn what_is_written_in_the_program_is_an_error() {
        let written = Directives::new("users=loud".into());
        let error = filter_of(&written, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("users=loud"));
    }
}
