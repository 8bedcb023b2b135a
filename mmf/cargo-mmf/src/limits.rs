//! The limits of the gates: those of `mmf.toml`, changed by options.

use std::path::{Path, PathBuf};

use clap::Args;
use mmf::testing::{QualityGates, QualityReport};
use toml::{Table, Value};

use crate::results;

/// The gate that holds where there are no contracts, unless it is set.
const CONTRACTS: &str = "max_failed_contracts";

/// Which results, and which limits.
#[derive(Args)]
pub(crate) struct Limits {
    /// Where the results are; target/mmf/results without it
    #[arg(long, value_name = "FOLDER")]
    results: Option<PathBuf>,
    /// The file with the limits in its table gates; mmf.toml without it, and the defaults where there is none
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The share of tests that pass, 0.95 without it; contract=1.0 is for contracts alone, as are chaos=, performance=, test=
    #[arg(long, value_name = "[KIND=]SHARE")]
    min_success_rate: Vec<String>,
    /// How long a test takes on average, such as 500ms, and 10s without it; for one kind as above
    #[arg(long, value_name = "[KIND=]DURATION")]
    max_average_duration: Vec<String>,
    /// How many tests of a kind there are
    #[arg(long, value_name = "KIND=COUNT")]
    min_tests: Vec<String>,
    /// The share of tests that are experiments, 0.2 without it
    #[arg(long, value_name = "SHARE")]
    min_chaos_coverage: Option<f64>,
    /// How many performance tests there are, 1 without it
    #[arg(long, value_name = "COUNT")]
    min_performance_tests: Option<u32>,
    /// The share of injection points that an experiment struck; not looked at without it
    #[arg(long, value_name = "SHARE")]
    min_injection_point_coverage: Option<f64>,
    /// The 99th percentile of every performance test, such as 250ms; not looked at without it
    #[arg(long, value_name = "DURATION")]
    max_p99: Option<String>,
    /// How many contracts may be broken, 0 without it
    #[arg(long, value_name = "COUNT")]
    max_failed_contracts: Option<u32>,
    /// How many tests may begin and never end; 0 without it
    #[arg(long, value_name = "COUNT")]
    max_unended: Option<u32>,
    /// How many tests may have results of an earlier run only; 0 without it
    #[arg(long, value_name = "COUNT")]
    max_stale: Option<u32>,
    /// How many Pact files may lie in a folder of pacts and be named by no test; 0 without it
    #[arg(long, value_name = "COUNT")]
    max_uncovered_pacts: Option<u32>,
    /// A gate, by its key, that holds where there is nothing to look at; none without it
    #[arg(long, value_name = "GATE")]
    allow_no_data: Vec<String>,
    /// How many tests may pass only when they are tried again; not looked at without it
    #[arg(long, value_name = "COUNT")]
    max_flaky: Option<u32>,
}

/// What `mmf.toml` may hold.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    gates: QualityGates,
}

impl Limits {
    /// The report over the results, and the folder they are in.
    ///
    /// # Errors
    ///
    /// Where nothing can be decided.
    pub(crate) fn judge(self) -> Result<(QualityReport, PathBuf), String> {
        let gates = self.gates()?;
        let (results, folder) = results::read(self.results)?;
        if results.records.is_empty() {
            return Err(format!("no result is in {}: run the tests first", folder.display()));
        }
        Ok((gates.judge(&results), folder))
    }

    fn gates(&self) -> Result<QualityGates, String> {
        let text = match &self.config {
            Some(file) => read(file)?,
            None if Path::new("mmf.toml").exists() => read(Path::new("mmf.toml"))?,
            None => String::new(),
        };
        let name = self.config.as_deref().unwrap_or(Path::new("mmf.toml")).display();
        // By itself first, so that a mistake in it is told with its line.
        toml::from_str::<File>(&text).map_err(|error| format!("{name}: {error}"))?;
        let mut table: Table = toml::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        let gates = table.entry("gates").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(gates) = gates {
            self.change(gates)?;
        }
        let file: File = table.try_into().map_err(|error| format!("in the options: {error}"))?;
        file.gates.check()?;
        Ok(file.gates)
    }

    /// Puts what the options say over what the file says.
    fn change(&self, gates: &mut Table) -> Result<(), String> {
        for share in &self.min_success_rate {
            set(gates, "min_success_rate", share, number)?;
        }
        for duration in &self.max_average_duration {
            set(gates, "max_average_duration", duration, |text| Ok(Value::from(text)))?;
        }
        for count in &self.min_tests {
            if !count.contains('=') {
                return Err(format!("--min-tests {count}: of which kind? contract={count}"));
            }
            set(gates, "min_tests", count, whole)?;
        }
        let plain = [
            ("min_chaos_coverage", self.min_chaos_coverage.map(Value::from)),
            ("min_injection_point_coverage", self.min_injection_point_coverage.map(Value::from)),
            ("max_p99", self.max_p99.as_deref().map(Value::from)),
            ("min_performance_tests", self.min_performance_tests.map(Value::from)),
            ("max_failed_contracts", self.max_failed_contracts.map(Value::from)),
            ("max_unended", self.max_unended.map(Value::from)),
            ("max_flaky", self.max_flaky.map(Value::from)),
            ("max_stale", self.max_stale.map(Value::from)),
            ("max_uncovered_pacts", self.max_uncovered_pacts.map(Value::from)),
        ];
        for (gate, value) in plain {
            if let Some(value) = value {
                gates.insert(gate.into(), value);
            }
        }
        // Who sets it means it.
        let is_set = gates.contains_key(CONTRACTS);
        let allowed = gates.entry("allow_no_data").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(allowed) = allowed {
            allowed.extend(self.allow_no_data.iter().map(|gate| Value::from(gate.as_str())));
            allowed.extend((!is_set).then(|| Value::from(CONTRACTS)));
        }
        Ok(())
    }
}

/// Sets a limit: of all tests, or of one kind.
fn set(
    gates: &mut Table,
    gate: &str,
    given: &str,
    read: impl Fn(&str) -> Result<Value, String>,
) -> Result<(), String> {
    let option = gate.replace('_', "-");
    let wrong = |why: String| format!("--{option} {given}: {why}");
    match given.split_once('=') {
        None => {
            gates.insert(gate.into(), read(given).map_err(wrong)?);
        }
        Some((kind, text)) => {
            let value = read(text).map_err(wrong)?;
            let kind = gates.entry(kind).or_insert_with(|| Value::Table(Table::new()));
            let kind =
                kind.as_table_mut().ok_or_else(|| wrong("it names no kind of tests".into()))?;
            kind.insert(gate.into(), value);
        }
    }
    Ok(())
}

fn number(text: &str) -> Result<Value, String> {
    text.parse::<f64>().map(Value::from).map_err(|error| error.to_string())
}

fn whole(text: &str) -> Result<Value, String> {
    text.parse::<u32>().map(Value::from).map_err(|error| error.to_string())
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}
