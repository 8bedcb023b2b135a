//! What the layers of gRPC cost a unary call, without a connection and over loopback: microseconds a call, the median over
//! interleaved rounds of one run, with and without them; and the allocations of a call.
//!
//! `cargo run --release -p mmf-benches --features edge --bin cost_of_a_grpc_call [-- --rounds N --json FILE --svg FILE]`

use std::error::Error;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use mmf::logging::{LoggingConfig, json_layer};
use mmf::resilience::{Bulkhead, CircuitBreaker, Pipeline, RetryPolicy};
use mmf::tonic::{ClientLayer, ServerLayer};
use mmf_benches::table::{Table, rounds};
use tokio::net::TcpListener;
use tokio::task::unconstrained;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Request;
use tonic::transport::{Endpoint, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::Layer;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const CALLS: u32 = 2_000;
const IN_PROCESS: u32 = 20_000;

/// Calls over whatever stands between, so many.
macro_rules! time {
    ($table:expr, $calls:expr, $what:expr, $by:expr, $service:expr) => {
        time!($table, $calls, $what, $by, $service, HealthCheckRequest::default())
    };
    ($table:expr, $calls:expr, $what:expr, $by:expr, $service:expr, $request:expr) => {{
        let mut client = HealthClient::new($service.clone());
        let start = Instant::now();
        for _ in 0..$calls {
            let answer = client.check($request).await.expect("answered");
            assert_eq!(answer.into_inner().status, 1);
        }
        let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from($calls);
        $table.add($what, $by, micros);
    }};
}

/// The allocations of a call that is ready when it is polled.
macro_rules! count {
    ($table:expr, $what:expr, $by:expr, $service:expr) => {{
        let counted = allocation_counter::measure(|| {
            let mut client = HealthClient::new($service.clone());
            let mut call = pin!(unconstrained(client.check(HealthCheckRequest::default())));
            let poll = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(poll, Poll::Ready(Ok(_))), "it waits");
        });
        $table.note($what, $by, "allocations", counted.count_total as f64);
    }};
}

fn in_time() -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest::default());
    request.set_timeout(Duration::from_secs(2));
    request
}

fn policies(name: &'static str) -> mmf::resilience::PipelineBuilder {
    Pipeline::builder(name)
        .deadline(Duration::from_secs(10))
        .timeout(Duration::from_secs(2))
        .breaker(CircuitBreaker::builder(name).build())
        .bulkhead(Bulkhead::builder(name).max_concurrent(512).build())
}

fn server_layer() -> ServerLayer {
    ServerLayer::new("health")
        .max_deadline(Duration::from_secs(30))
        .shed(Bulkhead::builder("health").max_concurrent(512).build())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Logs of calls are written, to nowhere, each of them: no repeats are gathered.
    let logs = json_layer(&LoggingConfig::new("benches"), io::sink);
    tracing_subscriber::registry().with(logs.with_filter(LevelFilter::INFO)).init();
    let (_reporter, health) = tonic_health::server::health_reporter();

    let once = ClientLayer::new(policies("calls.once").build());
    let retried = RetryPolicy::builder().build();
    let retried = ClientLayer::new(policies("calls.retried").retry(retried).build());

    let mut channels = Vec::new();
    for is_layered in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let incoming = TcpListenerStream::new(listener);
        let health = health.clone();
        if is_layered {
            let server = Server::builder().layer(server_layer()).add_service(health);
            tokio::spawn(server.serve_with_incoming(incoming));
        } else {
            tokio::spawn(Server::builder().add_service(health).serve_with_incoming(incoming));
        }
        channels.push(Endpoint::from_shared(format!("http://{address}"))?.connect().await?);
    }
    let (bare, behind) = (&channels[0], &channels[1]);

    let mut table = Table::new("cost of a gRPC call", "us/call");
    for _ in 0..rounds(21) {
        let what = "a client, no connection";
        time!(table, IN_PROCESS, what, "without policies", health);
        time!(table, IN_PROCESS, what, "MMF", once.layer(health.clone()));
        time!(table, IN_PROCESS, what, "MMF with a retry", retried.layer(health.clone()));
        count!(table, what, "without policies", health);
        count!(table, what, "MMF", once.layer(health.clone()));
        count!(table, what, "MMF with a retry", retried.layer(health.clone()));
        let what = "a server, no connection";
        time!(table, IN_PROCESS, what, "without the layer", health);
        time!(table, IN_PROCESS, what, "MMF", server_layer().layer(health.clone()));
        let what = "a client over loopback";
        time!(table, CALLS, what, "without policies", bare);
        time!(table, CALLS, what, "a timeout of tonic's", bare, in_time());
        time!(table, CALLS, what, "MMF", once.layer(bare.clone()));
        time!(table, CALLS, what, "MMF with a retry", retried.layer(bare.clone()));
        let what = "a server over loopback";
        time!(table, CALLS, what, "without the layer", bare);
        time!(table, CALLS, what, "MMF", behind);
    }
    table.publish()?;
    Ok(())
}
