//! Spans and metrics go out by OTLP: this program starts itself again as a service that exports, and
//! receives what that sends, by gRPC and by HTTP.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use mmf::correlation;
use mmf::logging::{LoggingConfig, ServiceLogger, init};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Users;

#[mmf::service]
impl Users {
    pub async fn create(&self) -> Result<(), std::fmt::Error> {
        tracing::info!("inside");
        self.store().await
    }

    #[operation]
    async fn store(&self) -> Result<(), std::fmt::Error> {
        mmf::spawn(async { tracing::info!("in a task") }).await.map_err(|_| std::fmt::Error)
    }
}

#[mmf::resilient(name = "otlp.call", retry)]
async fn call() -> Result<(), std::fmt::Error> {
    Ok(())
}

/// A service that takes one request of a caller who traces, and one of nobody.
fn serve() {
    let config = LoggingConfig::new("users").version("1.2.3").environment("test");
    let logging = init(config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("traceparent", CALLER.parse().unwrap());
        headers.insert("tracestate", "vendor=1".parse().unwrap());
        let request = correlation::from_headers(&headers);
        correlation::scope(request, async {
            let span = tracing::info_span!("calling");
            let _span = span.enter();
            let mut outgoing = axum::http::HeaderMap::new();
            correlation::inject(&mut outgoing);
            let text = |name: &str| outgoing[name].to_str().unwrap().to_owned();
            tracing::info!(
                traceparent = text("traceparent"),
                tracestate = text("tracestate"),
                "outgoing"
            );
        })
        .await;
        correlation::scope(correlation::from_headers(&headers), async {
            Users.create().await.unwrap();
        })
        .await;
        Users.create().await.unwrap();
        call().await.unwrap();
    });
    let logger = ServiceLogger::new("users");
    logger.performance_metric("queue_depth", 17.0, "items", "gauge");
    mmf::performance_metric!(logger, "mails_sent", 2.0, "mails", "counter");
    mmf::performance_metric!(logger, "mails_sent", 3.0, "mails", "counter");
    drop(logging);
    std::process::exit(0);
}

#[derive(Clone, Default)]
struct Received {
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.traces.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Received {
    /// Logs go to standard output alone.
    async fn export(
        &self,
        _: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        Err(Status::unimplemented("logs go to standard output"))
    }
}

impl Received {
    fn spans(&self) -> Vec<Span> {
        let traces = self.traces.lock().unwrap();
        let scopes = traces.iter().flat_map(|sent| &sent.resource_spans);
        scopes.flat_map(|spans| &spans.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    fn resource(&self) -> Vec<KeyValue> {
        let traces = self.traces.lock().unwrap();
        traces[0].resource_spans[0].resource.clone().unwrap().attributes
    }

    fn metric_names(&self) -> Vec<String> {
        let metrics = self.metrics.lock().unwrap();
        let scopes = metrics.iter().flat_map(|sent| &sent.resource_metrics);
        let scopes = scopes.flat_map(|metrics| &metrics.scope_metrics);
        scopes.flat_map(|scope| scope.metrics.iter().map(|metric| metric.name.clone())).collect()
    }
}

/// Runs the service with its exports going to `address`; its lines.
async fn lines_of_service(test: &str, address: SocketAddr, protocol: &str) -> Vec<Value> {
    lines_of(command(test, address, protocol)).await
}

async fn lines_of(mut command: Command) -> Vec<Value> {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(&line[line.find("{\"")?..]).ok()).collect()
}

fn command(test: &str, address: SocketAddr, protocol: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("MMF_TEST_CHILD", "1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .env("OTEL_RESOURCE_ATTRIBUTES", "team=accounts,service.version=9.9.9")
        .env_remove("RUST_LOG")
        .env_remove("LOG_LEVEL")
        .env_remove("OTEL_SERVICE_NAME")
        .stdout(Stdio::piped());
    command
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text_of<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text),
        _ => None,
    }
}

/// What was sent belongs to the lines that were logged.
fn check(received: &Received, lines: &[Value]) {
    let spans = received.spans();
    let trace = CALLER.split('-').nth(1).unwrap();

    let outgoing = lines.iter().find(|line| line["message"] == "outgoing").unwrap();
    let calling = spans.iter().find(|span| span.name == "calling").unwrap();
    assert_eq!(hex(&calling.trace_id), trace);
    assert_eq!(hex(&calling.parent_span_id), CALLER.split('-').nth(2).unwrap());
    assert_eq!(outgoing["traceparent"], format!("00-{trace}-{}-01", hex(&calling.span_id)));
    assert_eq!(outgoing["tracestate"], "vendor=1");

    // Twice: of the caller's trace, and of one of its own.
    let creates: Vec<_> = spans.iter().filter(|span| span.name == "create").collect();
    assert_eq!(creates.len(), 2);
    assert_eq!(hex(&creates[0].trace_id), trace);
    assert_ne!(hex(&creates[1].trace_id), trace);
    let inside: Vec<_> = lines.iter().filter(|line| line["message"] == "inside").collect();
    for (span, line) in creates.iter().zip(&inside) {
        assert_eq!(line["trace_id"], hex(&span.trace_id));
        assert_eq!(line["span_id"], hex(&span.span_id));
        assert_eq!(text_of(&span.attributes, "request_id"), line["correlation_id"].as_str());
    }
    // The inner operation is a child, and a task goes on in its span.
    let stores: Vec<_> = spans.iter().filter(|span| span.name == "store").collect();
    let in_tasks: Vec<_> = lines.iter().filter(|line| line["message"] == "in a task").collect();
    for ((store, create), line) in stores.iter().zip(&creates).zip(&in_tasks) {
        assert_eq!(store.parent_span_id, create.span_id);
        assert_eq!(line["span_id"], hex(&store.span_id));
    }

    let resource = received.resource();
    assert_eq!(text_of(&resource, "service.name"), Some("users"));
    assert_eq!(text_of(&resource, "service.version"), Some("9.9.9"), "the environment wins");
    assert_eq!(text_of(&resource, "deployment.environment.name"), Some("test"));
    assert_eq!(text_of(&resource, "team"), Some("accounts"));

    let metrics = received.metric_names();
    for name in [
        "queue_depth",
        "mails_sent",
        "mmf.operation.duration",
        "mmf.policy.calls",
        "mmf.policy.refusals",
        "mmf.policy.call.duration",
        "mmf.log.lines",
    ] {
        assert!(metrics.iter().any(|metric| metric == name), "{name}: {metrics:?}");
    }
}

fn is_child() -> bool {
    std::env::var_os("MMF_TEST_CHILD").is_some()
}

/// A collector by gRPC.
async fn collector() -> (Received, SocketAddr) {
    let received = Received::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(received.clone()))
            .add_service(MetricsServiceServer::new(received.clone()))
            .add_service(LogsServiceServer::new(received.clone()))
            .serve_with_incoming(incoming),
    );
    (received, address)
}

