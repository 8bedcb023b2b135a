//! Results against the limits.

use std::collections::BTreeSet;
use std::time::Duration;

use super::limits::{KindGates, QualityGates};
use crate::duration::text_of_ms;
use crate::testing::report::{QualityReport, Sums};
use crate::testing::results::{Outcome, Record, Results};

/// What a gate says.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct GateVerdict {
    /// The gate, by its key; with the kind of tests before it where it is for one alone.
    pub gate: String,
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
        let all: Vec<_> = records.iter().collect();
        let mut verdicts = vec![
            success_rate("min_success_rate".into(), self.min_success_rate, &all),
            average_duration("max_average_duration".into(), self.max_average_duration, &all),
            self.chaos_coverage(&sums),
            self.performance_tests(&sums),
            self.failed_contracts(&records),
        ];
        verdicts.extend(self.unended(&records));
        verdicts.extend(self.point_coverage(&records));
        verdicts.extend(self.p99(&records));
        verdicts.extend(self.flaky(&records));
        for (kind, gates) in self.kinds() {
            let of_kind: Vec<_> =
                records.iter().filter(|record| record.outcome.kind() == kind).collect();
            verdicts.extend(gates.judge(kind, &of_kind));
        }
        let recommendations =
            verdicts.iter().filter_map(|verdict| verdict.recommendation.clone()).collect();
        QualityReport {
            all_gates_passed: verdicts.iter().all(|verdict| verdict.passed) && !records.is_empty(),
            verdicts,
            recommendations,
            sums,
            unreadable: results.unreadable.clone(),
            notes: too_old(&records).into_iter().collect(),
            records,
        }
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
                    let endpoint = format!("{} {}", contract.service, contract.endpoint);
                    Some(match record.reasons.first() {
                        Some(first) => format!("{endpoint} ({first})"),
                        None => endpoint,
                    })
                }
                outcome if outcome.kind() == "contract" && !record.passed => {
                    Some(format!("{} (it never ended)", record.test))
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

    /// Told only where there is one.
    fn unended(&self, records: &[Record]) -> Option<GateVerdict> {
        let unended: Vec<_> = records.iter().filter(|record| !record.has_ended()).collect();
        let (limit, measured) = (self.max_unended, unended.len());
        let gate = "max_unended";
        (measured > 0).then(|| {
            verdict(gate, limit.to_string(), measured.to_string(), measured <= limit, || {
                let names = names(unended.into_iter());
                format!("these began and never ended, look for a crash or a time-out: {names}")
            })
        })
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
        let gate = "min_injection_point_coverage";
        if points.is_empty() {
            return Some(of_nothing(gate, limit.to_string(), "chaos"));
        }
        let covered = struck.len() as f64 / points.len() as f64;
        let missed: Vec<_> = points.difference(&struck).map(|point| point.as_str()).collect();
        Some(verdict(gate, limit.to_string(), share(covered), covered >= limit, || {
            format!("no experiment struck: {}", missed.join(", "))
        }))
    }

    fn flaky(&self, records: &[Record]) -> Option<GateVerdict> {
        let limit = self.max_flaky?;
        let flaky: Vec<_> = records.iter().filter(|record| record.flaky).collect();
        let (measured, passed) = (flaky.len(), flaky.len() <= limit);
        Some(verdict("max_flaky", limit.to_string(), measured.to_string(), passed, || {
            format!("make these deterministic: {}", names(flaky.into_iter()))
        }))
    }

    fn p99(&self, records: &[Record]) -> Option<GateVerdict> {
        let limit = self.max_p99?;
        let measured = records.iter().filter_map(|record| match &record.outcome {
            Outcome::Performance(measured) => Some((measured.p99_ms, record)),
            _ => None,
        });
        let slowest = measured.max_by(|(a, _), (b, _)| a.total_cmp(b));
        let Some((p99_ms, record)) = slowest else {
            return Some(of_nothing("max_p99", format!("{limit:?}"), "performance"));
        };
        let texts = (format!("{limit:?}"), text_of_ms(p99_ms));
        let holds = Duration::from_secs_f64(p99_ms / 1000.0) <= limit;
        Some(verdict("max_p99", texts.0, texts.1, holds, || {
            format!("the slowest is {}", record.test)
        }))
    }
}

