//! What policies weigh: the future of an annotated function, a breaker, 100 000 breakers by key, and
//! 1 000 annotated functions.
//!
//! `cargo run --release -p mmf-benches --bin footprint [-- --json FILE]`

use std::hint::black_box;
use std::time::Instant;

use mmf::resilience::{CircuitBreaker, KeyedBreakers};
use mmf_benches::functions::{self, work};
use mmf_benches::table::Table;

const KEYS: u32 = 100_000;
const LOOKUPS: u32 = 1_000_000;

/// Bytes that what is made here keeps on the heap, and the thing itself.
fn heap_of<T>(make: impl FnOnce() -> T) -> (f64, T) {
    let mut made = None;
    let counted = allocation_counter::measure(|| made = Some(make()));
    (counted.bytes_current as f64, made.expect("made above"))
}

/// Ten functions in a module of their own.
macro_rules! ten_functions {
    ($($module:ident)*) => {$(
        mod $module {
            ten_functions!(@ f0 f1 f2 f3 f4 f5 f6 f7 f8 f9);
        }
    )*};
    (@ $($function:ident)*) => {$(
        #[allow(dead_code, reason = "listed, not called")]
        #[mmf::resilient(retry, breaker, timeout = "1s", bulkhead)]
        async fn $function(id: u64) -> Result<u64, crate::functions::Error> {
            crate::work(id).await
        }
    )*};
}

/// A hundred functions in a module of their own, ten times.
macro_rules! thousand_functions {
    ($($module:ident)*) => {$(
        mod $module {
            ten_functions!(m0 m1 m2 m3 m4 m5 m6 m7 m8 m9);
        }
    )*};
}

thousand_functions!(n0 n1 n2 n3 n4 n5 n6 n7 n8 n9);

fn main() -> std::io::Result<()> {
    let mut table = Table::new("footprint", "bytes");
    let plain = size_of_val(&work(0)) as f64;
    let mut future = |what, size: usize| table.add(what, "MMF", size as f64 - plain);
    future("future, retry: added", size_of_val(&functions::retry(0)));
    future("future, breaker: added", size_of_val(&functions::breaker(0)));
    future("future, timeout: added", size_of_val(&functions::timeout(0)));
    future("future, bulkhead: added", size_of_val(&functions::bulkhead(0)));
    future("future, rate limit: added", size_of_val(&functions::rate_limit(0)));
    future("future, all four: added", size_of_val(&functions::all_four(0)));
    future("future, every policy: added", size_of_val(&functions::every_policy(0)));

    let (heap, breaker) =
        heap_of(|| (0..1000).map(|_| CircuitBreaker::builder("one").build()).collect::<Vec<_>>());
    table.add("closed breaker with its window", "MMF", heap / 1000.0);
    table.note(
        "closed breaker with its window",
        "MMF",
        "by itself",
        size_of::<CircuitBreaker>() as f64,
    );
    drop(breaker);

    let (heap, keyed) = heap_of(|| {
        let keyed = KeyedBreakers::new(CircuitBreaker::builder("keyed"), KEYS as usize);
        (0..KEYS).for_each(|key| drop(keyed.get(&key)));
        keyed
    });
    let what = "breaker by key, of 100000";
    table.add(what, "MMF", heap / f64::from(KEYS));
    let start = Instant::now();
    for lookup in 0..LOOKUPS {
        black_box(keyed.get(&(lookup.wrapping_mul(2_654_435_761) % KEYS)));
    }
    let nanos = start.elapsed().as_nanos() as f64 / f64::from(LOOKUPS);
    table.note(what, "MMF", "ns a lookup", nanos);

    let start = Instant::now();
    let (heap, policies) = heap_of(mmf::resilience::policies);
    let list = start.elapsed().as_micros() as f64;
    let (count, what) = (policies.len() as f64, "annotated function, of 1000");
    assert!(count > 1000.0, "all of them are listed");
    table.add(what, "MMF", heap / count + size_of::<mmf::__private::Site>() as f64);
    table.note(what, "MMF", "us to build and list all", list);
    let start = Instant::now();
    let found = (0..100).filter_map(|_| mmf::resilience::policy("footprint::n9::m9::f9")).count();
    assert_eq!(found, 100, "found by name");
    table.note(what, "MMF", "ns to find one by name", start.elapsed().as_nanos() as f64 / 100.0);
    table.publish()
}
