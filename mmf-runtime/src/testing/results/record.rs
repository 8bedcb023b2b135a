//! What is recorded of a test.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The version of the format.
pub const SCHEMA: u32 = 1;

/// The format as a JSON Schema of 2020-12; `cargo mmf schema` prints it.
pub const JSON_SCHEMA: &str = include_str!("record.schema.json");

/// What is recorded of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Record {
    /// The version of the format, [`SCHEMA`].
    pub schema: u32,
    /// The test by its path.
    pub test: String,
    /// The program it ran in, which tells tests of one path apart: by nextest's name for it, or by its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The run that nextest gave a number; none under `cargo test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When it ended, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whether it passed.
    pub passed: bool,
    /// Whether it passed only when it was tried again, as nextest tells.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flaky: bool,
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It has begun. A start without an end is a test that was killed.
    Started(Started),
    /// A plain test, as its runner tells of it.
    Test,
    /// An experiment.
    Chaos(Chaos),
    /// A contract of an endpoint.
    Contract(Contract),
    /// A measurement.
    Performance(Performance),
}

impl Outcome {
    /// The kind by its name in a record: `chaos`, `contract`, `performance` or `test`; of a test that has only begun
    /// the kind that it is.
    pub fn kind(&self) -> &str {
        match self {
            Self::Started(started) => &started.of,
            Self::Test => "test",
            Self::Chaos(_) => "chaos",
            Self::Contract(_) => "contract",
            Self::Performance(_) => "performance",
        }
    }

    /// The outcome of a test of that kind that begins.
    pub fn started(kind: &str) -> Self {
        Self::Started(Started { of: kind.to_owned() })
    }
}

/// A test that begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Started {
    /// The kind of test that it is.
    pub of: String,
}

/// A contract of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contract {
    /// The service.
    pub service: String,
    /// The endpoint, with its method where one was given.
    pub endpoint: String,
    /// What was checked, in order.
    pub checks: Vec<Check>,
    /// How long an answer may take, at the percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sla_ms: Option<f64>,
    /// How long it took, at the percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_ms: Option<f64>,
    /// Of so many answers.
    pub samples: u64,
    /// The percentile, 0 to 100.
    pub percentile: f64,
}

/// One thing that was checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// What: `status`, `header content-type`, `sla`, `body`, `reachable`, `health /health`.
    pub name: String,
    /// Whether it held.
    pub passed: bool,
    /// What was found, and what was expected.
    pub detail: String,
}

/// A measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Performance {
    /// What was measured.
    pub endpoint: String,
    /// How often the body ran, the warm-up left out.
    pub iterations: u64,
    /// How many of them failed.
    pub errors: u64,
    /// How many ran at once.
    pub concurrency: u64,
    /// How many were to start a second, in the open model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// The mean time.
    pub mean_ms: f64,
    /// The lower quartile of the time, which noise moves least.
    #[serde(default)]
    pub p25_ms: f64,
    /// The baseline it was compared with, by its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// What the baseline knows a machine by, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// How long the baseline's calibration took there and then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_ms: Option<f64>,
    /// Percentiles of the time.
    pub p50_ms: f64,
    /// The 90th.
    pub p90_ms: f64,
    /// The 95th.
    pub p95_ms: f64,
    /// The 99th.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// How many ended a second.
    pub throughput: f64,
    /// The peak of resident memory above the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Per cent of one processor.
    pub cpu_percent: f64,
    /// The limits, by the name of their key, as written.
    pub limits: BTreeMap<String, f64>,
}

/// An experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
        Self {
            schema: SCHEMA,
            test: test.into(),
            program: program(),
            run: std::env::var("NEXTEST_RUN_ID").ok(),
            at_ms: now_ms(),
            passed,
            flaky: false,
            duration_ms,
            reasons: Vec::new(),
            outcome,
        }
    }

    /// Whether it has ended, and not only begun.
    pub fn has_ended(&self) -> bool {
        !matches!(self.outcome, Outcome::Started(_))
    }

    /// The path of the test in its program.
    pub fn path(&self) -> &str {
        self.test.split_once("::").map_or(&self.test, |(_, path)| path)
    }

    /// With the reasons.
    #[must_use]
    pub fn because(mut self, reasons: &[String]) -> Self {
        self.reasons.extend_from_slice(reasons);
        self
    }
}

/// What tells this program from others.
fn program() -> Option<String> {
    let by_nextest = std::env::var("NEXTEST_BINARY_ID").ok();
    by_nextest.or_else(|| {
        let file = std::env::current_exe().ok()?;
        Some(file.file_stem()?.to_string_lossy().into_owned())
    })
}

pub(in super::super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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
        let schema = serde_json::from_str(JSON_SCHEMA).unwrap();
        let line = serde_json::from_str(&line).unwrap();
        assert!(jsonschema::is_valid(&schema, &line), "{line}");
        assert!(!jsonschema::is_valid(&schema, &serde_json::json!({ "kind": "chaos" })));
    }

    /// `MMF_UPDATE_SCHEMA=1` writes it anew.
    #[test]
    fn the_published_schema_is_that_of_the_records() {
        let schema = schemars::schema_for!(Record);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("MMF_UPDATE_SCHEMA").is_some() {
            let file =
                concat!(env!("CARGO_MANIFEST_DIR"), "/src/testing/results/record.schema.json");
            std::fs::write(file, &text).unwrap();
        }
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert!(parsed(&text) == parsed(JSON_SCHEMA), "MMF_UPDATE_SCHEMA=1 writes it anew");
    }
}
