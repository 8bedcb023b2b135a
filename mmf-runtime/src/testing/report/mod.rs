//! Results and gates, told.

mod html;

use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;

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
    /// What else a reader should know.
    pub notes: Vec<String>,
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
    /// Plain tests.
    pub plain: usize,
    /// Experiments.
    pub chaos: usize,
    /// Contracts.
    pub contracts: usize,
    /// Measurements.
    pub performance: usize,
    /// Those that passed only when they were tried again.
    pub flaky: usize,
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
            sums.flaky += usize::from(record.flaky);
            sums.duration_ms += record.duration_ms;
            match &record.outcome {
                Outcome::Started(_) => sums.unended += 1,
                Outcome::Test => sums.plain += 1,
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
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tests, passed, plain, chaos, contracts, performance, unended, .. } = self;
        write!(
            f,
            "{passed} of {tests} tests passed: {contracts} contracts, {performance} measurements, {chaos} \
             experiments, {plain} plain tests"
        )?;
        if *unended > 0 {
            write!(f, "; {unended} began and never ended")?;
        }
        Ok(())
    }
}

/// One run among others.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Run {
    /// When its last test ended, in milliseconds since 1970.
    pub at_ms: u64,
    /// How many tests there were.
    pub tests: usize,
    /// How many passed.
    pub passed: usize,
    /// The share of them.
    pub success_rate: f64,
    /// Whether every gate held.
    pub all_gates_passed: bool,
}

impl Run {
    /// The runs that a file holds, one on each line, the oldest first. What is no run is left out.
    ///
    /// # Errors
    ///
    /// Where the file is there and cannot be read.
    pub fn history(file: &Path) -> io::Result<Vec<Self>> {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Appends it to the file, unless it is there already.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn append(&self, file: &Path) -> io::Result<()> {
        use std::io::Write as _;
        if Self::history(file)?.iter().any(|known| known.at_ms == self.at_ms) {
            return Ok(());
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
        file.write_all(format!("{}\n", serde_json::to_string(self)?).as_bytes())
    }
}

impl QualityReport {
    /// This run, in short.
    pub fn as_run(&self) -> Run {
        Run {
            at_ms: self.records.iter().map(|record| record.at_ms).max().unwrap_or_default(),
            tests: self.sums.tests,
            passed: self.sums.passed,
            success_rate: self.sums.success_rate(),
            all_gates_passed: self.all_gates_passed,
        }
    }

    /// As one page of HTML that asks for nothing else, with the runs before it and itself.
    pub fn html(&self, history: &[Run]) -> String {
        html::page(self, history)
    }

    /// As plain text, for a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{}", self.sums);
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
        for line in &self.notes {
            let _ = writeln!(text, "- note: {line}");
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
        for line in self.recommendations.iter().chain(&self.unreadable).chain(&self.notes) {
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
