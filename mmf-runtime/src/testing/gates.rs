//! What has to hold of all results before a change may go on.

use std::collections::BTreeSet;
use std::time::Duration;

use super::report::{QualityReport, Sums};
use super::results::{Outcome, Record, Results};

/// The limits, with the defaults of the framework that this one follows.
///
/// ```
/// use mmf_runtime::testing::QualityGates;
///
/// let gates = QualityGates { min_success_rate: 1.0, ..QualityGates::default() };
/// assert_eq!(gates.min_performance_tests, 1);
/// ```
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityGates {
    /// The share of tests that pass. Default: 0.95.
    pub min_success_rate: f64,
    /// How long a test takes on average. Default: 10 s. Written with a unit.
    #[serde(deserialize_with = "duration")]
    pub max_average_duration: Duration,
    /// The share of tests that are experiments. Default: 0.2.
    pub min_chaos_coverage: f64,
    /// How many performance tests there are. Default: 1.
    pub min_performance_tests: usize,
    /// The share of injection points that an experiment struck. Default: not looked at.
    pub min_injection_point_coverage: Option<f64>,
    /// The 99th percentile of every performance test. Default: not looked at. Written with a unit.
    #[serde(deserialize_with = "some_duration")]
    pub max_p99: Option<Duration>,
    /// How many contracts may be broken. Default: none.
    pub max_failed_contracts: usize,
    /// How many tests may pass only when they are tried again. Default: not looked at; nextest tells of it.
    pub max_flaky: Option<usize>,
}

impl Default for QualityGates {
    fn default() -> Self {
        Self {
            min_success_rate: 0.95,
            max_average_duration: Duration::from_secs(10),
            min_chaos_coverage: 0.2,
            min_performance_tests: 1,
            min_injection_point_coverage: None,
            max_p99: None,
            max_failed_contracts: 0,
            max_flaky: None,
        }
    }
}

fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    crate::duration::parse(&text).ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is no duration such as \"250ms\" or \"10s\""))
    })
}

fn some_duration<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct GateVerdict {
    /// The gate, by its key.
    pub gate: &'static str,
    /// Its limit, as text.
    pub limit: String,
    /// What was measured, as text.
    pub measured: String,
    /// Whether it holds.
    pub passed: bool,
    /// What to do where it does not.
    pub recommendation: Option<String>,
}

impl QualityGates {
    /// Decides over results.
    pub fn judge(&self, results: &Results) -> QualityReport {
        let records: Vec<_> = results.records.values().cloned().collect();
        let sums = Sums::of(&records);
        let mut verdicts = vec![
            self.success_rate(&records, &sums),
            self.average_duration(&records, &sums),
            self.chaos_coverage(&sums),
            self.performance_tests(&sums),
            self.failed_contracts(&records),
        ];
        verdicts.extend(self.point_coverage(&records));
        verdicts.extend(self.p99(&records));
        verdicts.extend(self.flaky(&records));
        let recommendations =
            verdicts.iter().filter_map(|verdict| verdict.recommendation.clone()).collect();
        QualityReport {
            all_gates_passed: verdicts.iter().all(|verdict| verdict.passed) && !records.is_empty(),
            verdicts,
            recommendations,
            sums,
            unreadable: results.unreadable.clone(),
            records,
        }
    }

    fn success_rate(&self, records: &[Record], sums: &Sums) -> GateVerdict {
        let rate = sums.success_rate();
        let failed = names(records.iter().filter(|record| !record.passed));
        let limit = self.min_success_rate;
        verdict("min_success_rate", limit.to_string(), share(rate), rate >= limit, || {
            format!("mend what fails: {failed}")
        })
    }

    fn average_duration(&self, records: &[Record], sums: &Sums) -> GateVerdict {
        let limit = self.max_average_duration;
        let mut slowest: Vec<_> = records.iter().collect();
        slowest.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
        let slowest = names(slowest.into_iter().take(3));
        let measured = Duration::from_secs_f64(sums.average_duration_ms() / 1000.0);
        let passed = measured <= limit;
        let texts = (format!("{limit:?}"), format!("{measured:.1?}"));
        verdict("max_average_duration", texts.0, texts.1, passed, || {
            format!("shorten the slowest tests: {slowest}")
        })
    }

