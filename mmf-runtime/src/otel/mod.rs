//! What logs and headers need of OpenTelemetry: the span that is active (`context`), and where spans and metrics go
//! (`exporter`), which is the facade's.

mod context;
mod exporter;

pub(crate) use context::{active_span, enter_trace, in_trace, is_exporting, outgoing_trace};
pub use exporter::{Export, Exporter, Lines, Spans, Telemetry};
pub(crate) use exporter::{export, measure, operation_ended};
