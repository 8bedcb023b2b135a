//! Results against the limits.

use std::collections::BTreeSet;
use std::time::Duration;

use super::limits::{KindGates, QualityGates};
use super::verdict::GateVerdict;
use crate::testing::report::{QualityReport, Sums};
use crate::testing::results::{Outcome, Record, Results};
use crate::testing::text::text_of_ms;

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
        verdicts.extend(self.stale(results));
        verdicts.extend(self.uncovered_pacts(&records));
        verdicts.extend(self.point_coverage(&records));
        verdicts.extend(self.p99(&records));
        verdicts.extend(self.flaky(&records));
        for (kind, gates) in self.kinds() {
            let of_kind: Vec<_> =
                records.iter().filter(|record| record.outcome.kind() == kind).collect();
            verdicts.extend(gates.judge(kind, &of_kind));
        }
        for verdict in verdicts.iter_mut().filter(|verdict| verdict.no_data) {
            if self.allow_no_data.contains(&verdict.gate) {
                verdict.passed = true;
                verdict.recommendation = None;
            }
        }
        let recommendations =
            verdicts.iter().filter_map(|verdict| verdict.recommendation.clone()).collect();
        let notes = [too_old(results), left_out(results)];
        QualityReport {
            all_gates_passed: verdicts.iter().all(|verdict| verdict.passed) && !records.is_empty(),
            verdicts,
            recommendations,
            sums,
            unreadable: results.unreadable.clone(),
            notes: notes.into_iter().flatten().collect(),
            provenance: results.provenance.clone(),
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
        let gate = "max_failed_contracts";
        if !records.iter().any(|record| record.outcome.kind() == "contract") {
            return of_nothing(gate, self.max_failed_contracts.to_string(), "contract");
        }
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
                Outcome::Contract(contract) if contract.checks.is_empty() => {
                    Some(format!("{} {} (it checked nothing)", contract.service, contract.endpoint))
                }
                outcome if outcome.kind() == "contract" && !record.passed => {
                    Some(format!("{} (it never ended)", record.test))
                }
                _ => None,
            })
            .collect();
        let (limit, measured) = (self.max_failed_contracts, broken.len());
        verdict(gate, limit.to_string(), measured.to_string(), measured <= limit, || {
            format!("these endpoints break their contracts: {}", broken.join(", "))
        })
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

    /// Told only where there is one.
    fn stale(&self, results: &Results) -> Option<GateVerdict> {
        let mut stale: Vec<&str> = results.older.iter().map(String::as_str).collect();
        stale.extend(older_by_an_hour(results).into_iter().map(|record| record.test.as_str()));
        let (limit, measured) = (self.max_stale, stale.len());
        (measured > 0).then(|| {
            verdict("max_stale", limit.to_string(), measured.to_string(), measured <= limit, || {
                let names = some(&stale);
                format!("these are results of an earlier run, cargo mmf test clears such: {names}")
            })
        })
    }

    /// Told only where there is one.
    fn uncovered_pacts(&self, records: &[Record]) -> Option<GateVerdict> {
        let pacts = || records.iter().filter_map(|record| record.pact.as_ref());
        let named: BTreeSet<_> = pacts().map(|pact| pact.file.as_str()).collect();
        let beside: BTreeSet<_> =
            pacts().flat_map(|pact| pact.beside.iter().map(String::as_str)).collect();
        let uncovered: Vec<_> = beside.difference(&named).copied().collect();
        let (limit, measured) = (self.max_uncovered_pacts, uncovered.len());
        let gate = "max_uncovered_pacts";
        (measured > 0).then(|| {
            verdict(gate, limit.to_string(), measured.to_string(), measured <= limit, || {
                let files = some(&uncovered);
                format!("no test names these, `pacts(\"…/*.json\")` takes a whole folder: {files}")
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
        // Only nextest tries again.
        if flaky.is_empty() && !records.iter().any(|record| record.runner.is_some()) {
            return Some(of_nothing("max_flaky", limit.to_string(), "tried-again"));
        }
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

/// Records that are older than others by an hour and more, where nothing says when their run began.
fn older_by_an_hour(results: &Results) -> Vec<&Record> {
    const HOUR_MS: u64 = 3_600_000;
    let newest = results.records.values().map(|record| record.at_ms).max().unwrap_or_default();
    let since = match &results.provenance {
        Some(provenance) => provenance.started_ms,
        None => newest.saturating_sub(HOUR_MS - 1),
    };
    results.records.values().filter(|record| record.at_ms < since).collect()
}

/// Results of tests that are gone count as well, where only `cargo test` has run since.
fn too_old(results: &Results) -> Option<String> {
    let oldest = older_by_an_hour(results).into_iter().min_by_key(|record| record.at_ms)?;
    let newest = results.records.values().map(|record| record.at_ms).max()?;
    let hours = (newest - oldest.at_ms) / 3_600_000;
    Some(format!(
        "some results are older than others by {hours} h, that of {} first: cargo mmf test clears old ones",
        oldest.test
    ))
}

/// Which runs are not judged.
fn left_out(results: &Results) -> Option<String> {
    let newer: Vec<_> = results.newer.iter().map(String::as_str).collect();
    (!newer.is_empty()).then(|| {
        format!(
            "the run that began with cargo mmf test is judged; what ran after it is left out: {}",
            some(&newer)
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

/// The third verdict: nothing is never a pass by itself.
fn of_nothing(gate: impl Into<String>, limit: String, kind: &str) -> GateVerdict {
    let why = || format!("there is no {kind} test to look at; `allow_no_data` lets that pass");
    GateVerdict { no_data: true, ..verdict(gate, limit, "none".into(), false, why) }
}

fn success_rate(gate: String, limit: f64, records: &[&Record]) -> GateVerdict {
    if records.is_empty() {
        return of_nothing(gate, limit.to_string(), "any");
    }
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
    if slowest.is_empty() {
        return of_nothing(gate, format!("{limit:?}"), "ended");
    }
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
    GateVerdict { gate, limit, measured, passed, no_data: false, recommendation }
}

/// A share as people read it: down, so that what is just below a limit does not look as if it had reached
/// it.
fn share(value: f64) -> String {
    format!("{:.3}", (value * 1000.0).floor() / 1000.0)
}

/// The names of the first few.
fn names<'r>(records: impl Iterator<Item = &'r Record>) -> String {
    let names: Vec<_> = records.map(|record| record.test.as_str()).collect();
    some(&names)
}

fn some(names: &[&str]) -> String {
    const NAMED: usize = 20;
    let more = names.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names[..names.len() - more].join(", "))
}
