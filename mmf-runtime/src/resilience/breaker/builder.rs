//! How a breaker is built: each value by its key, held against the rules.

use std::sync::Arc;
use std::time::Duration;

use mmf_rules::keys::{BREAKER, Keys};
use mmf_rules::value::Value;

use super::config::{Config, Rate, Window};
use super::machine::CircuitBreaker;
use crate::resilience::invalid::{Check, InvalidPolicy};
use crate::resilience::name::PolicyName;
use crate::resilience::setting::Values;

impl CircuitBreaker {
    /// The rules that it was built with, with these values in place of their own.
    pub(in crate::resilience) fn prepare(
        &self,
        values: &Values<'_>,
    ) -> Result<Arc<Config>, InvalidPolicy> {
        CircuitBreakerBuilder::changed(&self.name, self.built(), values)
    }

    /// Starts from the defaults: opens after 5 failures in a row or at half of the last 100 calls,
    /// recovers after 60 s by 3 trials.
    pub fn builder(name: impl Into<PolicyName>) -> CircuitBreakerBuilder {
        CircuitBreakerBuilder::new(name)
    }
}

/// Builds a [`CircuitBreaker`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
#[doc(alias = "EnhancedCircuitBreakerConfig")]
#[doc(alias = "CircuitBreakerConfig")]
pub struct CircuitBreakerBuilder {
    name: PolicyName,
    config: Config,
    failure_rate_threshold: f64,
    slow_call_rate_threshold: Option<f64>,
    /// Whether it was set: the default need not fit into a smaller window.
    minimum_throughput: Option<u32>,
    /// Whether it was set: the default need not stay below a smaller `max_recovery_timeout`.
    recovery_timeout: Option<Duration>,
}

impl CircuitBreakerBuilder {
    fn new(name: impl Into<PolicyName>) -> Self {
        Self {
            name: name.into(),
            config: Config::default(),
            failure_rate_threshold: 0.5,
            slow_call_rate_threshold: None,
            minimum_throughput: None,
            recovery_timeout: None,
        }
    }

    /// One that has all the values of a breaker, as if each was written.
    fn of(name: PolicyName, config: &Config) -> Self {
        let slow = config.slow_call_threshold.is_some();
        Self {
            name,
            config: config.clone(),
            failure_rate_threshold: config.failure_rate_threshold.share(),
            slow_call_rate_threshold: slow.then(|| config.slow_call_rate_threshold.share()),
            minimum_throughput: Some(config.minimum_throughput),
            recovery_timeout: Some(config.recovery_timeout),
        }
    }

    /// Sets the value of a key, as it is read from outside.
    fn set(self, key: &str, value: &Value) -> Self {
        match (key, value) {
            ("failure_threshold", Value::Count(failures)) => self.failure_threshold(*failures),
            ("failure_rate_threshold", Value::Number(share)) => self.failure_rate_threshold(*share),
            ("minimum_throughput", Value::Count(calls)) => self.minimum_throughput(*calls),
            ("window", Value::Count(calls)) => self.window(*calls),
            ("window", Value::Time(time)) => self.window(*time),
            ("slow_call_threshold", Value::Time(slow)) => self.slow_call_threshold(*slow),
            ("slow_call_rate_threshold", Value::Number(share)) => {
                self.slow_call_rate_threshold(*share)
            }
            ("recovery_timeout", Value::Time(timeout)) => self.recovery_timeout(*timeout),
            ("recovery_multiplier", Value::Number(factor)) => self.recovery_multiplier(*factor),
            ("max_recovery_timeout", Value::Time(timeout)) => self.max_recovery_timeout(*timeout),
            ("half_open_max_calls", Value::Count(calls)) => self.half_open_max_calls(*calls),
            ("success_threshold", Value::Count(trials)) => self.success_threshold(*trials),
            _ => self,
        }
    }

