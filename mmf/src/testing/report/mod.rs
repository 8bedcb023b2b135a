//! Results and gates, told.

mod html;

use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;

use super::gates::GateVerdict;
use super::results::{Outcome, Provenance, Record};
use crate::duration::text_of_ms;
use crate::text::visible;

/// A longer history is none of ours.
const MOST_BYTES: u64 = 64 << 20;

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
    /// Which run it is of, where that is known.
    pub provenance: Option<Provenance>,
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
        let kinds = [
            counted(*contracts, "contract"),
            counted(*performance, "measurement"),
            counted(*chaos, "experiment"),
            counted(*plain, "plain test"),
        ];
        write!(f, "{}: {}", passed_of(*passed, *tests), kinds.join(", "))?;
        if *unended > 0 {
            write!(f, "; {unended} began and never ended")?;
        }
        Ok(())
    }
}

/// `1 contract`, `2 contracts`
fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn passed_of(passed: usize, tests: usize) -> String {
    format!("{passed} of {} passed", counted(tests, "test"))
}

/// `run of cargo mmf test, commit 1a2b3c4, on build-7, 2026-11-29 10:00:00 UTC, 12.5s`
fn provenance_line(provenance: &Provenance) -> String {
    let Provenance { command, commit, host, started_ms, duration_ms, .. } = provenance;
    let mut parts = vec![command.clone()];
    parts.extend(commit.as_ref().map(|commit| format!("commit {commit}")));
    parts.extend(host.as_ref().map(|host| format!("on {host}")));
    parts.push(utc(*started_ms));
    parts.push(match duration_ms {
        Some(taken) => text_of_ms(*taken as f64),
        None => "not ended".into(),
    });
    parts.join(", ")
}

/// `2026-11-29 10:00:00 UTC`
fn utc(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
    let (date, (hour, minute, second)) = (at.date(), at.to_hms());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// A code span of Markdown, which nothing in it can end.
fn code(text: &str) -> String {
    let text = visible(text);
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A backtick or a space at its ends would be taken for part of the fence.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
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
        match super::file::read(file, MOST_BYTES) {
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

    /// As plain text, for a terminal. What commands one is shown, and not sent.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{}", self.sums);
        if let Some(line) = self.provenance.as_ref().map(provenance_line) {
            let _ = writeln!(text, "{}", visible(&line));
        }
        let _ = writeln!(text, "\n{:30} {:>12} {:>12}  verdict", "gate", "limit", "measured");
        for verdict in &self.verdicts {
            let GateVerdict { gate, limit, measured, .. } = verdict;
            let _ = writeln!(text, "{gate:30} {limit:>12} {measured:>12}  {}", verdict.verdict());
        }
        for line in &self.recommendations {
            let _ = writeln!(text, "- {}", visible(line));
        }
        for line in &self.unreadable {
            let _ = writeln!(text, "- not readable: {}", visible(line));
        }
        for line in &self.notes {
            let _ = writeln!(text, "- note: {}", visible(line));
        }
        text
    }

    /// As Markdown, for a pull request. What others have written stands in code spans, where nothing means anything.
    pub fn markdown(&self) -> String {
        let verdict = if self.all_gates_passed { "All gates passed" } else { "A gate failed" };
        let mut text =
            format!("## {verdict}\n\n{}.\n\n", passed_of(self.sums.passed, self.sums.tests));
        if let Some(line) = self.provenance.as_ref().map(provenance_line) {
            let _ = writeln!(text, "{}\n", code(&line));
        }
        text.push_str("| gate | limit | measured | |\n| --- | ---: | ---: | --- |\n");
        for verdict in &self.verdicts {
            let GateVerdict { gate, limit, measured, .. } = verdict;
            let mark = match (verdict.no_data, verdict.passed) {
                (false, true) => "✅".to_owned(),
                (false, false) => "❌".to_owned(),
                (true, passed) => {
                    format!("{} {}", if passed { "⚪" } else { "❌" }, verdict.verdict())
                }
            };
            let _ = writeln!(text, "| `{gate}` | {limit} | {measured} | {mark} |");
        }
        text.push('\n');
        for line in self.recommendations.iter().chain(&self.unreadable).chain(&self.notes) {
            let _ = writeln!(text, "- {}", code(line));
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
