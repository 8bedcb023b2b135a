//! What the policies cost where they are not an attribute: a pipeline, a layer of tower, by key, with a limit that is
//! found. Nanoseconds a call, the median over interleaved rounds of one run on one thread, and allocations a call.
//!
//! `cargo run --release -p mmf-benches --features edge --bin cost_of_a_layer [-- --rounds N --json FILE --svg FILE]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use mmf::resilience::{
    AdaptiveLimit, Bulkhead, CircuitBreaker, Key, KeyedRateLimiters, Pipeline, RetryPolicy, call,
};
use mmf::tower::ResilienceLayer;
use mmf_benches::functions::{self, Error, work};
use mmf_benches::round::Round;
use mmf_benches::table::{Table, rounds};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::retry::RetryLayer;
use tower_resilience::timelimiter::TimeLimiterLayer;

const SECOND: Duration = Duration::from_secs(1);
const KEYS: u64 = 100_000;

/// The four policies of `functions::all_four`.
fn four(name: &'static str) -> Pipeline {
    Pipeline::builder(name)
        .retry(RetryPolicy::builder().build())
        .breaker(CircuitBreaker::builder(name).build())
        .timeout(SECOND)
        .bulkhead(Bulkhead::builder(name).build())
        .build()
}

/// Nanoseconds a lookup of a key among many, and what they leave on the heap each.
fn keys(table: &mut Table) {
    let limits = || {
        let limits = KeyedRateLimiters::builder("keys").permits(1_000_000);
        limits.max_keys(KEYS as usize).build()
    };
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        let limits = limits();
        for key in 0..KEYS {
            drop(limits.get_key(&Key::of(&key)));
        }
        kept = Some(limits);
    });
    let full = kept.expect("made above");
    let what = "rate limit by key, of 100000";
    let all = allocation_counter::measure(|| {
        for key in KEYS..10 * KEYS {
            drop(full.get_key(&Key::of(&key)));
        }
    });
    table.note(what, "MMF", "bytes a key", counted.bytes_current as f64 / KEYS as f64);
    table.note(what, "MMF", "bytes more after 1000000 keys", all.bytes_current as f64);

    let limits = limits();
    let keys: Vec<Key> = (0..KEYS).map(|key| Key::of(&key)).collect();
    keys.iter().for_each(|key| drop(limits.get_key(key)));
    let lookups = 1_000_000_u64;
    let scattered = |number: u64| number.wrapping_mul(2_654_435_761) % KEYS;
    for _ in 0..rounds(41).min(11) {
        let start = Instant::now();
        for number in 0..lookups {
            black_box(limits.get_key(&keys[scattered(number) as usize]));
        }
        table.add(what, "MMF", start.elapsed().as_nanos() as f64 / lookups as f64);
        let spent = std::thread::scope(|scope| {
            let threads = [0, 1].map(|side| {
                let (limits, keys) = (&limits, &keys);
                scope.spawn(move || {
                    let start = Instant::now();
                    for number in 0..lookups {
                        let key = scattered(number) / 2 * 2 + side;
                        black_box(limits.get_key(&keys[key as usize]));
                    }
                    start.elapsed()
                })
            });
            threads.into_iter().map(|thread| thread.join().expect("no panic")).max()
        });
        let nanos = spent.unwrap_or_default().as_nanos() as f64 / lookups as f64;
        table.add(what, "MMF, two threads, their own keys", nanos);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let pipeline = four("layers.pipeline");
    let inner = service_fn(work);
    let mut layered = ResilienceLayer::new(four("layers.layer")).layer(inner);
    let plain = Pipeline::builder("layers.timeout").timeout(SECOND).build();
    let mut timed = ResilienceLayer::new(plain).layer(inner);
    let mut tower_timed = ServiceBuilder::new().timeout(SECOND).service(inner);
    let limiting = TimeLimiterLayer::builder().timeout_duration(SECOND).build();
    let bulkheading = BulkheadLayer::builder().max_concurrent_calls(10).build().expect("valid");
    let tower_inner = limiting.layer(bulkheading.layer(inner)).map_err(|_| Error);
    let breaking = CircuitBreakerLayer::builder().sliding_window_size(100).build().expect("valid");
    let tower_middle = breaking.layer(tower_inner).map_err(|_| Error);
    let retrying = RetryLayer::<u64, u64, Error>::builder().max_attempts(3).build();
    let mut tower_four = retrying.layer(tower_middle);
    let fixed = Bulkhead::builder("layers.fixed").max_concurrent(100).build();
    let found = Bulkhead::builder("layers.found")
        .max_concurrent(100)
        .adaptive(AdaptiveLimit::new())
        .build();

    macro_rules! tower {
        ($service:ident) => {
            async |id| match $service.ready().await {
                Ok(service) => service.call(id).await.is_ok(),
                Err(_) => false,
            }
        };
    }

    let mut table = Table::new("cost of a layer", "ns/call");
    for _ in 0..rounds(41) {
        let mut round = Round(&mut table);
        round.time("nothing", "the function itself", async |id| work(id).await).await;

        let what = "all four policies";
        round.time(what, "MMF, the attribute", functions::all_four).await;
        let by_pipeline = async |id| pipeline.call().run(|| work(id)).await;
        round.time(what, "MMF, a pipeline", by_pipeline).await;
        round.time(what, "MMF, a layer of tower", tower!(layered)).await;
        round.time(what, "tower-resilience", tower!(tower_four)).await;

        let what = "a timeout";
        round.time(what, "MMF, the attribute", functions::timeout).await;
        round.time(what, "MMF, a layer of tower", tower!(timed)).await;
        round.time(what, "tower's own layer", tower!(tower_timed)).await;

        let what = "a bulkhead with room";
        let by = async |id| call("layers.fixed").bulkhead(&fixed).run(|| work(id)).await;
        round.time(what, "MMF, fixed", by).await;
        let by = async |id| call("layers.found").bulkhead(&found).run(|| work(id)).await;
        round.time(what, "MMF, its limit is found", by).await;
    }
    keys(&mut table);
    table.publish()
}
