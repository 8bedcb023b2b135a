//! Logs as flat JSON: one line an event, the fields of the event and of its spans at the top level,
//! with service, trace and correlation ids.
//!
//! [`init`] sets the process up; [`json_layer`] is the layer alone, for those who compose their own
//! subscriber. Beneath them, `fields` renders what was recorded, `line` puts a line together in the
//! order of its format, `queue` writes lines from a thread of its own, and `logger` has the events
//! that every service tells of itself.

mod config;
mod escape;
mod fields;
mod layer;
mod line;
mod logger;
mod queue;
mod setup;
mod template;

pub(crate) use fields::Chain;
#[cfg(feature = "otel")]
pub(crate) use line::ActiveSpan;

pub(crate) use setup::flush_all;

pub use config::{Format, LoggingConfig, WhenFull};
pub use layer::{JsonLayer, json_layer};
pub use logger::{ServiceLogger, Severity};
#[doc(hidden)]
pub use logger::{host, measured};
pub use setup::{InitError, Logging, init};

/// A value that logs print as `[redacted]`, whatever its key is.
///
/// ```
/// let token = mmf_runtime::logging::Redacted("s3cr3t");
/// assert_eq!(format!("{token} {token:?}"), "[redacted] [redacted]");
/// assert_eq!(token.0, "s3cr3t");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Redacted<T>(pub T);

/// What is printed in place of a redacted value.
const REDACTED: &str = "[redacted]";

impl<T> std::fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> std::fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(REDACTED)
    }
}
