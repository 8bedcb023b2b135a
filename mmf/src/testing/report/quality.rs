//! Results and gates, told as text, Markdown and JSON.

use std::fmt::Write as _;

use super::origin::provenance_line;
use super::sums::{Sums, passed_of};
use crate::testing::gates::GateVerdict;
use crate::testing::results::{Provenance, Record};
use crate::testing::text::visible;

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

/// A code span of Markdown, which nothing in it can end.
fn code(text: &str) -> String {
    let text = visible(text);
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A backtick or a space at its ends would be taken for part of the fence.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

impl QualityReport {
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
