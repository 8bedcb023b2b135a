//! What the adapters cost a real request over loopback: microseconds a request, the median over interleaved rounds of one
//! run, with and without them.
//!
//! `cargo run --release -p mmf-benches --features edge --bin cost_of_a_request [-- --rounds N --json FILE --svg FILE]`

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use mmf::axum::ServiceLayer;
use mmf::logging::{LoggingConfig, json_layer};
use mmf::reqwest::Resilience;
use mmf::resilience::{Bulkhead, KeyedBreakers, Pipeline, RetryPolicy};
use mmf_benches::table::{Table, rounds};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const REQUESTS: u32 = 2_000;
const IN_PROCESS: u32 = 20_000;

fn routes() -> Router {
    Router::new().route("/users/{id}", get(|| async { "Ada" }))
}

fn layered() -> Router {
    routes().layer(
        ServiceLayer::new("users")
            .timeout_header("x-request-timeout-ms")
            .max_deadline(Duration::from_secs(30))
            .shed(Bulkhead::builder("requests").max_concurrent(512).build()),
    )
}

async fn serve(app: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

async fn requests(client: &ClientWithMiddleware, address: SocketAddr) -> f64 {
    let url = format!("http://{address}/users/7");
    let start = Instant::now();
    for _ in 0..REQUESTS {
        let response = client.get(&url).send().await.expect("answered");
        assert_eq!(response.bytes().await.expect("a body").len(), 3);
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(REQUESTS)
}

/// The router alone, without a connection.
async fn calls<S: Service<Request, Error = Infallible>>(mut service: S) -> f64 {
    let start = Instant::now();
    for _ in 0..IN_PROCESS {
        let request = Request::builder().uri("/users/7").body(Body::empty()).expect("valid");
        let Ok(service) = service.ready().await;
        let Ok(_) = service.call(request).await;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(IN_PROCESS)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    // Logs of requests are written, to nowhere, each of them: no repeats are gathered.
    let logs = json_layer(&LoggingConfig::new("benches"), io::sink);
    tracing_subscriber::registry().with(logs.with_filter(LevelFilter::INFO)).init();
    let plain = ClientBuilder::new(reqwest::Client::new()).build();
    let pipeline = Pipeline::builder("requests")
        .deadline(Duration::from_secs(10))
        .timeout(Duration::from_secs(2))
        .retry(RetryPolicy::builder().build())
        .breakers(KeyedBreakers::builder("requests").build())
        .build();
    let client = ClientBuilder::new(reqwest::Client::new()).with(Resilience::new(pipeline)).build();
    let (bare, behind) = (serve(routes()).await?, serve(layered()).await?);
    let (bare_routes, layered_routes) = (routes(), layered());

    let mut table = Table::new("cost of a request", "us/request");
    for _ in 0..rounds(21) {
        let what = "a client of reqwest";
        table.add(what, "without policies", requests(&plain, bare).await);
        table.add(what, "MMF", requests(&client, bare).await);
        let what = "a server of axum";
        table.add(what, "without the layer", requests(&plain, bare).await);
        table.add(what, "MMF", requests(&plain, behind).await);
        let what = "routes of axum, no connection";
        table.add(what, "without the layer", calls(bare_routes.clone()).await);
        table.add(what, "MMF", calls(layered_routes.clone()).await);
    }
    table.publish()
}
