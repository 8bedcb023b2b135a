//! What is written in `#[performance_test(…)]`.

use std::time::Duration;

use crate::common::errors::Errors;
use crate::common::keys::{Code, PathValue, Text, keys};
use crate::common::size::Size;
use crate::common::value::Value;

keys! {
    /// The whole attribute.
    struct Args {
        endpoint: Text,
        iterations: Value<u64>,
        duration: Value<Duration>,
        warm_up: Value<u64>,
        concurrency: Value<u32>,
        rate: Value<f64>,
        allow_missed_rate: Value<bool>,
        percentile: Value<f64>,
        max_response_time: Value<Duration>,
        max_memory: Value<Size>,
        max_cpu: Value<f64>,
        min_throughput: Value<f64>,
        max_error_rate: Value<f64>,
        baseline: Text,
        pid: Code,
        krate as "crate": PathValue,
    }
}

impl Args {
    /// What can never be measured, or never be kept.
    pub(super) fn check(&self, errors: &mut Errors) {
        if let (Some(iterations), Some(_)) = (&self.iterations, &self.duration) {
            errors.push(iterations.span(), "`iterations` and `duration` exclude each other");
        }
        if let Some(value) = self.iterations.as_ref().filter(|value| value.literal() == Some(&0)) {
            errors.push(value.span(), "`iterations` must be at least 1");
        }
        if let Some(value) =
            self.duration.as_ref().filter(|value| value.literal() == Some(&Duration::ZERO))
        {
            errors.push(value.span(), "`duration` must be above 0");
        }
        if let Some(value) = self.concurrency.as_ref().filter(|value| value.literal() == Some(&0)) {
            errors.push(value.span(), "`concurrency` must be at least 1");
        }
        for (key, value) in [("rate", &self.rate), ("max_cpu", &self.max_cpu)] {
            if let Some(Value::Literal(number, span)) = value
                && *number <= 0.0
            {
                errors.push(*span, format!("`{key}` must be above 0"));
            }
        }
        if let Some(Value::Literal(share, span)) = &self.max_error_rate
            && !(0.0..=1.0).contains(share)
        {
            errors.push(*span, "`max_error_rate` must lie between 0 and 1");
        }
        if let (Some(allow), None) = (&self.allow_missed_rate, &self.rate) {
            errors.push(allow.span(), "`allow_missed_rate` needs a rate: `rate = 100.0`");
        }
        percentile(self.percentile.as_ref(), errors);
        if let Some(Text { text, span }) = &self.baseline
            && (text.is_empty() || text.contains(['/', '\\', '.']))
        {
            errors.push(*span, "`baseline` is a name such as `\"users-list\"`, without a path");
        }
        if let (Some(Value::Literal(least, span)), Some(Value::Literal(rate, _))) =
            (&self.min_throughput, &self.rate)
            && least > rate
        {
            errors.push(
                *span,
                format!("`min_throughput` is above the `rate` of {rate}: no run could reach it"),
            );
        }
    }
}

/// A percentile lies above 0 and up to 100.
pub(crate) fn percentile(value: Option<&Value<f64>>, errors: &mut Errors) {
    if let Some(Value::Literal(percentile, span)) = value
        && !(*percentile > 0.0 && *percentile <= 100.0)
    {
        errors.push(*span, "`percentile` lies above 0 and up to 100: `percentile = 95`");
    }
}
