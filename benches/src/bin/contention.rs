//! What a call costs where several threads share one policy: nanoseconds a call of each thread, the
//! median over interleaved rounds.
//!
//! `cargo run --release -p mmf-benches --bin contention [-- --rounds N --threads N --json FILE]`

use std::hint::black_box;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use governor::Quota;
use mmf_benches::functions::{self, Error, work};
use mmf_benches::table::{Table, option, rounds};
use recloser::{AsyncRecloser, Recloser};
use tokio::sync::Semaphore;

const CALLS: u64 = 200_000;

/// The slowest thread's nanoseconds a call, where all begin together.
fn time<F: Future>(threads: usize, call: impl Fn(u64) -> F + Sync) -> f64 {
    // Spinning, so that each thread has a core of its own when they begin.
    let waiting = AtomicUsize::new(threads);
    let spent = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut context = Context::from_waker(Waker::noop());
                    waiting.fetch_sub(1, Ordering::AcqRel);
                    while waiting.load(Ordering::Acquire) > 0 {
                        std::hint::spin_loop();
                    }
                    let start = Instant::now();
                    for id in 0..CALLS {
                        let poll = pin!(call(id)).poll(&mut context);
                        assert!(matches!(black_box(poll), Poll::Ready(_)), "ready at once");
                    }
                    start.elapsed()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).max()
    });
    spent.unwrap_or_default().as_nanos() as f64 / CALLS as f64
}

fn main() -> std::io::Result<()> {
    let most = option("--threads").unwrap_or(std::thread::available_parallelism()?.get().max(2));
    let recloser = AsyncRecloser::from(Recloser::default());
    let failsafe = failsafe::Config::new().build();
    let semaphore = Semaphore::new(1000);
    let shared = AtomicU64::new(0);
    let governor = governor::RateLimiter::direct(Quota::per_second(NonZeroU32::MAX));

    let mut table = Table::new("threads on one policy", "ns/call");
    for _ in 0..rounds(31) {
        for threads in 1..=most {
            let what = format!("closed breaker, threads: {threads}");
            table.add(&what, "MMF", time(threads, functions::breaker));
            table.add(&what, "recloser", time(threads, |id| recloser.call(work(id))));
            table.add(&what, "failsafe", {
                use failsafe::futures::CircuitBreaker;
                time(threads, |id| failsafe.call(work(id)))
            });
            let fetch_add = |id| {
                shared.fetch_add(1, Ordering::Relaxed);
                work(id)
            };
            table.add(&what, "a shared fetch_add", time(threads, fetch_add));
            table.add(&what, "the function itself", time(threads, work));

            let what = format!("bulkhead with room, threads: {threads}");
            table.add(&what, "MMF", time(threads, functions::roomy_bulkhead));
            let by_hand = |id| {
                let semaphore = &semaphore;
                tokio::task::unconstrained(async move {
                    let _permit = semaphore.acquire().await.map_err(|_| Error)?;
                    work(id).await
                })
            };
            table.add(&what, "tokio Semaphore", time(threads, by_hand));

            let what = format!("rate limit with room, threads: {threads}");
            table.add(&what, "MMF", time(threads, functions::rate_limit));
            let by_governor = |id| {
                let governor = &governor;
                async move {
                    governor.check().map_err(|_| Error)?;
                    work(id).await
                }
            };
            table.add(&what, "governor", time(threads, by_governor));
        }
    }
    table.publish()
}
