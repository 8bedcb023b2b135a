//! How often a baseline finds a service that became a fifth slower, and how often it raises a false alarm:
//! trials of ten runs to remember and one to judge, confirmed as `#[performance_test(baseline = …)]` does.
//!
//! `cargo run --release -p mmf-benches --features testing --bin regressions [-- --rounds TRIALS]`

use std::hint::black_box;
use std::time::Instant;

use mmf::testing::{BaselineRun, Comparison, PerformanceBaseline};
use mmf_benches::table::rounds;

const REMEMBERED: usize = 10;
const CONFIRMATIONS: usize = 3;
const CALLS: usize = 200;

/// The work of one call, as much as `share` says.
fn call(share: f64) {
    let mut list: Vec<u64> =
        (0..(2_000.0 * share) as u64).map(|n| n.wrapping_mul(2_654_435_761)).collect();
    list.sort_unstable();
    black_box(list);
}

/// The lower quartile of a run, in milliseconds.
fn run(share: f64) -> BaselineRun {
    let mut times: Vec<_> = (0..CALLS)
        .map(|_| {
            let start = Instant::now();
            call(share);
            start.elapsed()
        })
        .collect();
    times.sort();
    BaselineRun::here(times[CALLS / 4].as_secs_f64() * 1000.0)
}

/// Whether a run of this share is reported as slower than ten of the whole.
fn is_reported(share: f64) -> bool {
    let mut baseline = PerformanceBaseline::default();
    for _ in 0..REMEMBERED {
        baseline.accept(run(1.0));
    }
    let is_slower = || matches!(baseline.compare(&run(share)), Comparison::Slower { .. });
    (0..=CONFIRMATIONS).all(|_| is_slower())
}

fn main() {
    let trials = rounds(20);
    for (name, share) in [("unchanged", 1.0), ("10 % slower", 1.1), ("20 % slower", 1.2)] {
        let reported = (0..trials).filter(|_| is_reported(share)).count();
        println!("{name:12} reported in {reported} of {trials} trials");
    }
}