#[test]
fn lines_and_spans_have_filters_of_their_own() {
    const NAME: &str = "lines_and_spans_have_filters_of_their_own";
    if is_child() {
        serve();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (log, export) in [
            ("warn", ""),
            ("error", "trace"),
            ("trace", "off"),
            ("trace", "trace"),
            ("warn", "users=loud,info"),
        ] {
            let (received, address) = collector().await;
            let mut command = command(NAME, address, "grpc");
            command.env("RUST_LOG", log).env("OTEL_EXPORT_LEVEL", export);
            let lines = lines_of(command).await;
            let names: Vec<_> = received.spans().into_iter().map(|span| span.name).collect();
            let count = |name: &str| names.iter().filter(|other| *other == name).count();
            let expected = if export == "off" { 0 } else { 2 };
            assert_eq!(count("create"), expected, "{log}, {export}: {names:?}");
            // What the exporter traces itself would be exported again, and so on.
            assert!(names.len() <= 5, "{log}, {export}: {names:?}");
            let is_logged = lines.iter().any(|line| line["message"] == "inside");
            assert_eq!(is_logged, log == "trace", "{log}, {export}");
            let is_told = |line: &Value| line["message"].as_str().unwrap().contains("users=loud");
            assert_eq!(lines.iter().any(is_told), export.contains("loud"), "{lines:?}");
        }
    });
}

/// It accepts connections, and that is all.
#[test]
fn a_collector_that_never_answers_keeps_no_process() {
    const NAME: &str = "a_collector_that_never_answers_keeps_no_process";
    if is_child() {
        serve();
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let taken: Vec<_> = listener.incoming().collect();
        drop(taken);
    });
    for protocol in ["grpc", "http/protobuf"] {
        let start = std::time::Instant::now();
        let output = command(NAME, address, protocol).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let taken = start.elapsed();
        assert!(taken < std::time::Duration::from_secs(8), "{protocol}: {taken:?}");
    }
}

#[test]
fn spans_and_metrics_go_out_by_grpc() {
    if is_child() {
        serve();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (received, address) = collector().await;
        let lines = lines_of_service("spans_and_metrics_go_out_by_grpc", address, "grpc").await;
        check(&received, &lines);
    });
}

#[test]
fn spans_and_metrics_go_out_by_http() {
    if is_child() {
        serve();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let received = Received::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (traces, metrics) = (received.traces.clone(), received.metrics.clone());
        let app = Router::new()
            .route(
                "/v1/traces",
                post(move |body: Bytes| async move {
                    traces.lock().unwrap().push(Message::decode(body).unwrap());
                }),
            )
            .route(
                "/v1/metrics",
                post(move |body: Bytes| async move {
                    metrics.lock().unwrap().push(Message::decode(body).unwrap());
                }),
            );
        tokio::spawn(axum::serve(listener, app).into_future());
        let lines =
            lines_of_service("spans_and_metrics_go_out_by_http", address, "http/protobuf").await;
        check(&received, &lines);
    });
}

#[test]
fn without_an_endpoint_nothing_is_exported_and_ids_are_there_all_the_same() {
    if is_child() {
        serve();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "without_an_endpoint_nothing_is_exported_and_ids_are_there_all_the_same",
            "--exact",
            "--nocapture",
        ])
        .env("MMF_TEST_CHILD", "1")
        .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let inside = text.lines().find(|line| line.contains("\"inside\"")).unwrap();
    assert!(inside.contains(CALLER.split('-').nth(1).unwrap()), "{inside}");
}
