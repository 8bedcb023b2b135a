//! The third act: the policies stand where the traffic is. A server of axum sheds what it cannot serve and limits each
//! tenant, and a client of reqwest has its policies as a middleware: it comes back where that is worth it, and knows which
//! of two servers is gone.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use mmf::axum::ServiceLayer;
use mmf::reqwest::{Resilience, refusal};
use mmf::resilience::{
    Backoff, Bulkhead, Key, KeyedBreakers, KeyedRateLimiters, Pipeline, Refusal, RetryPolicy,
};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::timeline::Timeline;

const REQUESTS: usize = 12;

/// The policies of the client; what is by key has one state for each host.
static CLIENT: LazyLock<Pipeline> = LazyLock::new(|| {
    let retry = RetryPolicy::builder().max_attempts(8).backoff(Backoff::Constant);
    // Not by shares: what the kitchen sheds is no outage.
    let hosts = KeyedBreakers::builder("kitchen.client").failure_threshold(20);
    Pipeline::builder("kitchen.client")
        .deadline(Duration::from_secs(10))
        .timeout(Duration::from_secs(2))
        .retry(retry.base_delay(Duration::from_millis(60)).build())
        .breakers(hosts.failure_rate_threshold(0.0).build())
        .build()
});

/// Whether client and server did what they should.
pub(crate) async fn play(timeline: Timeline) -> io::Result<bool> {
    let room = Arc::new(Bulkhead::builder("kitchen.room").max_concurrent(4).build());
    let (kitchen, _serving) = serve(Arc::clone(&room)).await?;
    let client =
        ClientBuilder::new(reqwest::Client::new()).with(Resilience::new(CLIENT.clone())).build();
    let mut survived = true;
    let mut expect = |what: &str, holds: bool| {
        timeline.note(&format!("{} {what}", if holds { "ok:" } else { "FAILED:" }));
        survived &= holds;
    };

    timeline.scene("twelve orders at once, the server has room for four and sheds the rest");
    let url = format!("http://{kitchen}/dishes");
    let dishes = (0..REQUESTS).map(|_| tokio::spawn(status(client.clone(), url.clone())));
    let dishes: Vec<JoinHandle<_>> = dishes.collect();
    let mut served = 0;
    for dish in dishes {
        served += usize::from(matches!(dish.await, Ok(Ok(200))));
    }
    let (shed, retries) = (room.snapshot().refused, CLIENT.policy().snapshot().retries);
    expect(
        &format!("{served} of {REQUESTS} were served, after {shed} refusals and {retries} retries"),
        served == REQUESTS,
    );
    expect("each refusal was retried", shed > 0 && retries == shed);

    timeline.scene("what must not be done twice is sent once");
    let taken =
        [room.acquire().await, room.acquire().await, room.acquire().await, room.acquire().await];
    let paid = client
        .post(format!("http://{kitchen}/bills"))
        .send()
        .await
        .map(|response| response.status().as_u16());
    expect(
        "the bill was refused with 503 and not sent again",
        matches!(paid, Ok(503)) && CLIENT.policy().snapshot().retries == retries,
    );
    drop(taken);

    timeline.scene("one tenant asks for too much: 429, with the time to come back");
    let plain = reqwest::Client::new();
    let ask = |tenant: &'static str| plain.get(&url).header("x-tenant", tenant).send();
    let mut limited = None;
    for _ in 0..=TENANT_PERMITS {
        limited = ask("greedy").await.ok();
    }
    let limited = limited.map(|response| {
        (response.status().as_u16(), response.headers().contains_key("retry-after"))
    });
    expect("the greedy tenant is asked to wait", limited == Some((429, true)));
    expect(
        "another one is served",
        ask("modest").await.is_ok_and(|response| response.status().is_success()),
    );

    timeline.scene("another server is gone: its breaker opens, and no other");
    let gone = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let url_gone = format!("http://{gone}/dishes");
    let mut refused = false;
    for _ in 0..4 {
        let answer = client.get(&url_gone).send().await;
        refused |= answer.as_ref().err().and_then(refusal).map(mmf::ResilienceError::refusal)
            == Some(Refusal::Breaker);
    }
    expect("calls to it are refused at once", refused);
    expect("the kitchen still serves", status(client, url).await.is_ok_and(|status| status == 200));
    Ok(survived)
}

/// How many requests of a tenant begin in a minute.
const TENANT_PERMITS: u32 = 5;

async fn serve(room: Arc<Bulkhead>) -> io::Result<(SocketAddr, JoinHandle<io::Result<()>>)> {
    let tenants = KeyedRateLimiters::builder("kitchen.tenants")
        .permits(TENANT_PERMITS)
        .period(Duration::from_secs(60))
        .build();
    let app =
        Router::new().route("/dishes", get(dish)).route("/bills", post(|| async { "paid" })).layer(
            ServiceLayer::new("kitchen")
                .timeout_header("x-request-timeout-ms")
                .max_deadline(Duration::from_secs(30))
                .shed(room)
                .limit(tenants, |request| {
                    request
                        .headers()
                        .get("x-tenant")
                        .and_then(|tenant| tenant.to_str().ok())
                        .map(Key::of)
                }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((address, tokio::spawn(async move { axum::serve(listener, app).await })))
}

async fn dish() -> &'static str {
    tokio::time::sleep(Duration::from_millis(40)).await;
    "soup"
}

async fn status(
    client: ClientWithMiddleware,
    url: String,
) -> Result<u16, reqwest_middleware::Error> {
    Ok(client.get(url).send().await?.status().as_u16())
}
