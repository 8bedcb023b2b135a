//! The record of a test: one JSON object a line, in a file of the process that ran it, under
//! `target/mmf/results/`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// The version of the format.
pub const SCHEMA: u32 = 1;

/// What is recorded of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The test by its path.
    pub test: String,
    /// The run that nextest gave a number; none under `cargo test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Whether it passed.
    pub passed: bool,
    /// How long it took.
    pub duration_ms: f64,
    /// Why it passed or failed, in words.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// What kind of test it was, and what that kind has to say.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What each kind of test has to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// An experiment.
    Chaos(Chaos),
}

/// An experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chaos {
    /// The scenario: `network`, `latency`, `errors`, `resources`, `all`.
    pub scenario: String,
    /// Which points were meant.
    pub target: String,
    /// What repeats it.
    pub seed: u64,
    /// The cases of the scenario.
    pub cases: Vec<ChaosCase>,
    /// Every injection point of the program.
    pub points: Vec<String>,
}

/// A case of a scenario: some faults, and how the calls fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChaosCase {
    /// The faults.
    pub name: String,
    /// How often the body ran.
    pub calls: u64,
    /// How often it succeeded.
    pub successes: u64,
    /// How often it panicked.
    pub panics: u64,
    /// The 99th percentile of its time.
    pub p99_ms: f64,
    /// How long it took to succeed again after the faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_ms: Option<f64>,
    /// Injections by point and kind.
    pub injections: BTreeMap<String, BTreeMap<String, u64>>,
    /// Faults that were due and that their points could not carry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unable: BTreeMap<String, BTreeMap<String, u64>>,
    /// What the policies did meanwhile: their counters by name.
    pub policies: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Record {
    /// The record of a test that ends now.
    pub fn new(test: impl Into<String>, passed: bool, duration_ms: f64, outcome: Outcome) -> Self {
        let run = std::env::var("NEXTEST_RUN_ID").ok();
        let test = test.into();
        Self { schema: SCHEMA, test, run, passed, duration_ms, reasons: Vec::new(), outcome }
    }

    /// Appends it to the file of this process.
    ///
    /// # Errors
    ///
    /// Where there is no target folder, or the file cannot be written.
    pub fn write(&self) -> io::Result<()> {
        static OUT: Mutex<Option<File>> = Mutex::new(None);
        let mut out = OUT.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *out {
            Some(file) => file,
            none => none.insert(create()?),
        };
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        // One write a line: a process that is killed leaves whole lines.
        file.write_all(line.as_bytes())
    }
}

fn create() -> io::Result<File> {
    let program = std::env::current_exe()?;
    let folder = folder(&program)?;
    std::fs::create_dir_all(&folder)?;
    let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let path = folder.join(format!("{name}-{}.jsonl", std::process::id()));
    OpenOptions::new().create(true).append(true).open(path)
}

/// Where results of a program go: `MMF_RESULTS`, else `mmf/results` of the target folder it lies in.
fn folder(program: &Path) -> io::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("MMF_RESULTS") {
        return Ok(folder.into());
    }
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let target = target.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "no target folder above this program; MMF_RESULTS says where results go",
        )
    })?;
    Ok(target.join("mmf").join("results"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_from_its_line() {
        let chaos = Chaos { scenario: "network".into(), seed: u64::MAX, ..Chaos::default() };
        let record = Record::new("users::survives", true, 12.5, Outcome::Chaos(chaos));
        let line = serde_json::to_string(&record).unwrap();
        assert!(line.contains("\"kind\":\"chaos\""), "{line}");
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
    }
}
