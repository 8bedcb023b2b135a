//! `cargo mmf gate`

use std::path::{Path, PathBuf};

use clap::Args;
use mmf::testing::results::Results;
use mmf::testing::{QualityGates, QualityReport};

use crate::{End, results};

#[derive(Args)]
pub(crate) struct Gate {
    #[command(flatten)]
    limits: Limits,
    /// Writes the report as Markdown, for a pull request
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Writes the report as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes the report as JUnit XML
    #[arg(long)]
    junit: Option<PathBuf>,
}

/// Which results, and which limits.
#[derive(Args)]
pub(crate) struct Limits {
    /// Where the results are; target/mmf/results without it
    #[arg(long)]
    results: Option<PathBuf>,
    /// The file with the limits in its table gates; mmf.toml without it, and the defaults where there is none
    #[arg(long)]
    config: Option<PathBuf>,
    /// The share of tests that pass, in place of the file's
    #[arg(long)]
    min_success_rate: Option<f64>,
    /// The share of tests that are experiments, in place of the file's
    #[arg(long)]
    min_chaos_coverage: Option<f64>,
    /// How many performance tests there are, in place of the file's
    #[arg(long)]
    min_performance_tests: Option<usize>,
    /// The share of injection points that an experiment struck
    #[arg(long)]
    min_injection_point_coverage: Option<f64>,
    /// How many contracts may be broken
    #[arg(long)]
    max_failed_contracts: Option<usize>,
}

/// What `mmf.toml` may hold.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    gates: QualityGates,
}

impl Gate {
    pub(crate) fn run(self) -> End {
        self.decide().unwrap_or_else(End::Undecided)
    }

    fn decide(self) -> Result<End, String> {
        let (report, _) = self.limits.judge()?;
        print!("{}", report.text());
        if let Some(file) = self.markdown {
            write(&file, &report.markdown())?;
        }
        if let Some(file) = self.json {
            write(&file, &report.json().map_err(|error| error.to_string())?)?;
        }
        if let Some(file) = self.junit {
            write(&file, &crate::junit::of_report(&report)?)?;
        }
        Ok(end(&report))
    }
}

impl Limits {
    /// The report over the results, and the folder they are in.
    pub(crate) fn judge(self) -> Result<(QualityReport, PathBuf), String> {
        let gates = self.gates()?;
        let folder = results::folder(self.results)?;
        let results = Results::read(&folder)
            .map_err(|error| format!("there are no results in {}: {error}", folder.display()))?;
        if results.records.is_empty() {
            return Err(format!("no result is in {}: run the tests first", folder.display()));
        }
        Ok((gates.judge(&results), folder))
    }

    /// Those of the file, changed by the options.
    fn gates(&self) -> Result<QualityGates, String> {
        let mut gates = match &self.config {
            Some(file) => read(file)?,
            None if Path::new("mmf.toml").exists() => read(Path::new("mmf.toml"))?,
            None => QualityGates::default(),
        };
        if let Some(rate) = self.min_success_rate {
            gates.min_success_rate = rate;
        }
        if let Some(share) = self.min_chaos_coverage {
            gates.min_chaos_coverage = share;
        }
        if let Some(count) = self.min_performance_tests {
            gates.min_performance_tests = count;
        }
        if let Some(count) = self.max_failed_contracts {
            gates.max_failed_contracts = count;
        }
        gates.min_injection_point_coverage =
            self.min_injection_point_coverage.or(gates.min_injection_point_coverage);
        Ok(gates)
    }
}

/// What a report comes to.
fn end(report: &QualityReport) -> End {
    match (report.all_gates_passed, report.unreadable.is_empty()) {
        (false, _) => End::Failed,
        (true, true) => End::Passed,
        (true, false) => End::Undecided(format!("not readable: {}", report.unreadable.join("; "))),
    }
}

fn read(file: &Path) -> Result<QualityGates, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let file: File =
        toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file.gates)
}

pub(crate) fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text)
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))
}
