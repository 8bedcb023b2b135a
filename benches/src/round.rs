//! The time and the allocations of a call, on one thread.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::task::unconstrained;

use crate::table::Table;

const CALLS: u32 = 20_000;

/// Times a round of each contender in turn.
#[derive(Debug)]
pub struct Round<'t>(pub &'t mut Table);

impl Round<'_> {
    /// Times so many calls of a contender, and counts the allocations of one.
    pub async fn time<T>(
        &mut self,
        work: &str,
        by: &'static str,
        mut call: impl AsyncFnMut(u64) -> T,
    ) {
        let start = Instant::now();
        // Unconstrained: otherwise tokio's own primitives send the task round its scheduler every 128
        // calls, which is no cost of theirs.
        unconstrained(async {
            for id in 0..CALLS {
                black_box(call(u64::from(id)).await);
            }
        })
        .await;
        self.0.add(work, by, start.elapsed().as_nanos() as f64 / f64::from(CALLS));
        // Counted apart from the time: each of these calls is ready when it is polled.
        let counted = allocation_counter::measure(|| {
            let mut call = pin!(unconstrained(call(0)));
            let poll = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(poll, Poll::Ready(_)), "{by} waits");
        });
        self.0.note(work, by, "allocations", counted.count_total as f64);
    }
}
