//! OpenTelemetry's way out: spans and metrics by OTLP. `export` sets it up, `metrics` has what is measured. The ids of
//! its spans come into lines and headers by the runtime.

mod export;
mod metrics;

mmf_runtime::expansion::inventory::submit! {
    mmf_runtime::otel::Exporter {
        start: export::start,
        measure: metrics::measure,
        operation_ended: metrics::operation_ended,
    }
}
