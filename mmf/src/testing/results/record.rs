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
    /// The run that it is of: `MMF_RUN`, by which `cargo mmf test` joins many programs; else what nextest gave a number,
    /// or the process that started this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Who started it, where that tells of tests that were tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// The Pact file it is of, and those beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pact: Option<PactSource>,
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

/// The Pact file that a contract is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PactSource {
    /// Where it lies.
    pub file: String,
    /// The other Pact files of its folder.
    pub beside: Vec<String>,
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
            run: run(),
            runner: std::env::var_os("NEXTEST_RUN_ID").map(|_| "nextest".into()),
            pact: None,
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

    /// With the reasons: without secrets, and cut where they are long.
    #[must_use]
    pub fn because(mut self, reasons: &[String]) -> Self {
        self.reasons.extend(reasons.iter().map(|reason| crate::testing::text::told(reason)));
        self
    }

    /// A line that somebody else may have written, as we take it: texts within bounds and without secrets, and figures
    /// that are some.
    ///
    /// # Errors
    ///
    /// Why it is not taken.
    pub(super) fn of_line(line: &[u8]) -> Result<Self, String> {
        let told = |error: serde_json::Error| error.to_string();
        let mut value: serde_json::Value = serde_json::from_slice(line).map_err(told)?;
        // By its number first: the rest of another version is not for us to read.
        if let Some(schema) = value["schema"].as_u64().filter(|schema| *schema != u64::from(SCHEMA))
        {
            return Err(format!(
                "the schema {schema} is not known, {SCHEMA} is: it was written by another version"
            ));
        }
        tame(&mut value);
        serde_json::from_value::<Self>(value).map_err(told)?.with_figures()
    }

    fn with_figures(self) -> Result<Self, String> {
        for (name, value) in self.durations() {
            if !(0.0..=LONGEST_MS).contains(&value) {
                return Err(format!("{name} is {value}, which is no duration"));
            }
        }
        if let Outcome::Performance(measured) = &self.outcome {
            for (name, value) in
                [("throughput", measured.throughput), ("cpu_percent", measured.cpu_percent)]
            {
                if !(value.is_finite() && value >= 0.0) {
                    return Err(format!("{name} is {value}, which is no figure"));
                }
            }
        }
        Ok(self)
    }

    /// Every duration in it, by its name.
    fn durations(&self) -> Vec<(&'static str, f64)> {
        let mut all = vec![("duration_ms", self.duration_ms)];
        match &self.outcome {
            Outcome::Contract(contract) => {
                all.extend(contract.sla_ms.map(|sla| ("sla_ms", sla)));
                all.extend(contract.measured_ms.map(|measured| ("measured_ms", measured)));
            }
            Outcome::Performance(measured) => {
                let Performance { mean_ms, p25_ms, p50_ms, p90_ms, p95_ms, p99_ms, max_ms, .. } =
                    *measured;
                all.extend([
                    ("mean_ms", mean_ms),
                    ("p25_ms", p25_ms),
                    ("p50_ms", p50_ms),
                    ("p90_ms", p90_ms),
                    ("p95_ms", p95_ms),
                    ("p99_ms", p99_ms),
                    ("max_ms", max_ms),
                ]);
                all.extend(measured.calibration_ms.map(|taken| ("calibration_ms", taken)));
                let limit = measured.limits.get("max_response_time_ms");
                all.extend(limit.map(|limit| ("max_response_time_ms", *limit)));
            }
            Outcome::Chaos(chaos) => {
                for case in &chaos.cases {
                    all.push(("p99_ms", case.p99_ms));
                    all.extend(case.recovery_ms.map(|taken| ("recovery_ms", taken)));
                }
            }
            Outcome::Started(_) | Outcome::Test => {}
        }
        all
    }
}

/// Bounds every text in a value, names included.
fn tame(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => *text = crate::testing::text::told(text),
        Value::Array(items) => items.iter_mut().for_each(tame),
        Value::Object(fields) => {
            let tamed = std::mem::take(fields).into_iter().map(|(name, mut value)| {
                tame(&mut value);
                (crate::testing::text::told(&name), value)
            });
            *fields = tamed.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A hundred years: no test takes longer.
const LONGEST_MS: f64 = 1000.0 * 3600.0 * 24.0 * 365.0 * 100.0;

/// The run that this process belongs to.
fn run() -> Option<String> {
    let given = |name: &str| std::env::var(name).ok().filter(|run| !run.is_empty());
    given("MMF_RUN").or_else(|| given("NEXTEST_RUN_ID")).or_else(by_parent)
}

/// Programs that `cargo test` starts one after the other have one parent.
#[cfg(unix)]
fn by_parent() -> Option<String> {
    Some(format!("started-by-{}", std::os::unix::process::parent_id()))
}

#[cfg(not(unix))]
fn by_parent() -> Option<String> {
    None
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
