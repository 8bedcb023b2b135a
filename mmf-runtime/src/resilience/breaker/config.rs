//! What a user sets on a breaker.

use std::sync::Arc;
use std::time::Duration;

use super::machine::CircuitBreaker;
use crate::clock;
use crate::resilience::invalid::{Check, InvalidPolicy};
use crate::resilience::name::PolicyName;

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

    fn new(share: f64) -> Self {
        Self((share * Self::WHOLE as f64).round() as u64)
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
pub(crate) struct Config {
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
}

impl Config {
    /// Whether a closed breaker looks at the clock.
    pub(super) fn is_timed(&self) -> bool {
        self.slow_call_threshold.is_some() || matches!(self.window, Window::Time(_))
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
        }
    }
}

/// Builds a [`CircuitBreaker`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct CircuitBreakerBuilder {
    name: PolicyName,
    config: Config,
    failure_rate_threshold: f64,
    slow_call_rate_threshold: f64,
    /// Whether it was set: the default need not fit into a smaller window.
    minimum_throughput: Option<u32>,
}

impl CircuitBreakerBuilder {
    pub(super) fn new(name: impl Into<PolicyName>) -> Self {
        Self {
            name: name.into(),
            config: Config::default(),
            failure_rate_threshold: 0.5,
            slow_call_rate_threshold: 1.0,
            minimum_throughput: None,
        }
    }

    /// Consecutive failures that open it; 0 turns this rule off. Default: 5.
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.config.failure_threshold = failures;
        self
    }

    /// Share of failures in the window that opens it; 0.0 turns this rule off. Default: 0.5.
    pub fn failure_rate_threshold(mut self, share: f64) -> Self {
        self.failure_rate_threshold = share;
        self
    }

    /// Calls in the window before a rate counts; 0 and more than a window of calls holds are invalid. Default:
    /// 10, or the whole of a smaller window.
    pub fn minimum_throughput(mut self, calls: u32) -> Self {
        self.minimum_throughput = Some(calls);
        self
    }

    /// What the rates are computed over: a number of calls, at most 2^20, or a `Duration`. Default: 100 calls.
    pub fn window(mut self, window: impl Into<Window>) -> Self {
        self.config.window = window.into();
        self
    }

    /// A call at least this slow counts as slow. Default: none does.
    pub fn slow_call_threshold(mut self, threshold: Duration) -> Self {
        self.config.slow_call_threshold = Some(threshold);
        self
    }

    /// Share of slow calls in the window that opens it. Default: 1.0.
    pub fn slow_call_rate_threshold(mut self, share: f64) -> Self {
        self.slow_call_rate_threshold = share;
        self
    }

    /// Time from open to half-open; none at all lets the next call be a trial. Default: 60 s.
    pub fn recovery_timeout(mut self, timeout: Duration) -> Self {
        self.config.recovery_timeout = timeout;
        self
    }

    /// Growth of the recovery time with each failed trial; less than 1.0 is invalid. Default: 1.0.
    pub fn recovery_multiplier(mut self, multiplier: f64) -> Self {
        self.config.recovery_multiplier = multiplier;
        self
    }

    /// The most that the recovery time grows to; less than the recovery time is invalid. Default: no limit.
    pub fn max_recovery_timeout(mut self, timeout: Duration) -> Self {
        self.config.max_recovery_timeout = timeout;
        self
    }

    /// Trial calls let through at once while half-open; 0 is invalid. Default: 3.
    pub fn half_open_max_calls(mut self, calls: u32) -> Self {
        self.config.half_open_max_calls = calls;
        self
    }

    /// Successful trials that close it; 0 is invalid. Default: 3.
    pub fn success_threshold(mut self, trials: u32) -> Self {
        self.config.success_threshold = trials;
        self
    }

    /// The breaker, closed. A value that can never work is cut to the nearest that can, which is told by a
    /// warning: shares are cut to 0..=1 (what is no number means 0.0, which turns the rule off), a multiplier
    /// below 1.0 means 1.0, a number of which one is needed means 1, a window is cut to 1..=2^20 calls, a
    /// `minimum_throughput` to the window, `max_recovery_timeout` is at least the recovery time.
    #[track_caller]
    pub fn build(self) -> CircuitBreaker {
        let (name, config) = self.into_parts();
        CircuitBreaker::new(name, None, config)
    }

    /// The breaker, where all its values can work.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy`] with all that is wrong.
    pub fn try_build(mut self) -> Result<CircuitBreaker, InvalidPolicy> {
        self.mend().refuse()?;
        Ok(CircuitBreaker::new(self.name, None, Arc::new(self.config)))
    }

    #[track_caller]
    pub(crate) fn into_parts(mut self) -> (PolicyName, Arc<Config>) {
        self.mend().tell(&self.name);
        (self.name, Arc::new(self.config))
    }

    fn mend(&mut self) -> Check {
        use mmf_rules::{at_least_one, growth, not_below, positive, share, throughput};
        let mut check = Check::default();
        for (key, rate, kept) in [
            (
                "failure_rate_threshold",
                &mut self.failure_rate_threshold,
                &mut self.config.failure_rate_threshold,
            ),
            (
                "slow_call_rate_threshold",
                &mut self.slow_call_rate_threshold,
                &mut self.config.slow_call_rate_threshold,
            ),
        ] {
            check.mend(rate, |rate| share(key, rate));
            *kept = Rate::new(*rate);
        }
        let config = &mut self.config;
        let most = match &mut config.window {
            Window::Calls(calls) => {
                check.mend(calls, mmf_rules::window_calls);
                *calls
            }
            Window::Time(time) => {
                check.mend(time, mmf_rules::window_time);
                u32::MAX
            }
        };
        config.minimum_throughput = match self.minimum_throughput {
            None => config.minimum_throughput.min(most),
            Some(mut calls) => {
                check.mend(&mut calls, |calls| at_least_one("minimum_throughput", calls));
                if !config.failure_rate_threshold.is_off() {
                    check.mend(&mut calls, |calls| throughput(calls, most));
                }
                calls
            }
        };
        for (key, number) in [
            ("half_open_max_calls", &mut config.half_open_max_calls),
            ("success_threshold", &mut config.success_threshold),
        ] {
            check.mend(number, |number| at_least_one(key, number));
        }
        let multiplier = &mut config.recovery_multiplier;
        check.mend(multiplier, |factor| growth("recovery_multiplier", factor));
        if let Some(slow) = &mut config.slow_call_threshold {
            check.mend(slow, |slow| positive("slow_call_threshold", slow));
        }
        let least = ("recovery_timeout", config.recovery_timeout);
        check.mend(&mut config.max_recovery_timeout, |max| {
            not_below(("max_recovery_timeout", max), least, "")
        });
        check.add(mmf_rules::never_opens(
            config.failure_threshold,
            self.failure_rate_threshold,
            config.slow_call_threshold.is_some(),
        ));
        check
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
