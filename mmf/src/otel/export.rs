//! Spans and metrics on their way out, by the variables that OpenTelemetry defines.

use std::env;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;

use super::metrics::observe_all;
use mmf_runtime::logging::{InitError, LoggingConfig};
use mmf_runtime::otel::{Export, Telemetry};
use mmf_runtime::stderr;

/// What exports, for as long as the process logs.
struct Otlp {
    spans: SdkTracerProvider,
    metrics: SdkMeterProvider,
    /// Where connections live: exporting goes on until the very end, when the runtime of `main` is gone.
    connections: Option<Runtime>,
}

/// Begins to export where `OTEL_EXPORTER_OTLP_ENDPOINT` says where to, unless `OTEL_SDK_DISABLED`.
pub(super) fn start(config: &LoggingConfig) -> Result<Option<Export>, InitError> {
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
    crate::testing::crypto::provide();
    let connections = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("mmf-otlp")
        // For as long as the thread lives.
        .on_thread_start(|| std::mem::forget(Context::enter_telemetry_suppressed_scope()))
        .enable_all()
        .build()?;
    let telemetry = {
        let _inside = connections.enter();
        providers(config).map_err(|error| InitError::Export(Box::new(error)))?
    };
    let (spans, metrics) = telemetry;
    global::set_tracer_provider(spans.clone());
    global::set_meter_provider(metrics.clone());
    observe_all();
    let tracer = spans.tracer("mmf");
    Ok(Some(Export {
        spans: Box::new(tracing_opentelemetry::layer().with_tracer(tracer)),
        telemetry: Box::new(Otlp { spans, metrics, connections: Some(connections) }),
    }))
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

impl Telemetry for Otlp {
    /// Nothing is returned: what cannot be sent is told by the diagnostics of OpenTelemetry, and never holds the
    /// service up.
    fn flush(&self, end: Option<Instant>) {
        let (spans, metrics) = (self.spans.clone(), self.metrics.clone());
        bounded(
            end,
            [
                Box::new(move || drop(spans.force_flush())),
                Box::new(move || drop(metrics.force_flush())),
            ],
        );
    }

    fn end(mut self: Box<Self>, end: Option<Instant>) {
        self.shut_down(end);
    }
}

impl Otlp {
    fn shut_down(&mut self, end: Option<Instant>) {
        let Some(connections) = self.connections.take() else { return };
        let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        let (spans, metrics) = (self.spans.clone(), self.metrics.clone());
        let tell = |ended: OTelSdkResult| {
            if let Err(error) = ended {
                let error = error.to_string();
                let error = mmf_runtime::url::without_credentials(&error);
                stderr::tell(format_args!(
                    "the last spans or metrics could not be exported: {error}"
                ));
            }
        };
        let in_time = bounded(
            end,
            [
                Box::new(move || tell(spans.shutdown_with_timeout(left))),
                Box::new(move || tell(metrics.shutdown_with_timeout(left))),
            ],
        );
        if !in_time {
            stderr::tell(format_args!(
                "the last spans or metrics were not exported: the collector does not answer in time"
            ));
        }
        // Not by drop, which must not happen inside the runtime of a `main`.
        connections.shutdown_background();
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        const LONGEST_END: Duration = Duration::from_secs(5);
        self.shut_down(Instant::now().checked_add(LONGEST_END));
    }
}

/// Does work that may wait for a collector on threads of its own, and waits for it at most until `end`; whether it
/// was done by then.
fn bounded<const N: usize>(end: Option<Instant>, work: [Box<dyn FnOnce() + Send>; N]) -> bool {
    let (done, all_done) = mpsc::channel::<()>();
    for work in work {
        let done = done.clone();
        let thread = std::thread::Builder::new().name("mmf-otlp-end".into());
        // Where no thread can be had, nothing is sent.
        let _ = thread.spawn(move || {
            work();
            drop(done);
        });
    }
    drop(done);
    // Nothing is ever sent: the channel closes with the last of them.
    let ended = match end {
        None => all_done.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(end) => all_done.recv_timeout(end.saturating_duration_since(Instant::now())),
    };
    ended == Err(RecvTimeoutError::Disconnected)
}
