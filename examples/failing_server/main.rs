//! Annotated client functions ride out a real HTTP server that fails in seven ways.
//!
//! Prints what each policy did, as it does it, and at the end what was counted. In a second act the network
//! between client and server fails instead, and an experiment injects faults. In a third the policies are a layer of axum
//! and a middleware of reqwest. Ends by itself after about half a minute; exits with 1 where a call that should have survived did not.

mod client;
mod second_act;
mod server;
mod third_act;
mod timeline;

use std::process::ExitCode;
use std::time::Duration;

use client::{ApiError, Shop};
use mmf::resilience::{BreakerState, policy};

#[tokio::main]
async fn main() -> ExitCode {
    let timeline = timeline::start();
    let server = server::start().await.expect("a free port on loopback");
    let shop = Shop::new(&server);
    let mut survived = true;
    let mut expect = |what: &str, holds: bool| {
        timeline.note(&format!("{} {what}", if holds { "ok:" } else { "FAILED:" }));
        survived &= holds;
    };

    timeline.scene("bursts: the first three requests of a burst get a 500");
    for _ in 0..2 {
        expect("the order list arrived", shop.orders().await.is_ok());
    }

    timeline.scene("hanging: every third request is never answered");
    for id in 1..=3 {
        expect("the item arrived", shop.item(id).await.is_ok());
    }

    timeline.scene("slow: some requests take 600 ms, a second copy is faster");
    let start = std::time::Instant::now();
    for _ in 0..3 {
        expect("the price arrived", shop.price("tea").await.is_ok());
    }
    expect("and in good time", start.elapsed() < Duration::from_millis(1200));

    timeline.scene("reset: the connection breaks twice before it holds");
    expect("the stock arrived", shop.stock().await.is_ok());

    timeline.scene("429: the server says when to come back");
    expect("the review arrived", shop.review().await.is_ok());

    timeline.scene("busy: two at once, two may wait, the fifth is refused");
    let (a, b, c, d, e) =
        tokio::join!(shop.report(), shop.report(), shop.report(), shop.report(), shop.report());
    let reports = [a, b, c, d, e];
    let refused =
        reports.iter().filter(|report| matches!(report, Err(ApiError::Refused(_)))).count();
    expect("four reports were made, one was refused", refused == 1);

    timeline.scene("down: the server is gone for three seconds, the breaker opens");
    server.go_down(Duration::from_secs(3));
    let mut answers = Vec::new();
    for _ in 0..24 {
        answers.push(shop.recommendations().await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    expect("every call had an answer", answers.iter().all(Result::is_ok));
    let last = answers.pop().and_then(Result::ok).unwrap_or_default();
    expect("the last one came from the server again", last == "fresh recommendations");

    // Without a fault every scene would pass as well: each policy must have had something to do.
    let counted = |name: &str| policy(name).expect("annotated in client.rs").snapshot();
    timeline.scene("did each policy have something to do?");
    expect("bursts were retried", counted("shop.orders").retries == 6);
    expect("hanging requests timed out", counted("shop.item").timeouts == 2);
    expect("slow requests were hedged", counted("shop.price").hedges == 3);
    expect("broken connections were retried", counted("shop.stock").retries == 2);
    expect("the hint was followed", counted("shop.review").retries == 1);
    let down = counted("shop.recommendations");
    let breaker = down.breaker.expect("has a breaker");
    let recovered = breaker.opened == 1 && breaker.refused > 0;
    expect(
        "the breaker opened, refused and closed",
        recovered && breaker.state == BreakerState::Closed,
    );
    expect("the fallback answered meanwhile", down.fallbacks > 0);

    let in_second_act = second_act::play(&server, timeline).await;
    survived &= in_second_act.expect("a free port on loopback");
    survived &= third_act::play(timeline).await.expect("a free port on loopback");

    timeline.snapshots();
    if survived { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
