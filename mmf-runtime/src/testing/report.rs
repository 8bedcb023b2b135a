//! Results and gates, told.

use std::fmt::Write as _;

use super::gates::GateVerdict;
use super::results::{Outcome, Record};

/// What came of all tests, and what the gates say of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct QualityReport {
    /// Whether every gate holds. No results is never a pass.
    pub all_gates_passed: bool,
    /// Gate by gate.
    pub verdicts: Vec<GateVerdict>,
    /// What to do about those that do not hold.
    pub recommendations: Vec<String>,
    /// The sums.
    pub sums: Sums,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
    /// Test by test.
    pub records: Vec<Record>,
}

/// How many tests there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Sums {
    /// All.
    pub tests: usize,
    /// Those that passed.
    pub passed: usize,
    /// Experiments.
    pub chaos: usize,
    /// Contracts.
    pub contracts: usize,
    /// Measurements.
    pub performance: usize,
    /// Those that began and never ended.
    pub unended: usize,
    /// Milliseconds that all took together.
    pub duration_ms: f64,
}

impl Sums {
    pub(super) fn of(records: &[Record]) -> Self {
        let mut sums = Self::default();
        for record in records {
            sums.tests += 1;
            sums.passed += usize::from(record.passed);
            sums.duration_ms += record.duration_ms;
            match &record.outcome {
                Outcome::Started => sums.unended += 1,
                Outcome::Chaos(_) => sums.chaos += 1,
                Outcome::Contract(_) => sums.contracts += 1,
                Outcome::Performance(_) => sums.performance += 1,
            }
        }
        sums
    }

    /// The share of tests that passed.
    pub fn success_rate(&self) -> f64 {
        self.passed as f64 / self.tests.max(1) as f64
    }

    /// What a test took on average.
    pub fn average_duration_ms(&self) -> f64 {
        self.duration_ms / self.tests.max(1) as f64
    }
}

impl QualityReport {
    /// As plain text, for a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let Sums { tests, passed, chaos, contracts, performance, unended, .. } = self.sums;
        let _ = writeln!(
            text,
            "{passed} of {tests} tests passed: {contracts} contracts, {performance} measurements, {chaos} \
             experiments"
        );
        if unended > 0 {
            let _ = writeln!(text, "{unended} began and never ended");
        }
        let _ = writeln!(text, "\n{:30} {:>12} {:>12}  verdict", "gate", "limit", "measured");
        for GateVerdict { gate, limit, measured, passed, .. } in &self.verdicts {
            let verdict = if *passed { "ok" } else { "FAILED" };
            let _ = writeln!(text, "{gate:30} {limit:>12} {measured:>12}  {verdict}");
        }
        for line in &self.recommendations {
            let _ = writeln!(text, "- {line}");
        }
        for line in &self.unreadable {
            let _ = writeln!(text, "- not readable: {line}");
        }
        text
    }

    /// As Markdown, for a pull request.
    pub fn markdown(&self) -> String {
        let verdict = if self.all_gates_passed { "All gates passed" } else { "A gate failed" };
        let mut text = format!(
            "## {verdict}\n\n{} of {} tests passed.\n\n| gate | limit | measured | |\n| --- | ---: | ---: | --- |\n",
            self.sums.passed, self.sums.tests
        );
        for GateVerdict { gate, limit, measured, passed, .. } in &self.verdicts {
            let mark = if *passed { "✅" } else { "❌" };
            let _ = writeln!(text, "| `{gate}` | {limit} | {measured} | {mark} |");
        }
        text.push('\n');
        for line in self.recommendations.iter().chain(&self.unreadable) {
            let _ = writeln!(text, "- {line}");
        }
        text
    }

    /// As JSON.
    ///
    /// # Errors
    ///
    /// Where a figure is not one that JSON has.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}
