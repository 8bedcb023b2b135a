//! One run after the other, as lines of a file.

use std::io;
use std::path::Path;

use super::quality::QualityReport;
use crate::testing::file;

/// A longer history is none of ours.
const MOST_BYTES: u64 = 64 << 20;

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
        match file::read(file, MOST_BYTES) {
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
}