/// Results of tests that are gone count as well, where only `cargo test` has run since.
fn too_old(records: &[Record]) -> Option<String> {
    const HOUR_MS: u64 = 3_600_000;
    let oldest = records.iter().min_by_key(|record| record.at_ms)?;
    let newest = records.iter().map(|record| record.at_ms).max()?;
    let hours = (newest - oldest.at_ms) / HOUR_MS;
    (hours >= 1).then(|| {
        format!(
            "some results are older than others by {hours} h, that of {} first: cargo mmf test clears old ones",
            oldest.test
        )
    })
}

impl KindGates {
    /// Without any test of the kind, no gate over them holds: nothing is never a pass.
    fn judge(&self, kind: &str, records: &[&Record]) -> Vec<GateVerdict> {
        let rate = self.min_success_rate.map(|limit| {
            let gate = format!("{kind}.min_success_rate");
            match records {
                [] => of_nothing(gate, limit.to_string(), kind),
                records => success_rate(gate, limit, records),
            }
        });
        let duration = self.max_average_duration.map(|limit| {
            let gate = format!("{kind}.max_average_duration");
            match records {
                [] => of_nothing(gate, format!("{limit:?}"), kind),
                records => average_duration(gate, limit, records),
            }
        });
        let number = self.min_tests.map(|limit| {
            let measured = records.iter().filter(|record| record.has_ended()).count();
            let texts = (limit.to_string(), measured.to_string());
            let gate = format!("{kind}.min_tests");
            verdict(gate, texts.0, texts.1, measured >= limit, || {
                format!("write {} more", limit - measured)
            })
        });
        [rate, duration, number].into_iter().flatten().collect()
    }
}

fn of_nothing(gate: impl Into<String>, limit: String, kind: &str) -> GateVerdict {
    verdict(gate, limit, "none".into(), false, || format!("there is no {kind} test to look at"))
}

fn success_rate(gate: String, limit: f64, records: &[&Record]) -> GateVerdict {
    let failed: Vec<_> = records.iter().copied().filter(|record| !record.passed).collect();
    let passed = records.len() - failed.len();
    let rate = passed as f64 / records.len().max(1) as f64;
    verdict(gate, limit.to_string(), share(rate), rate >= limit, || {
        format!("mend what fails: {}", names(failed.into_iter()))
    })
}

fn average_duration(gate: String, limit: Duration, records: &[&Record]) -> GateVerdict {
    // What never ended has no time.
    let mut slowest: Vec<_> = records.iter().copied().filter(|record| record.has_ended()).collect();
    slowest.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
    let sum: f64 = slowest.iter().map(|record| record.duration_ms).sum();
    let measured = Duration::from_secs_f64(sum / slowest.len().max(1) as f64 / 1000.0);
    let texts = (format!("{limit:?}"), format!("{measured:.1?}"));
    verdict(gate, texts.0, texts.1, measured <= limit, || {
        format!("shorten the slowest tests: {}", names(slowest.into_iter().take(3)))
    })
}

fn verdict(
    gate: impl Into<String>,
    limit: String,
    measured: String,
    passed: bool,
    recommendation: impl FnOnce() -> String,
) -> GateVerdict {
    let gate = gate.into();
    let recommendation = (!passed).then(|| format!("{gate}: {}", recommendation()));
    GateVerdict { gate, limit, measured, passed, recommendation }
}

/// A share as people read it: down, so that what is just below a limit does not look as if it had reached
/// it.
fn share(value: f64) -> String {
    format!("{:.3}", (value * 1000.0).floor() / 1000.0)
}

/// The names of the first few.
fn names<'r>(records: impl Iterator<Item = &'r Record>) -> String {
    const NAMED: usize = 20;
    let mut names: Vec<_> = records.map(|record| record.test.as_str()).collect();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names.join(", "))
}