    fn chaos_coverage(&self, sums: &Sums) -> GateVerdict {
        let limit = self.min_chaos_coverage;
        let covered = sums.chaos as f64 / sums.tests.max(1) as f64;
        verdict("min_chaos_coverage", limit.to_string(), share(covered), covered >= limit, || {
            format!(
                "write experiments: {} of {} tests are any; `#[chaos(scenarios(\"network\"))]` above a \
                 test makes one of it",
                sums.chaos, sums.tests
            )
        })
    }

    fn performance_tests(&self, sums: &Sums) -> GateVerdict {
        let (limit, measured) = (self.min_performance_tests, sums.performance);
        verdict(
            "min_performance_tests",
            limit.to_string(),
            measured.to_string(),
            measured >= limit,
            || format!("write {} more `#[performance_test(…)]`", limit - measured),
        )
    }

    fn failed_contracts(&self, records: &[Record]) -> GateVerdict {
        let broken: Vec<_> = records
            .iter()
            .filter_map(|record| match &record.outcome {
                Outcome::Contract(contract) if !record.passed => {
                    Some(format!("{} {}", contract.service, contract.endpoint))
                }
                _ => None,
            })
            .collect();
        let (limit, measured) = (self.max_failed_contracts, broken.len());
        verdict(
            "max_failed_contracts",
            limit.to_string(),
            measured.to_string(),
            measured <= limit,
            || format!("these endpoints break their contracts: {}", broken.join(", ")),
        )
    }

    fn point_coverage(&self, records: &[Record]) -> Option<GateVerdict> {
        let limit = self.min_injection_point_coverage?;
        let (mut points, mut struck) = (BTreeSet::new(), BTreeSet::new());
        for record in records {
            if let Outcome::Chaos(chaos) = &record.outcome {
                points.extend(&chaos.points);
                struck.extend(chaos.cases.iter().flat_map(|case| case.injections.keys()));
            }
        }
        let covered = struck.len() as f64 / points.len().max(1) as f64;
        let missed: Vec<_> = points.difference(&struck).map(|point| point.as_str()).collect();
        let gate = "min_injection_point_coverage";
        Some(verdict(gate, limit.to_string(), share(covered), covered >= limit, || {
            format!("no experiment struck: {}", missed.join(", "))
        }))
    }

    fn flaky(&self, records: &[Record]) -> Option<GateVerdict> {
        let limit = self.max_flaky?;
        let is_flaky =
            |record: &&Record| matches!(&record.outcome, Outcome::Test(plain) if plain.flaky);
        let flaky: Vec<_> = records.iter().filter(is_flaky).collect();
        let (measured, passed) = (flaky.len(), flaky.len() <= limit);
        Some(verdict("max_flaky", limit.to_string(), measured.to_string(), passed, || {
            format!("make these deterministic: {}", names(flaky.into_iter()))
        }))
    }

    fn p99(&self, records: &[Record]) -> Option<GateVerdict> {
        let limit = self.max_p99?;
        let mut worst = (0.0, String::from("none"));
        for record in records {
            if let Outcome::Performance(measured) = &record.outcome
                && measured.p99_ms > worst.0
            {
                worst = (measured.p99_ms, record.test.clone());
            }
        }
        let passed = worst.0 <= limit.as_secs_f64() * 1000.0;
        let texts = (format!("{limit:?}"), format!("{:.1} ms", worst.0));
        Some(verdict("max_p99", texts.0, texts.1, passed, || format!("the slowest is {}", worst.1)))
    }
}

fn verdict(
    gate: &'static str,
    limit: String,
    measured: String,
    passed: bool,
    recommendation: impl FnOnce() -> String,
) -> GateVerdict {
    let recommendation = (!passed).then(|| format!("{gate}: {}", recommendation()));
    GateVerdict { gate, limit, measured, passed, recommendation }
}

/// A share as people read it: down, so that what is just below a limit does not look as if it had reached
/// it.
fn share(value: f64) -> String {
    format!("{:.3}", (value * 1000.0).floor() / 1000.0)
}

fn names<'r>(records: impl Iterator<Item = &'r Record>) -> String {
    let names: Vec<_> = records.map(|record| record.test.as_str()).collect();
    names.join(", ")
}
