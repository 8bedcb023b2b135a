//! What a user has set on a breaker.

use std::time::Duration;

use mmf_rules::keys::{BREAKER, Keys};
use mmf_rules::value::Value;

use crate::clock;
use crate::resilience::setting::{Setting, Settings, describe};

/// Which calls the failure rate is computed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so many calls.
    Calls(u32),
    /// The calls of so much time, in 10 buckets.
    Time(Duration),
}

impl From<u32> for Window {
    fn from(calls: u32) -> Self {
        Self::Calls(calls)
    }
}

impl From<Duration> for Window {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

/// A share of calls, kept in billionths so that 0.07 of 100 is 7. Zero means "no such rule".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate(u64);

impl Rate {
    const WHOLE: u64 = 1_000_000_000;

    pub(super) fn new(share: f64) -> Self {
        Self((share * Self::WHOLE as f64).round() as u64)
    }

    pub(super) fn share(self) -> f64 {
        self.0 as f64 / Self::WHOLE as f64
    }

    pub(super) fn is_off(self) -> bool {
        self.0 == 0
    }

    /// Whether `part` of `total` is at least this share.
    pub(super) fn is_reached(self, part: u64, total: u64) -> bool {
        !self.is_off()
            && u128::from(part) * u128::from(Self::WHOLE) >= u128::from(self.0) * u128::from(total)
    }
}

/// The configuration of a breaker, shared by all breakers of a keyed one.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub(super) failure_threshold: u32,
    pub(super) failure_rate_threshold: Rate,
    pub(super) minimum_throughput: u32,
    pub(super) window: Window,
    pub(super) slow_call_threshold: Option<Duration>,
    pub(super) slow_call_rate_threshold: Rate,
    pub(super) recovery_timeout: Duration,
    pub(super) recovery_multiplier: f64,
    pub(super) max_recovery_timeout: Duration,
    pub(super) half_open_max_calls: u32,
    pub(super) success_threshold: u32,
    /// Which of them were written.
    pub(super) written: Keys,
}

impl Config {
    /// Whether a closed breaker looks at the clock.
    pub(super) fn is_timed(&self) -> bool {
        self.slow_call_threshold.is_some() || matches!(self.window, Window::Time(_))
    }

    /// The values that a breaker goes by.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let slow = self.slow_call_threshold;
        let longest = self.max_recovery_timeout;
        let window = match self.window {
            Window::Calls(calls) => Value::Count(calls),
            Window::Time(time) => Value::Time(time),
        };
        let rate = |rate: Rate| Value::Number(rate.share());
        Settings::of(&BREAKER, self.written)
            .with("breaker.failure_threshold", Value::Count(self.failure_threshold))
            .with("breaker.failure_rate_threshold", rate(self.failure_rate_threshold))
            .with("breaker.minimum_throughput", Value::Count(self.minimum_throughput))
            .with("breaker.window", window)
            .maybe("breaker.slow_call_threshold", slow.map(Value::Time))
            .maybe(
                "breaker.slow_call_rate_threshold",
                slow.map(|_| rate(self.slow_call_rate_threshold)),
            )
            .with("breaker.recovery_timeout", Value::Time(self.recovery_timeout))
            .with("breaker.recovery_multiplier", Value::Number(self.recovery_multiplier))
            .maybe(
                "breaker.max_recovery_timeout",
                (longest != Duration::MAX).then_some(Value::Time(longest)),
            )
            .with("breaker.half_open_max_calls", Value::Count(self.half_open_max_calls))
            .with("breaker.success_threshold", Value::Count(self.success_threshold))
            .all()
    }

    /// As one would write it in the attribute.
    pub(super) fn describe(&self) -> String {
        describe("breaker", &self.settings())
    }

    /// How long the breaker stays open after so many failed trials in a row, in nanoseconds.
    pub(super) fn recovery_nanos(&self, failed_trials: u32) -> u64 {
        let base = clock::saturating_nanos(self.recovery_timeout);
        let exponent = i32::try_from(failed_trials).unwrap_or(i32::MAX);
        let grown = base as f64 * self.recovery_multiplier.powi(exponent);
        let grown = if self.recovery_multiplier > 1.0 { grown as u64 } else { base };
        grown.min(clock::saturating_nanos(self.max_recovery_timeout).max(base))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            failure_rate_threshold: Rate::new(0.5),
            minimum_throughput: 10,
            window: Window::Calls(100),
            slow_call_threshold: None,
            slow_call_rate_threshold: Rate::new(1.0),
            recovery_timeout: Duration::from_secs(60),
            recovery_multiplier: 1.0,
            max_recovery_timeout: Duration::MAX,
            half_open_max_calls: 3,
            success_threshold: 3,
            written: Keys::default(),
        }
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_calls_has_no_floating_point_surprises() {
        for percent in 1..=100_u64 {
            let rate = Rate::new(percent as f64 / 100.0);
            assert!(rate.is_reached(percent, 100), "{percent} of 100");
            assert!(!rate.is_reached(percent - 1, 100), "{percent} of 100");
        }
    }

    #[test]
    fn the_recovery_time_grows_up_to_its_limit() {
        let config = Config {
            recovery_timeout: Duration::from_secs(1),
            recovery_multiplier: 2.0,
            max_recovery_timeout: Duration::from_secs(5),
            ..Config::default()
        };
        let seconds = |failed| config.recovery_nanos(failed) / 1_000_000_000;
        assert_eq!([0, 1, 2, 3, 400].map(seconds), [1, 2, 4, 5, 5]);
    }

    #[test]
    fn the_longest_recovery_time_does_not_overflow() {
        let config = Config { recovery_timeout: Duration::MAX, ..Config::default() };
        assert_eq!(config.recovery_nanos(1000), u64::MAX);
    }
}
