//! Spans and metrics on their way out, by the variables that OpenTelemetry defines.

use std::env;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Runtime;

use super::metrics::observe_policies;
use crate::logging::{InitError, LoggingConfig};

/// What exports, for as long as the process logs.
pub(crate) struct Telemetry {
    spans: SdkTracerProvider,
    metrics: SdkMeterProvider,
    /// Where connections live: exporting goes on until the very end, when the runtime of `main` is gone.
    connections: Option<Runtime>,
}

/// Begins to export where `OTEL_EXPORTER_OTLP_ENDPOINT` says where to, unless `OTEL_SDK_DISABLED`.
pub(crate) fn start(config: &LoggingConfig) -> Result<Option<(Telemetry, SdkTracer)>, InitError> {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let disabled =
        env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    let endpoints = [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    ];
    if disabled || !endpoints.into_iter().any(is_set) {
        return Ok(None);
    }
    #[cfg(feature = "pact")]
    crate::crypto::provide();
    let connections = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("mmf-otlp")
        .enable_all()
        .build()?;
    let telemetry = {
        let _inside = connections.enter();
        providers(config).map_err(|error| InitError::Export(Box::new(error)))?
    };
    let (spans, metrics) = telemetry;
    global::set_tracer_provider(spans.clone());
    global::set_meter_provider(metrics.clone());
    observe_policies();
    let tracer = spans.tracer("mmf");
    Ok(Some((Telemetry { spans, metrics, connections: Some(connections) }, tracer)))
}

fn providers(
    config: &LoggingConfig,
) -> Result<(SdkTracerProvider, SdkMeterProvider), ExporterBuildError> {
    let resource = resource(config);
    let spans = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(SpanExporter::builder().build()?)
        .build();
    let metrics = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_periodic_exporter(MetricExporter::builder().build()?)
        .build();
    Ok((spans, metrics))
}

/// What this service is. The environment has the last word, as everywhere.
fn resource(config: &LoggingConfig) -> Resource {
    let facts = [
        ("service.name", Some(config.service()), env::var("OTEL_SERVICE_NAME").ok()),
        ("service.version", config.service_version(), None),
        ("deployment.environment.name", config.service_environment(), None),
    ];
    let given = env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_given = |key: &str| {
        given.split(',').filter_map(|pair| pair.split_once('=')).any(|(name, _)| name.trim() == key)
    };
    let attributes = facts.into_iter().filter_map(|(key, fact, variable)| {
        let unsaid = variable.is_none() && !is_given(key);
        fact.filter(|_| unsaid).map(|fact| KeyValue::new(key, fact.to_owned()))
    });
    Resource::builder().with_attributes(attributes).build()
}

impl Telemetry {
    /// Sends out what has gathered. Nothing is returned: what cannot be sent is told on standard error by
    /// whoever reads the diagnostics of OpenTelemetry, and never holds the service up.
    pub(crate) fn flush(&self) {
        let _ = self.spans.force_flush();
        let _ = self.metrics.force_flush();
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        for shut_down in [self.spans.shutdown(), self.metrics.shutdown()] {
            if let Err(error) = shut_down {
                eprintln!("the last spans or metrics could not be exported: {error}");
            }
        }
        // Not by drop, which must not happen inside the runtime of a `main`.
        if let Some(connections) = self.connections.take() {
            connections.shutdown_background();
        }
    }
}
