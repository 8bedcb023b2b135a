//! How a measurement went, told and asserted.

use std::fmt;

use crate::testing::results::{Performance, Record};
use crate::testing::text::{text_of_bytes, text_of_ms, told};

/// How a measurement went.
#[derive(Clone, Debug)]
pub struct PerformanceReport {
    /// Its name.
    pub name: String,
    /// Whether it kept within its limits.
    pub passed: bool,
    /// Why it did not.
    pub reasons: Vec<String>,
    /// What was measured.
    pub measured: Performance,
    /// As it was recorded.
    pub record: Record,
}

impl PerformanceReport {
    /// Of a measurement that begins, and has not failed yet.
    pub(super) fn begin(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            passed: true,
            reasons: Vec::new(),
            measured: Performance::default(),
            record: Record::start(name, "performance"),
        }
    }

    pub(super) fn fail(&mut self, reason: &str) {
        self.passed = false;
        self.reasons.push(told(reason));
    }

    /// Prints it, and fails the test where a limit was exceeded.
    ///
    /// # Panics
    ///
    /// Where one was.
    #[track_caller]
    pub fn assert_passed(&self) {
        println!("{self}");
        assert!(self.passed, "{} failed: {}", self.name, self.reasons.join("; "));
    }
}

impl fmt::Display for PerformanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Performance { iterations, errors, p50_ms, p90_ms, p99_ms, max_ms, throughput, .. } =
            &self.measured;
        let verdict = if self.passed { "passed" } else { "FAILED" };
        writeln!(f, "{}: {verdict}", self.name)?;
        if *iterations > 0 {
            writeln!(
                f,
                "  {iterations} runs, {errors} failed, {throughput:.1} a second; p50 {}, p90 {}, p99 {}, max {}",
                text_of_ms(*p50_ms),
                text_of_ms(*p90_ms),
                text_of_ms(*p99_ms),
                text_of_ms(*max_ms)
            )?;
        }
        if let Some(memory) = self.measured.peak_memory_bytes {
            writeln!(
                f,
                "  memory +{}, processor {:.0} %",
                text_of_bytes(memory),
                self.measured.cpu_percent
            )?;
        }
        for reason in &self.reasons {
            writeln!(f, "  - {reason}")?;
        }
        Ok(())
    }
}