    /// Consecutive failures that open it; 0 turns this rule off. Default: 5.
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "failure_threshold") });
        self.config.failure_threshold = failures;
        self
    }

    /// Share of failures in the window that opens it; 0.0 turns this rule off. Default: 0.5.
    pub fn failure_rate_threshold(mut self, share: f64) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "failure_rate_threshold") });
        self.failure_rate_threshold = share;
        self
    }

    /// Calls in the window before a rate counts; 0 and more than a window of calls holds are invalid. Default:
    /// 10, or the whole of a smaller window.
    pub fn minimum_throughput(mut self, calls: u32) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "minimum_throughput") });
        self.minimum_throughput = Some(calls);
        self
    }

    /// What the rates are computed over: a number of calls, at most 2^20, or a `Duration`. Default: 100 calls.
    pub fn window(mut self, window: impl Into<Window>) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "window") });
        self.config.window = window.into();
        self
    }

    /// A call at least this slow counts as slow. Default: none does.
    pub fn slow_call_threshold(mut self, threshold: Duration) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "slow_call_threshold") });
        self.config.slow_call_threshold = Some(threshold);
        self
    }

    /// Share of slow calls in the window that opens it; without [`slow_call_threshold`](Self::slow_call_threshold), which
    /// says what slow is, it is invalid. Default: 1.0.
    pub fn slow_call_rate_threshold(mut self, share: f64) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "slow_call_rate_threshold") });
        self.slow_call_rate_threshold = Some(share);
        self
    }

    /// Time from open to half-open; none at all lets the next call be a trial. Default: 60 s, or a shorter
    /// `max_recovery_timeout`.
    pub fn recovery_timeout(mut self, timeout: Duration) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "recovery_timeout") });
        self.recovery_timeout = Some(timeout);
        self
    }

    /// Growth of the recovery time with each failed trial; less than 1.0 is invalid. Default: 1.0.
    pub fn recovery_multiplier(mut self, multiplier: f64) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "recovery_multiplier") });
        self.config.recovery_multiplier = multiplier;
        self
    }

    /// The most that the recovery time grows to; less than the recovery time is invalid. Default: no limit.
    pub fn max_recovery_timeout(mut self, timeout: Duration) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "max_recovery_timeout") });
        self.config.max_recovery_timeout = timeout;
        self
    }

    /// Trial calls let through at once while half-open; 0 is invalid. Default: 3.
    pub fn half_open_max_calls(mut self, calls: u32) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "half_open_max_calls") });
        self.config.half_open_max_calls = calls;
        self
    }

    /// Successful trials that close it; 0 is invalid. Default: 3.
    pub fn success_threshold(mut self, trials: u32) -> Self {
        self.config.written.insert(const { Keys::of(&BREAKER, "success_threshold") });
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

    pub(super) fn name(&self) -> &PolicyName {
        &self.name
    }

    #[track_caller]
    pub(crate) fn into_parts(mut self) -> (PolicyName, Arc<Config>) {
        self.mend().tell(&self.name);
        (self.name.clone(), self.config())
    }

    pub(super) fn config(&self) -> Arc<Config> {
        Arc::new(self.config.clone())
    }

    /// The rules of a breaker with these values in place of their own.
    pub(super) fn changed(
        name: &PolicyName,
        config: &Config,
        values: &Values<'_>,
    ) -> Result<Arc<Config>, InvalidPolicy> {
        let mut builder = values.set(Self::of(name.clone(), config), Self::set);
        builder.mend().refuse()?;
        Ok(builder.config())
    }

    pub(super) fn mend(&mut self) -> Check {
        use mmf_rules::{at_least_one, growth, not_below, positive, share, throughput};
        let mut check = Check::default();
        let config = &mut self.config;
        let failures = &mut self.failure_rate_threshold;
        check.mend(failures, |rate| share("failure_rate_threshold", rate));
        config.failure_rate_threshold = Rate::new(*failures);
        if let Some(slow) = &mut self.slow_call_rate_threshold {
            check.mend(slow, |rate| share("slow_call_rate_threshold", rate));
            config.slow_call_rate_threshold = Rate::new(*slow);
            let alone = mmf_rules::slow_rate(config.slow_call_threshold.is_some());
            check.add("slow_call_rate_threshold", alone);
        }
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
        let default = || config.recovery_timeout.min(config.max_recovery_timeout);
        config.recovery_timeout = self.recovery_timeout.unwrap_or_else(default);
        let least = ("recovery_timeout", config.recovery_timeout);
        check.mend(&mut config.max_recovery_timeout, |max| {
            not_below(("max_recovery_timeout", max), least)
        });
        let never = mmf_rules::never_opens(
            config.failure_threshold,
            self.failure_rate_threshold,
            config.slow_call_threshold.is_some(),
        );
        check.add("failure_threshold", never);
        check
    }
}
