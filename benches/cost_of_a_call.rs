//! What a successful call costs through each policy and through its peers: nanoseconds a call, the
//! median over interleaved rounds of one run on one thread.
//!
//! `cargo run --release -p mmf-benches --bin cost_of_a_call`; the first argument is the number of
//! rounds (41).

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use backon::{ConstantBuilder, Retryable};
use governor::{Quota, RateLimiter};
use mmf::{ResilienceError, resilient};
use recloser::{AsyncRecloser, Recloser};
use tokio::sync::Semaphore;

const CALLS: u32 = 20_000;

#[derive(Debug)]
struct Error;

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

#[inline(never)]
async fn work(id: u64) -> Result<u64, Error> {
    black_box(Ok(black_box(id)))
}

mod policies {
    use super::{Error, resilient, work};

    #[resilient(retry)]
    pub(crate) async fn retry(id: u64) -> Result<u64, Error> {
        work(id).await
    }

    #[resilient(breaker)]
    pub(crate) async fn breaker(id: u64) -> Result<u64, Error> {
        work(id).await
    }

    #[resilient(name = "open", breaker)]
    pub(crate) async fn open(id: u64) -> Result<u64, Error> {
        work(id).await
    }

    #[resilient(timeout = "1s")]
    pub(crate) async fn timeout(id: u64) -> Result<u64, Error> {
        work(id).await
    }

    #[resilient(bulkhead)]
    pub(crate) async fn bulkhead(id: u64) -> Result<u64, Error> {
        work(id).await
    }

    #[resilient(rate_limit(permits = 1_000_000_000, period = "1s"))]
    pub(crate) async fn rate_limit(id: u64) -> Result<u64, Error> {
        work(id).await
    }

    #[resilient(retry, breaker, timeout = "1s", bulkhead)]
    pub(crate) async fn all_four(id: u64) -> Result<u64, Error> {
        work(id).await
    }
}

/// The rows, each with its medians.
struct Table {
    rows: Vec<(&'static str, &'static str, Vec<f64>)>,
}

impl Table {
    /// Times one round of a row.
    async fn round(
        &mut self,
        what: &'static str,
        whose: &'static str,
        call: impl AsyncFn(u64) -> bool,
    ) {
        let start = Instant::now();
        for id in 0..CALLS {
            black_box(call(u64::from(id)).await);
        }
        let nanos = start.elapsed().as_nanos() as f64 / f64::from(CALLS);
        match self.rows.iter_mut().find(|row| (row.0, row.1) == (what, whose)) {
            Some(row) => row.2.push(nanos),
            None => self.rows.push((what, whose, vec![nanos])),
        }
    }

    fn print(&mut self) {
        println!("{:28} {:28} {:>8}", "work", "whose", "ns/call");
        for (what, whose, rounds) in &mut self.rows {
            rounds.sort_by(f64::total_cmp);
            println!("{what:28} {whose:28} {:8.1}", rounds[rounds.len() / 2]);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(41);
    let recloser = AsyncRecloser::from(Recloser::default());
    let open = AsyncRecloser::from(
        Recloser::custom()
            .error_rate(0.1)
            .closed_len(1)
            .open_wait(Duration::from_secs(3600))
            .build(),
    );
    for _ in 0..10 {
        let _ = open.call(async { Err::<(), _>(Error) }).await;
    }
    let breaker = mmf::resilience::policy("open").and_then(|policy| policy.breaker());
    breaker.expect("annotated above").force_open();
    let semaphore = Semaphore::new(10);
    let limiter = RateLimiter::direct(Quota::per_second(NonZeroU32::MAX));
    let backoff = ConstantBuilder::default();

    let mut table = Table { rows: Vec::new() };
    for _ in 0..rounds {
        table.round("nothing", "the function itself", async |id| work(id).await.is_ok()).await;
        table.round("closed breaker", "MMF", async |id| policies::breaker(id).await.is_ok()).await;
        let call = async |id| recloser.call(work(id)).await.is_ok();
        table.round("closed breaker", "recloser", call).await;
        table
            .round("open breaker, refusal", "MMF", async |id| policies::open(id).await.is_ok())
            .await;
        table
            .round("open breaker, refusal", "recloser", async |id| {
                open.call(work(id)).await.is_ok()
            })
            .await;
        table
            .round("retry, first attempt good", "MMF", async |id| policies::retry(id).await.is_ok())
            .await;
        let call = async |id| (|| work(id)).retry(backoff).await.is_ok();
        table.round("retry, first attempt good", "backon", call).await;
        table
            .round("timeout not reached", "MMF", async |id| policies::timeout(id).await.is_ok())
            .await;
        let call = async |id| tokio::time::timeout(Duration::from_secs(1), work(id)).await.is_ok();
        table.round("timeout not reached", "tokio::time::timeout", call).await;
        table
            .round("bulkhead with room", "MMF", async |id| policies::bulkhead(id).await.is_ok())
            .await;
        let call = async |id| {
            let _permit = semaphore.acquire().await;
            work(id).await.is_ok()
        };
        table.round("bulkhead with room", "tokio Semaphore", call).await;
        table
            .round("rate limit with room", "MMF", async |id| policies::rate_limit(id).await.is_ok())
            .await;
        let call = async |id| limiter.check().is_ok() && work(id).await.is_ok();
        table.round("rate limit with room", "governor", call).await;
        table.round("all four", "MMF", async |id| policies::all_four(id).await.is_ok()).await;
        let call = async |id| {
            let attempt = || async {
                let within = tokio::time::timeout(Duration::from_secs(1), async {
                    let _permit = semaphore.acquire().await;
                    work(id).await
                });
                recloser.call(async { within.await.unwrap_or(Err(Error)) }).await
            };
            attempt.retry(backoff).await.is_ok()
        };
        table.round("all four", "backon, recloser, tokio", call).await;
    }
    table.print();
}
