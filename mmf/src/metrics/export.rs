//! The table for who pushes metrics, such as OTLP: the same names with dots.

use std::sync::OnceLock;
use std::time::Duration;

use super::family::{Family, Value};

/// Names and values of what tells samples apart.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// The counters of the table and its gauges, which are read when they go out; histograms are told as they come, by [`took`]. Their
/// names alone, since nothing is to be asked before there is something to tell.
pub(crate) const COUNTERS: &[&str] = &[
    "mmf_policy_calls",
    "mmf_policy_attempts",
    "mmf_policy_retries",
    "mmf_policy_hedges",
    "mmf_policy_fallbacks",
    "mmf_policy_refusals",
    "mmf_breaker_opened",
    "mmf_requests",
    "mmf_log_lines",
    "mmf_log_lines_lost",
];
pub(crate) const GAUGES: &[&str] = &[
    "mmf_breaker_state",
    "mmf_breaker_failure_ratio",
    "mmf_bulkhead_running",
    "mmf_bulkhead_queued",
    "mmf_bulkhead_limit",
    #[cfg(feature = "health")]
    "mmf_health_check_up",
    #[cfg(feature = "health")]
    "mmf_health_score",
    "mmf_degradation_level",
];

/// What a metric of the table has now.
pub(super) fn samples(families: Vec<Family>, name: &str) -> Vec<(Labels, f64)> {
    let samples = families.into_iter().find(|family| family.name == name);
    let samples = samples.into_iter().flat_map(|family| family.samples);
    samples
        .filter_map(|sample| {
            let value = match sample.value {
                Value::Count(count) => count as f64,
                Value::Number(number) => number,
                Value::Histogram(_) => return None,
            };
            let labels = sample.labels.into_iter();
            Some((labels.map(|(name, label)| (name, label.to_string())).collect(), value))
        })
        .collect()
}

/// The name with dots, and without its unit, which has a place of its own.
pub(crate) fn dotted(name: &str) -> String {
    name.trim_end_matches("_seconds").replace('_', ".")
}

/// Who takes times as they come.
static TAKES: OnceLock<fn(&'static str, Duration, Labels)> = OnceLock::new();

/// Has times told from now on; the first one stays.
pub(super) fn tell_times(takes: fn(&'static str, Duration, Labels)) {
    let _ = TAKES.set(takes);
}

/// Something took so long.
pub(super) fn took(name: &'static str, took: Duration, labels: impl FnOnce() -> Labels) {
    if let Some(takes) = TAKES.get() {
        takes(name, took, labels());
    }
}

#[cfg(test)]
mod tests {
    use super::super::collect;
    use super::super::family::Kind;
    use super::*;

    #[test]
    fn names_have_dots_and_no_unit() {
        assert_eq!(dotted("mmf_policy_call_duration_seconds"), "mmf.policy.call.duration");
        assert_eq!(dotted("mmf_log_lines_lost"), "mmf.log.lines.lost");
    }

    #[test]
    fn what_goes_out_is_the_whole_table() {
        let of = |kind| -> Vec<_> {
            let families = collect::all(0).into_iter().filter(move |family| family.kind == kind);
            families.map(|family| family.name).collect()
        };
        assert_eq!(of(Kind::Counter), COUNTERS);
        assert_eq!(of(Kind::Gauge), GAUGES);
    }
}
