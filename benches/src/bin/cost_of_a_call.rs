//! What a successful call costs through each policy and through its peers: nanoseconds a call, the
//! median over interleaved rounds of one run on one thread, and allocations a call.
//!
//! `cargo run --release -p mmf-benches --bin cost_of_a_call [-- --rounds N --json FILE --svg FILE]`
//!
//! Each contender is an `async fn` of the same signature around the same function, and is given the
//! settings of MMF's row: the library's way to do it, written as its documentation does.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use mmf_benches::by_hand::by_hand;
use mmf_benches::functions::{self, Error, work};
use mmf_benches::round::Round;
use mmf_benches::table::{Table, rounds};
use recloser::{AsyncRecloser, Recloser};
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::ratelimiter::RateLimiterLayer;
use tower_resilience::retry::RetryLayer;
use tower_resilience::timelimiter::TimeLimiterLayer;

const SECOND: Duration = Duration::from_secs(1);

/// What a peer's function returns.
type Answer = Result<u64, Error>;

/// The peers' ways.
mod peers {
    use super::*;

    pub(super) async fn recloser(breaker: &AsyncRecloser, id: u64) -> Answer {
        breaker.call(work(id)).await.map_err(|_| Error)
    }

    pub(super) async fn failsafe(
        breaker: &impl failsafe::futures::CircuitBreaker,
        id: u64,
    ) -> Answer {
        breaker.call(work(id)).await.map_err(|_| Error)
    }

    pub(super) async fn backon(backoff: ConstantBuilder, id: u64) -> Answer {
        (|| work(id)).retry(backoff).await
    }

    pub(super) async fn tokio_timeout(id: u64) -> Answer {
        tokio::time::timeout(SECOND, work(id)).await.unwrap_or(Err(Error))
    }

    pub(super) async fn semaphore(semaphore: &Semaphore, id: u64) -> Answer {
        let _permit = semaphore.acquire().await.map_err(|_| Error)?;
        work(id).await
    }

    pub(super) async fn governor(limiter: &DefaultDirectRateLimiter, id: u64) -> Answer {
        limiter.check().map_err(|_| Error)?;
        work(id).await
    }
}

fn open_recloser() -> Recloser {
    Recloser::custom().error_rate(0.1).closed_len(1).open_wait(3600 * SECOND).build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let recloser = AsyncRecloser::from(Recloser::default());
    let open = AsyncRecloser::from(open_recloser());
    for _ in 0..10 {
        let _ = open.call(async { Err::<(), _>(Error) }).await;
    }
    let policy = mmf::resilience::policy("mmf_benches::functions::open_breaker");
    let breaker = policy.as_ref().and_then(|policy| policy.breaker()).expect("annotated");
    let _ = breaker.call(async { Err::<(), _>(Error) }).await;
    let failsafe = failsafe::Config::new().build();
    let semaphore = Semaphore::new(10);
    let governor = RateLimiter::direct(Quota::per_second(NonZeroU32::MAX));
    let limiter = mmf::resilience::RateLimiter::builder("bare").permits(1_000_000_000).build();
    let backoff = ConstantBuilder::default();

    let inner = service_fn(work);
    let breaking = || CircuitBreakerLayer::builder().sliding_window_size(100);
    let retrying = || RetryLayer::<u64, u64, Error>::builder().max_attempts(3).build();
    let mut tower_breaker = breaking().build().expect("valid").layer(inner);
    let mut tower_open = breaking()
        .consecutive_failures(1)
        .wait_duration_in_open(3600 * SECOND)
        .build()
        .expect("valid")
        .layer(service_fn(async |id: u64| if id == 0 { Err(Error) } else { Ok(id) }));
    let _ = tower_open.ready().await.map(|service| service.call(0)).expect("ready").await;
    let mut tower_retry = retrying().layer(inner);
    let limiting = || TimeLimiterLayer::builder().timeout_duration(SECOND).build();
    let mut tower_timeout = limiting().layer(inner);
    let bulkheading = || BulkheadLayer::builder().max_concurrent_calls(10).build().expect("valid");
    let mut tower_bulkhead = bulkheading().layer(inner);
    let mut tower_limit = RateLimiterLayer::builder()
        .limit_for_period(1_000_000_000)
        .refresh_period(SECOND)
        .build()
        .expect("valid")
        .layer(inner);
    let tower_inner = limiting().layer(bulkheading().layer(inner)).map_err(|_| Error);
    let tower_middle = breaking().build().expect("valid").layer(tower_inner).map_err(|_| Error);
    let mut tower_four = retrying().layer(tower_middle);

    macro_rules! tower {
        ($service:ident) => {
            async |id| match $service.ready().await {
                Ok(service) => service.call(id).await.is_ok(),
                Err(_) => false,
            }
        };
    }

    let mut table = Table::new("cost of a call", "ns/call");
    for _ in 0..rounds(41) {
        let mut round = Round(&mut table);
        round.time("nothing", "the function itself", async |id| work(id).await).await;

        let what = "closed breaker";
        round.time(what, "MMF", functions::breaker).await;
        round.time(what, "recloser", async |id| peers::recloser(&recloser, id).await).await;
        round.time(what, "failsafe", async |id| peers::failsafe(&failsafe, id).await).await;
        round.time(what, "tower-resilience", tower!(tower_breaker)).await;

        let what = "open breaker, refusal";
        round.time(what, "MMF", functions::open_breaker).await;
        round.time(what, "recloser", async |id| peers::recloser(&open, id).await).await;
        round.time(what, "tower-resilience", tower!(tower_open)).await;

        let what = "retry, first attempt good";
        round.time(what, "MMF", functions::retry).await;
        round.time(what, "backon", async |id| peers::backon(backoff, id).await).await;
        round.time(what, "tower-resilience", tower!(tower_retry)).await;

        let what = "timeout not reached";
        round.time(what, "MMF", functions::timeout).await;
        round.time(what, "tokio::time::timeout", peers::tokio_timeout).await;
        round.time(what, "tower-resilience", tower!(tower_timeout)).await;

        let what = "bulkhead with room";
        round.time(what, "MMF", functions::bulkhead).await;
        round
            .time(what, "tokio Semaphore", async |id| peers::semaphore(&semaphore, id).await)
            .await;
        round.time(what, "tower-resilience", tower!(tower_bulkhead)).await;

        let what = "rate limit with room";
        round.time(what, "MMF", functions::rate_limit).await;
        round.time(what, "governor", async |id| peers::governor(&governor, id).await).await;
        round.time(what, "tower-resilience", tower!(tower_limit)).await;

        let what = "rate limit, the bare statement";
        round.time(what, "MMF", async |_| limiter.try_acquire().is_ok()).await;
        round.time(what, "governor", async |_| governor.check().is_ok()).await;

        let what = "policy(name), among all";
        let name = "mmf_benches::functions::open_breaker";
        round.time(what, "MMF", async |_| mmf::resilience::policy(black_box(name))).await;

        let what = "all four";
        round.time(what, "MMF", functions::all_four).await;
        let joined = async |id| by_hand(&recloser, &semaphore, backoff, id).await;
        round.time(what, "backon, recloser, tokio", joined).await;
        round.time(what, "tower-resilience", tower!(tower_four)).await;
    }
    assert!(functions::open_breaker(1).await.is_err(), "the open breaker refuses");
    table.publish()
}
