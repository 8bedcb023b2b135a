//! What a measurement must not exceed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::load::Worked;
use super::report::PerformanceReport;
use crate::testing::text::text_of_bytes;

/// What must not be exceeded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Of the time, at the percentile.
    pub max_response_time: Option<Duration>,
    /// Of resident memory above the start, in bytes.
    pub max_memory: Option<u64>,
    /// Of the processor, in per cent of one.
    pub max_cpu: Option<f64>,
    /// How many end a second, at the least.
    pub min_throughput: Option<f64>,
    /// The share of failures. Without, none is allowed.
    pub max_error_rate: Option<f64>,
}

impl Limits {
    /// Those that are given, by the name and in the unit of the record.
    pub(super) fn by_key(&self) -> BTreeMap<String, f64> {
        let limits = [
            (
                "max_response_time_ms",
                self.max_response_time.map(|time| time.as_secs_f64() * 1000.0),
            ),
            ("max_memory_bytes", self.max_memory.map(|bytes| bytes as f64)),
            ("max_cpu_percent", self.max_cpu),
            ("min_throughput", self.min_throughput),
            ("max_error_rate", self.max_error_rate),
        ];
        limits.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), limit?))).collect()
    }

    /// What was exceeded becomes a reason of the report.
    pub(super) fn judge(&self, report: &mut PerformanceReport, all: &Worked, percentile: f64) {
        let measured = report.measured.clone();
        if measured.iterations == 0 {
            return report.fail("nothing ran, so that nothing was measured");
        }
        let rate = measured.errors as f64 / measured.iterations.max(1) as f64;
        if rate > self.max_error_rate.unwrap_or(0.0) {
            let first = all.first_error.as_deref().unwrap_or_default();
            report.fail(&format!(
                "{} of {} runs failed; the first: {first}",
                measured.errors, measured.iterations
            ));
        }
        if let Some(limit) = self.max_response_time {
            let measured = Duration::from_nanos(all.times.value_at_percentile(percentile));
            if measured > limit {
                report.fail(&format!(
                    "the {percentile}th percentile took {measured:.1?}, at most {limit:?} was allowed"
                ));
            }
        }
        if let Some(limit) = self.max_memory {
            match measured.peak_memory_bytes {
                Some(peak) if peak > limit => report.fail(&format!(
                    "memory rose by {}, at most {} was allowed",
                    text_of_bytes(peak),
                    text_of_bytes(limit)
                )),
                Some(_) => {}
                None => {
                    report.fail("memory cannot be measured on this system, and is limited");
                }
            }
        }
        if let Some(limit) = self.max_cpu.filter(|limit| measured.cpu_percent > *limit) {
            report.fail(&format!(
                "the processor was busy for {:.0} %, at most {limit} was allowed",
                measured.cpu_percent
            ));
        }
        if let Some(limit) = self.min_throughput.filter(|limit| measured.throughput < *limit) {
            report.fail(&format!(
                "{:.1} runs a second, at least {limit} were expected",
                measured.throughput
            ));
        }
    }
}
