//! What a user has set on a rate limiter, and what follows from it.

use std::time::Duration;

use mmf_rules::keys::{Keys, RATE_LIMIT};
use mmf_rules::value::Value;

use crate::clock::Ticker;
use crate::resilience::setting::{Setting, Settings};

/// Times are kept in 32nds of a tick of the clock, of about a nanosecond, so that an interval of a few is not off
/// by much. A process may run for two years by a counter of 3 GHz.
pub(super) const FRACTION_BITS: u32 = 5;
/// The longest time, 70 days by such a counter, with room for sums of several.
pub(super) const LONGEST: u64 = 1 << 59;

/// The limits of a bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub(super) permits: u32,
    pub(super) period: Duration,
    pub(super) burst: u32,
    pub(super) max_wait: Duration,
    /// From one permit to the next.
    pub(super) interval: u64,
    /// How far the arrival time may run ahead of now: `burst - 1` intervals.
    pub(super) tolerance: u64,
    /// Which of them were written.
    pub(super) written: Keys,
}

impl Limits {
    pub(super) fn new(
        (permits, period, burst): (u32, Duration, u32),
        max_wait: Duration,
        written: Keys,
    ) -> Self {
        // Rounded up: a limit is never more than it says.
        let ticks = Ticker::new().ticks(period.as_nanos(), FRACTION_BITS);
        let interval = ticks.div_ceil(u128::from(permits));
        let interval = u64::try_from(interval).unwrap_or(LONGEST).min(LONGEST);
        let tolerance = interval.saturating_mul(u64::from(burst) - 1).min(LONGEST);
        Self { permits, period, burst, max_wait, interval, tolerance, written }
    }

    /// The values that a limiter goes by.
    pub(super) fn settings(&self) -> Vec<Setting> {
        Settings::of(&RATE_LIMIT, self.written)
            .with("rate_limit.permits", Value::Count(self.permits))
            .with("rate_limit.period", Value::Time(self.period))
            .with("rate_limit.burst", Value::Count(self.burst))
            .with("rate_limit.max_wait", Value::Time(self.max_wait))
            .all()
    }

    /// An arrival time that runs so far ahead by these limits, by others, and what is cut of it: as many permits are taken as
    /// were, but no more than an empty bucket has. What does not divide evenly is rounded against the caller.
    pub(super) fn ahead_by(&self, ahead: u64, other: &Self) -> (u64, u64) {
        let taken = u128::from(ahead) * u128::from(other.interval);
        let ahead = taken.div_ceil(u128::from(self.interval.max(1)));
        let ahead = u64::try_from(ahead).unwrap_or(u64::MAX).min(LONGEST);
        let empty = other.tolerance.saturating_add(other.interval);
        (ahead.min(empty), ahead.saturating_sub(empty))
    }
}
