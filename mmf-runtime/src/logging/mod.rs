//! Logs as flat JSON: one line an event, the fields of the event and of its spans at the top level,
//! with service, trace and correlation ids.
//!
//! [`init`] sets the process up; [`json_layer`] is the layer alone, for those who compose their own
//! subscriber. Beneath them, `template` knows of each place in the code how its keys are written, `fields` renders what was
//! recorded by `escape`, `redaction` says what of it is not printed, `level` is what is logged, for good or for a while, `line` puts a line together in the order of its
//! format, `gather` makes one line of many that say the same, `queue` writes lines from a thread of its own to `output`, and `logger` has the events that every service tells of itself.

mod config;
mod error;
mod escape;
mod fields;
mod gather;
mod layer;
mod level;
mod line;
mod logger;
mod output;
mod queue;
mod redaction;
mod setup;
mod template;

pub(crate) use fields::Chain;
#[cfg(feature = "otel")]
pub(crate) use line::ActiveSpan;

pub(crate) use setup::end_waits_at;

pub use config::{Format, LoggingConfig, WhenFull};
pub use error::InitError;
#[doc(hidden)]
pub use layer::written_lines;
pub use layer::{JsonLayer, json_layer};
pub use level::{LevelInForce, level, release_level, set_level_for};
pub use logger::{ServiceLogger, Severity};
#[doc(hidden)]
pub use logger::{host, measured};
#[cfg(feature = "otel")]
pub(crate) use queue::Queue;
pub use redaction::Redacted;
pub use setup::{Logging, flush_within, init};
#[doc(hidden)]
pub use setup::{service, unwritten_lines};
