//! OpenTelemetry: the ids of its spans in log lines and outgoing headers, and spans and metrics sent out by
//! OTLP.
//!
//! `context` is about the span that is active, `export` sets up what goes out, and `metrics` has what is
//! measured.

mod context;
mod export;
mod metrics;

pub(crate) use context::{active_span, enter_trace, in_trace, is_exporting, outgoing_trace};
pub(crate) use export::{Telemetry, start};
pub(crate) use metrics::{measure, operation_ended};
