//! Setting the process up.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::config::LoggingConfig;
use super::layer::json_layer;
use super::queue::Queue;

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A level that is none.
    #[error("the level {directives:?} is not understood: {reason}")]
    Level {
        /// What was given.
        directives: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else logs in this process already.
    #[error("another subscriber is set up in this process already")]
    AlreadySet,
    /// A thread that writes or exports could not be started.
    #[error("a thread for logging cannot be started")]
    Thread(#[from] std::io::Error),
    /// The variables of OTLP do not say where spans and metrics can go.
    #[cfg(feature = "otel")]
    #[error("spans and metrics cannot be exported by OTLP")]
    Export(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Logging of this process; see [`init`]. Dropped, it flushes.
#[must_use = "dropped, it flushes, and what is logged later may be lost at the end of the process"]
pub struct Logging {
    queue: Queue,
    level: reload::Handle<EnvFilter, Registry>,
    #[cfg(feature = "otel")]
    telemetry: Option<crate::otel::Telemetry>,
}

/// Sets up logging for the process, by `config` and the environment: lines go to standard output from
/// a thread of their own, records of the `log` crate are carried over, and a panic is logged and
/// flushed.
///
/// # Errors
///
/// Where a level is not understood, or something logs already.
pub fn init(config: LoggingConfig) -> Result<Logging, InitError> {
    let mut config = config.override_from_env();
    let stdout = std::io::stdout();
    config.colours =
        stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let filter = filter(&config.level)?;
    let queue = Queue::start(config.queue, config.when_full, stdout)?;
    let (filter, level) = reload::Layer::new(filter);
    let registry = tracing_subscriber::registry().with(filter);
    let registry = registry.with(json_layer(&config, queue.clone()));
    #[cfg(feature = "otel")]
    let (telemetry, tracer) = crate::otel::start(&config)?.unzip();
    #[cfg(feature = "otel")]
    let registry =
        registry.with(tracer.map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer)));
    let set = registry.try_init();
    set.map_err(|_| InitError::AlreadySet)?;
    for complaint in &config.complaints {
        tracing::warn!(target: "mmf::logging", "{complaint}");
    }
    for word in no_levels(&config.level) {
        // Not by the log: it may be switched off by this very word.
        eprintln!(
            "the level {:?} shows only what the target `{word}` logs; levels are error, warn, info, debug, \
             trace and off",
            config.level
        );
    }
    let _ = QUEUE.set(queue.clone());
    log_panics(queue.clone());
    Ok(Logging {
        queue,
        level,
        #[cfg(feature = "otel")]
        telemetry,
    })
}

/// The queue of this process.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Waits until all lines of the process are written.
pub(crate) fn flush_all() {
    if let Some(queue) = QUEUE.get() {
        queue.flush();
    }
}

/// The words of directives that stand for a target where a level may have been meant.
fn no_levels(directives: &str) -> impl Iterator<Item = &str> {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    directives.split(',').map(str::trim).filter(move |word| {
        let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_word && !levels.iter().any(|level| level.eq_ignore_ascii_case(word))
    })
}

fn filter(directives: &str) -> Result<EnvFilter, InitError> {
    EnvFilter::try_new(directives).map_err(|error| InitError::Level {
        directives: directives.into(),
        reason: error.to_string(),
    })
}

/// Logs a panic as an error and flushes, before the hook that was there.
fn log_panics(queue: Queue) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let reason = panic.payload_as_str().unwrap_or("a value that is not text");
        tracing::error!(target: "mmf::service", location, "panic: {reason}");
        queue.flush();
        before(panic);
    }));
}

impl Logging {
    /// Changes the level, or the directives, from now on.
    ///
    /// # Errors
    ///
    /// Where they are not understood; then nothing changes.
    pub fn set_level(&self, directives: &str) -> Result<(), InitError> {
        let filter = filter(directives)?;
        // Fails only where the subscriber is gone, and then nobody logs.
        let _ = self.level.reload(filter);
        Ok(())
    }

    /// Waits until all that was logged before is written. Where lines were dropped since the last
    /// time, that is logged first.
    pub fn flush(&self) {
        self.queue.tell_losses();
        self.queue.flush();
        #[cfg(feature = "otel")]
        if let Some(telemetry) = &self.telemetry {
            telemetry.flush();
        }
    }

    /// Lines that were dropped because the queue was full.
    pub fn dropped_lines(&self) -> u64 {
        self.queue.dropped()
    }

    /// Times that writing failed, by a closed pipe or a full disk.
    pub fn failed_writes(&self) -> u64 {
        self.queue.failed()
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.flush();
    }
}

impl std::fmt::Debug for Logging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logging").field("dropped_lines", &self.dropped_lines()).finish()
    }
}
