//! What metrics cost: nanoseconds a call under four policies without and with them, each round in a process of its own, as they
//! cannot be turned off again; the time of a scrape of a thousand policies; and the allocations of a call.
//!
//! `cargo run --release -p mmf-benches --features operating --bin cost_of_metrics [-- --rounds N --json FILE --svg FILE]`

use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use mmf::resilience::{Bulkhead, CircuitBreaker, Pipeline};
use mmf_benches::functions::all_four;
use mmf_benches::table::{Table, rounds};

const CALLS: u64 = 400_000;
const POLICIES: usize = 1000;
const SCRAPES: u32 = 20;

/// Nanoseconds a call, and its allocations.
async fn calls() -> (f64, u64) {
    let round = async |calls: u64| {
        let start = Instant::now();
        for id in 0..calls {
            black_box(all_four(id).await).expect("it succeeds");
        }
        start.elapsed().as_nanos() as f64 / calls as f64
    };
    round(CALLS / 10).await;
    let nanos = tokio::task::unconstrained(round(CALLS)).await;
    let counted = allocation_counter::measure(|| {
        let mut call = std::pin::pin!(all_four(0));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut context).is_ready(), "it waits");
    });
    (nanos, counted.count_total)
}

/// Microseconds a scrape of so many policies.
fn scrape() -> f64 {
    let policies: Vec<_> = (0..POLICIES)
        .map(|number| {
            let name = format!("policy {number}");
            let breaker = CircuitBreaker::builder(name.clone()).build();
            let bulkhead = Bulkhead::builder(name.clone()).build();
            Pipeline::builder(name).breaker(breaker).bulkhead(bulkhead).build()
        })
        .collect();
    black_box(mmf::metrics::prometheus());
    let start = Instant::now();
    for _ in 0..SCRAPES {
        black_box(mmf::metrics::prometheus());
    }
    drop(policies);
    start.elapsed().as_secs_f64() * 1e6 / f64::from(SCRAPES)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(role) = std::env::var("MMF_BENCH_ROLE") {
        if role == "with" {
            mmf::metrics::enable();
        }
        let (nanos, allocations) = calls().await;
        println!("{nanos} {allocations} {}", scrape());
        return Ok(());
    }
    let mut table = Table::new("cost of metrics", "ns/call");
    let mut scrapes = Vec::new();
    for _ in 0..rounds(11) {
        for (role, by) in [("without", "without metrics"), ("with", "MMF")] {
            let output =
                Command::new(std::env::current_exe()?).env("MMF_BENCH_ROLE", role).output()?;
            let text = String::from_utf8(output.stdout)?;
            let mut numbers = text.split_whitespace().map(str::parse::<f64>);
            let mut next =
                || numbers.next().ok_or("a number is missing")?.map_err(Box::<dyn Error>::from);
            table.add("all four policies", by, next()?);
            table.note("all four policies", by, "allocations", next()?);
            scrapes.push(next()?);
        }
    }
    scrapes.sort_by(f64::total_cmp);
    table.publish()?;
    println!("a scrape of {POLICIES} policies: {:.2} ms", scrapes[scrapes.len() / 2] / 1000.0);
    Ok(())
}
