//! Every value that a policy goes by.

use std::time::Duration;

use mmf_rules::value::Value;

use super::breaker::CircuitBreaker;
use super::bulkhead::Bulkhead;
use super::error::Refusals;
use super::fallback::StaleValues;
use super::feature::Gate;
use super::hedge::HedgePolicy;
use super::keyed::Keyed;
use super::rate_limit::RateLimiter;
use super::registry::Policy;
use super::retry::RetryPolicy;
use super::setting::Setting;

impl Policy {
    /// Every value that it goes by now.
    ///
    /// ```
    /// # use mmf_runtime as mmf;
    /// use std::time::Duration;
    /// use mmf::resilience::Pipeline;
    ///
    /// let users = Pipeline::builder("users.settings").timeout(Duration::from_secs(2)).build();
    /// let [timeout] = &users.policy().settings()[..] else { panic!() };
    /// assert_eq!((timeout.key, timeout.value.to_string()), ("timeout", "\"2s\"".into()));
    /// ```
    pub fn settings(&self) -> Vec<Setting> {
        let shown = self.shown();
        let tuning = shown.tuning.get();
        let mut settings = Vec::new();
        let off = |group: &str| -> Option<Setting> {
            let key = OFF.into_iter().find(|key| key.strip_suffix("enabled") == Some(group))?;
            let values = tuning.map(|tuning| tuning.values.as_slice()).unwrap_or_default();
            let (_, value) = values.iter().find(|(other, _)| other == key)?;
            Some(Setting { key, value: value.clone(), is_written: true })
        };
        settings.extend(off(""));
        let limit = |key, built: Option<Duration>, tuned: Option<Duration>| {
            let value = Value::Time(tuned.or(built)?);
            Some(Setting { key, value, is_written: true })
        };
        settings.extend(limit("deadline", shown.deadline, tuning.and_then(|t| t.deadline)));
        settings.extend(limit("timeout", shown.timeout, tuning.and_then(|t| t.timeout)));
        let [retried, failures, answered] = shown.refusals;
        let refusals =
            |key, written: Option<Refusals>, tuned: Option<Refusals>, default: Refusals| {
                let value = Value::Words(tuned.or(written).unwrap_or(default).words());
                Setting { key, value, is_written: written.is_some() }
            };
        if shown.retry.is_some() || shown.local.contains(&"retry") {
            settings.extend(off("retry."));
            let now = shown.retry.map(|built| tuning.map_or(built, |t| t.retry.shown(built)));
            settings.extend(now.map(RetryPolicy::settings).unwrap_or_default());
            let tuned = tuning.and_then(|tuning| tuning.retried);
            settings.push(refusals("retry.on_refusal", retried, tuned, Refusals::RETRIED));
        }
        if shown.breaker.is_some() || shown.breakers.is_some() || shown.local.contains(&"breaker") {
            settings.extend(off("breaker."));
            settings.extend(shown.breaker.map(CircuitBreaker::settings).unwrap_or_default());
            settings.extend(shown.breakers.map(Keyed::settings).unwrap_or_default());
            let tuned = tuning.and_then(|tuning| tuning.failures);
            settings.push(refusals("breaker.on_refusal", failures, tuned, Refusals::FAILURES));
        }
        settings.extend(off("rate_limit."));
        settings.extend(shown.rate_limit.map(RateLimiter::settings).unwrap_or_default());
        settings.extend(shown.rate_limits.map(Keyed::settings).unwrap_or_default());
        settings.extend(off("bulkhead."));
        settings.extend(shown.bulkhead.map(Bulkhead::settings).unwrap_or_default());
        settings.extend(shown.bulkheads.map(Keyed::settings).unwrap_or_default());
        settings.extend(off("hedge."));
        let now = shown.hedge.map(|built| tuning.map_or(built, |t| t.hedge.shown(built)));
        settings.extend(now.map(HedgePolicy::settings).unwrap_or_default());
        if shown.has_fallback {
            settings.extend(off("fallback."));
            settings.extend(shown.stale.map(StaleValues::settings).unwrap_or_default());
            let tuned = tuning.and_then(|tuning| tuning.answered);
            settings.push(refusals("fallback.on_refusal", answered, tuned, Refusals::ALL));
        }
        settings.extend(shown.feature.and_then(Gate::setting));
        settings
    }
}

/// What is turned off, where it is.
const OFF: [&str; 7] = [
    "enabled",
    "retry.enabled",
    "breaker.enabled",
    "rate_limit.enabled",
    "bulkhead.enabled",
    "hedge.enabled",
    "fallback.enabled",
];
