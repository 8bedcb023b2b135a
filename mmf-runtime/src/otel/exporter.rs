//! Who sends spans and metrics out. The facade does, and says so at link time, so that nothing here knows how.

use std::time::{Duration, Instant};

use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::Layered;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::logging::{InitError, JsonLayer, LoggingConfig, Queue};

/// One that exports.
pub struct Exporter {
    /// Begins to, where the environment says where to.
    pub start: fn(&LoggingConfig) -> Result<Option<Export>, InitError>,
    /// Takes the value of a `performance_metric`: its name, value, unit and kind.
    pub measure: fn(&str, f64, &str, &str),
    /// Takes the duration of an operation, and whether it succeeded.
    pub operation_ended: fn(&'static str, Duration, bool),
}

inventory::collect!(Exporter);

/// What exports, for as long as the process logs.
pub struct Export {
    /// What gathers spans.
    pub spans: Spans,
    /// What sends them out.
    pub telemetry: Box<dyn Telemetry>,
}

/// A layer above that of the lines.
pub type Spans = Box<dyn Layer<Lines> + Send + Sync>;

/// Where spans are recorded and lines written, for what exports them besides.
pub type Lines =
    Layered<Filtered<JsonLayer<Queue>, reload::Layer<EnvFilter, Registry>, Registry>, Registry>;

/// The way out. Dropped, it ends in five seconds at the most.
pub trait Telemetry: Send + Sync {
    /// Sends out what has gathered, waiting at most until `end`.
    fn flush(&self, end: Option<Instant>);
    /// Sends out the last of it and ends, waiting at most until `end`.
    fn end(self: Box<Self>, end: Option<Instant>);
}

fn exporter() -> Option<&'static Exporter> {
    inventory::iter::<Exporter>().next()
}

pub(crate) fn export(config: &LoggingConfig) -> Result<Option<Export>, InitError> {
    exporter().map_or(Ok(None), |exporter| (exporter.start)(config))
}

pub(crate) fn measure(name: &str, value: f64, unit: &str, kind: &str) {
    if let Some(exporter) = exporter() {
        (exporter.measure)(name, value, unit, kind);
    }
}

pub(crate) fn operation_ended(operation: &'static str, taken: Duration, success: bool) {
    if let Some(exporter) = exporter() {
        (exporter.operation_ended)(operation, taken, success);
    }
}
