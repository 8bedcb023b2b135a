//! How long attempts took.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::clock;
use crate::resilience::snapshot::Latency;

/// Durations in buckets that grow with them: 16 to each doubling, so that a percentile is off by at
/// most 7 %. Counts are halved from time to time, so that old calls weigh less.
#[derive(Debug)]
pub(in crate::resilience) struct Histogram {
    buckets: Box<[AtomicU32]>,
    count: AtomicU32,
}

impl Histogram {
    pub(super) const ENOUGH: u32 = 20;
    const HALVED_AT: u32 = 10_000;
    const SUB_BITS: u32 = 4;
    /// Up to 2^44 ns, about five hours.
    const BUCKETS: usize = (44 - Self::SUB_BITS as usize + 1) << Self::SUB_BITS;

    pub(in crate::resilience) fn new() -> Self {
        let buckets = (0..Self::BUCKETS).map(|_| AtomicU32::new(0)).collect();
        Self { buckets, count: AtomicU32::new(0) }
    }

    fn bucket(nanos: u64) -> usize {
        let doublings = nanos.max(1).ilog2().saturating_sub(Self::SUB_BITS);
        let bucket = u64::from(doublings << Self::SUB_BITS) + (nanos >> doublings);
        usize::try_from(bucket).unwrap_or(usize::MAX).min(Self::BUCKETS - 1)
    }

    /// The longest duration of a bucket.
    fn upper(bucket: usize) -> u64 {
        let sub = 1 << Self::SUB_BITS;
        let doublings = (bucket / sub).saturating_sub(1);
        let base = bucket - doublings * sub;
        ((base as u64 + 1) << doublings) - 1
    }

    pub(super) fn record(&self, duration: Duration) {
        // Relaxed throughout: statistics; a count lost while halving does no harm.
        let bucket = Self::bucket(clock::saturating_nanos(duration));
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 == Self::HALVED_AT {
            let mut left = 0;
            for bucket in &self.buckets {
                let half = bucket.load(Ordering::Relaxed) / 2;
                bucket.store(half, Ordering::Relaxed);
                left += half;
            }
            self.count.store(left, Ordering::Relaxed);
        }
    }

    pub(super) fn percentile(&self, percentile: f64) -> Option<Duration> {
        // Relaxed: see `record`.
        let count = self.count.load(Ordering::Relaxed);
        if count < Self::ENOUGH {
            return None;
        }
        let wanted = (f64::from(count) * percentile / 100.0).ceil().max(1.0) as u32;
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|bucket| {
            seen += bucket.load(Ordering::Relaxed);
            seen >= wanted
        });
        bucket.map(|bucket| Duration::from_nanos(Self::upper(bucket)))
    }

    pub(super) fn latency(&self) -> Option<Latency> {
        Some(Latency {
            count: u64::from(self.count.load(Ordering::Relaxed)),
            p50: self.percentile(50.0)?,
            p90: self.percentile(90.0)?,
            p99: self.percentile(99.0)?,
        })
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_are_close_to_the_truth() {
        let histogram = Histogram::new();
        for millis in 1..=1000 {
            histogram.record(Duration::from_millis(millis));
        }
        for percentile in [10.0, 50.0, 90.0, 99.0] {
            let millis = histogram.percentile(percentile).unwrap().as_secs_f64() * 1000.0;
            assert!((millis / (percentile * 10.0) - 1.0).abs() < 0.07, "{percentile}: {millis}");
        }
    }

    #[test]
    fn a_few_calls_are_no_percentile() {
        let histogram = Histogram::new();
        (0..19).for_each(|_| histogram.record(Duration::from_millis(1)));
        assert!(histogram.percentile(50.0).is_none());
    }

    proptest! {
        #[test]
        fn a_duration_lies_within_its_bucket(nanos in 0_u64..1 << 44) {
            let bucket = Histogram::bucket(nanos);
            prop_assert!(nanos <= Histogram::upper(bucket));
            prop_assert!(bucket == 0 || nanos > Histogram::upper(bucket - 1));
        }
    }
}
