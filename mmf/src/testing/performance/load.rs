//! The load of a measurement: which run is next, and when; and the workers that run it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::testing::body::{Verdict, attempt};

/// Which run is next, and when.
#[derive(Debug)]
pub(super) struct Plan {
    next: AtomicU64,
    start: Instant,
    iterations: u64,
    until: Option<Instant>,
    rate: Option<f64>,
}

impl Plan {
    /// A plan that begins now: so many runs, or as many as begin in that time.
    pub(super) fn new(iterations: u64, duration: Option<Duration>, rate: Option<f64>) -> Self {
        let start = Instant::now();
        Self {
            next: AtomicU64::new(0),
            start,
            iterations: if duration.is_some() { u64::MAX } else { iterations },
            until: duration.map(|duration| start + duration),
            rate,
        }
    }

    /// When the next run is to start; nothing where there is none.
    fn take(&self) -> Option<Instant> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = match self.rate {
            Some(rate) => self.start + Duration::from_secs_f64(number as f64 / rate),
            None => Instant::now(),
        };
        (number < self.iterations && self.until.is_none_or(|until| due < until)).then_some(due)
    }
}

/// What a worker has measured, in nanoseconds.
#[derive(Debug)]
pub(super) struct Worked {
    pub(super) times: Histogram<u64>,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
}

impl Worked {
    pub(super) fn new() -> Self {
        // Up to an hour, by three digits; what takes longer counts as one.
        let times =
            Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("these bounds are allowed");
        Self { times, errors: 0, first_error: None }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.times += other.times;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// Runs the body as often as the plan says.
pub(super) async fn work<F, R>(plan: Arc<Plan>, body: impl Fn() -> F + Clone) -> Worked
where
    F: Future<Output = R>,
    R: Verdict,
{
    let mut worked = Worked::new();
    while let Some(due) = plan.take() {
        if plan.rate.is_some() {
            tokio::time::sleep_until(due).await;
        }
        let outcome = attempt(body.clone()).await;
        let nanos = u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX);
        worked.times.saturating_record(nanos.max(1));
        if let Err(failure) = outcome {
            worked.errors += 1;
            worked.first_error.get_or_insert_with(|| failure.to_string());
        }
    }
    worked
}
