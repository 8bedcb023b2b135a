//! Instructions of a hundred calls through each policy, counted by Callgrind: the same on a busy
//! machine as on an idle one.
//!
//! `cargo install gungraun-runner --version 0.20.0 && cargo bench -p mmf-benches --bench instructions`,
//! with valgrind installed. With `--features operating` the last rows are with the page's recorder, and under metrics and a
//! configuration.

#![allow(missing_docs, reason = "gungraun's macros make public items")]

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use gungraun::{library_benchmark, library_benchmark_group, main};

fn calls<F: Future>(count: u64, call: impl Fn(u64) -> F) {
    let mut context = Context::from_waker(Waker::noop());
    for id in 0..count {
        let poll = pin!(call(id)).poll(&mut context);
        assert!(matches!(black_box(poll), Poll::Ready(_)), "ready at once");
    }
}

/// Metrics of all calls, and a value for each policy.
fn operated() {
    #[cfg(feature = "operating")]
    {
        mmf::metrics::enable();
        mmf::config::apply(mmf_benches::functions::CONFIGURATION).expect("it has all four");
    }
}

/// The page and its recorder, with nobody looking.
fn recorded() {
    #[cfg(feature = "operating")]
    drop(mmf::admin::router());
}

macro_rules! rows {
    ($($row:ident = $function:path $(, $before:path)?;)*) => {
        /// The first call builds the policy.
        mod warmed {
            $(
                pub(super) fn $row(count: u64) -> u64 {
                    $($before();)?
                    super::calls(1, $function);
                    count
                }
            )*
        }
        $(
            #[library_benchmark]
            #[bench::hundred_calls(args = (100), setup = warmed::$row)]
            fn $row(count: u64) {
                calls(count, $function);
            }
        )*
        library_benchmark_group!(name = policies, benchmarks = [$($row),*]);
    };
}

rows! {
    nothing = mmf_benches::functions::work;
    retry = mmf_benches::functions::retry;
    closed_breaker = mmf_benches::functions::breaker;
    timeout = mmf_benches::functions::timeout;
    bulkhead = mmf_benches::functions::bulkhead;
    rate_limit = mmf_benches::functions::rate_limit;
    all_four = mmf_benches::functions::all_four;
    all_four_recorded = mmf_benches::functions::all_four, super::recorded;
    all_four_operated = mmf_benches::functions::all_four, super::operated;
}

main!(library_benchmark_groups = policies);
