//! The parts of the page, each a table or cards. On a phone the rows of a table become cards as well.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::parts::{mark, shown};
use super::plots;
use crate::testing::gates::GateVerdict;
use crate::testing::report::quality::QualityReport;
use crate::testing::report::sums::counted;
use crate::testing::results::{Chaos, Check, Contract, Outcome, Performance, Record};
use crate::testing::text::text_of_ms;

/// So many of the slowest tests are shown.
const SLOWEST: usize = 10;
/// So many of those that failed are shown, each in a card.
const FAILED: usize = 100;

/// What to do, with the way to what failed.
pub(super) fn recommendations(report: &QualityReport) -> Markup {
    let lines: Vec<_> =
        report.recommendations.iter().chain(&report.unreadable).chain(&report.notes).collect();
    let failed = failed_records(report);
    html! {
        @if !lines.is_empty() || !failed.is_empty() {
            h2 { "What to do" }
            ul #todo {
                @for (number, record) in failed.iter().take(FAILED).enumerate() {
                    li { "look at " a href=(format!("#failed-{number}")) { code { (shown(&record.test)) } } }
                }
                @for line in lines { li { (shown(line)) } }
            }
        }
    }
}

fn failed_records(report: &QualityReport) -> Vec<&Record> {
    report.records.iter().filter(|record| !record.passed).collect()
}

/// Each test that failed, and why.
pub(super) fn failed(report: &QualityReport) -> Markup {
    let failed = failed_records(report);
    html! {
        @if !failed.is_empty() {
            h2 { (counted(failed.len(), "failed test")) }
            @for (number, record) in failed.iter().take(FAILED).enumerate() {
                div.card.failed id=(format!("failed-{number}")) {
                    (title(record))
                    @if !record.has_ended() { div.bad { "it began and never ended" } }
                    (reasons(record))
                }
            }
            @if failed.len() > FAILED { div.dim { "and " (failed.len() - FAILED) " more" } }
        }
    }
}

/// Those that fail first.
pub(super) fn gates(report: &QualityReport) -> Markup {
    let mut verdicts: Vec<_> = report.verdicts.iter().collect();
    verdicts.sort_by_key(|verdict| verdict.passed);
    html! {
        h2 { "Gates" }
        div.scroll { table.rows #gates {
            tr { th { "gate" } th.n { "limit" } th.n { "measured" } th { "verdict" } }
            @for gate in verdicts {
                tr {
                    td { code { (gate.gate) } }
                    td.n data-name="limit" { (gate.limit) }
                    td.n data-name="measured" { (gate.measured) }
                    td.verdict-of { (gate_mark(gate)) }
                }
            }
        } }
    }
}

fn gate_mark(gate: &GateVerdict) -> Markup {
    match (gate.no_data, gate.passed) {
        (false, passed) => mark(passed),
        (true, true) => html! { span.dim { "– " (gate.verdict()) } },
        (true, false) => html! { span.bad { "✗ " (gate.verdict()) } },
    }
}

/// Endpoint × check, with the measured time beside its SLA; those that are broken first.
pub(super) fn contracts(report: &QualityReport) -> Markup {
    let mut contracts: Vec<_> = of_kind(report, |outcome| match outcome {
        Outcome::Contract(contract) => Some(contract),
        _ => None,
    });
    contracts.sort_by_key(|(record, _)| record.passed);
    html! {
        @if !contracts.is_empty() {
            h2 { "Contracts" }
            div.scroll { table.rows #contracts {
                tr {
                    th { "service" } th { "endpoint" } th { "checks" }
                    th.n { "measured" } th.n { "SLA" } th { "verdict" }
                }
                @for (record, contract) in contracts { (endpoint(record, contract)) }
            } }
        }
    }
}

fn endpoint(record: &Record, contract: &Contract) -> Markup {
    html! {
        tr {
            td { (shown(&contract.service)) }
            td { code { (shown(&contract.endpoint)) } }
            td { (checks(&contract.checks)) }
            td.n data-name="measured" { (contract.measured_ms.map_or("–".into(), text_of_ms)) }
            td.n data-name="SLA" { (contract.sla_ms.map_or("–".into(), text_of_ms)) }
            td.verdict-of { (mark(record.passed)) }
        }
    }
}

/// Those that failed, with why; those that hold in a word, opened on demand.
fn checks(checks: &[Check]) -> Markup {
    let (well, failed): (Vec<_>, Vec<_>) = checks.iter().partition(|check| check.passed);
    html! {
        @for check in failed {
            div { span.chip.bad { "✗ " (shown(&check.name)) } " " span.dim { (shown(&check.detail)) } }
        }
        @if checks.is_empty() { span.bad { "nothing was checked" } }
        @if !well.is_empty() {
            details {
                summary { (counted(well.len(), "check")) " ok" }
                @for check in well {
                    span.chip.ok { "✓ " (shown(&check.name)) } " "
                    @if !check.detail.is_empty() { span.dim { (shown(&check.detail)) } " " }
                }
            }
        }
    }
}

pub(super) fn measurements(report: &QualityReport) -> Markup {
    let mut measurements = of_kind(report, |outcome| match outcome {
        Outcome::Performance(measured) => Some(measured),
        _ => None,
    });
    measurements.sort_by_key(|(record, _)| record.passed);
    html! {
        @if !measurements.is_empty() { h2 { "Measurements" } }
        @for (record, measured) in measurements {
            div.card {
                (title(record))
                (reasons(record))
                div.dim { (figures(measured)) }
                (plots::latency(measured))
            }
        }
    }
}

fn figures(measured: &Performance) -> String {
    let Performance { iterations, errors, throughput, concurrency, cpu_percent, .. } = measured;
    let memory = measured.peak_memory_bytes.map_or_else(String::new, |bytes| {
        format!(", memory +{:.1} MiB", bytes as f64 / 1_048_576.0)
    });
    let runs = counted(usize::try_from(*iterations).unwrap_or(usize::MAX), "run");
    format!(
        "{runs}, {errors} failed, {throughput:.1} a second, {concurrency} at once{memory}, processor \
         {cpu_percent:.0} %"
    )
}

pub(super) fn experiments(report: &QualityReport) -> Markup {
    let mut experiments = of_kind(report, |outcome| match outcome {
        Outcome::Chaos(chaos) => Some(chaos),
        _ => None,
    });
    experiments.sort_by_key(|(record, _)| record.passed);
    html! {
        @if !experiments.is_empty() { h2 { "Experiments" } }
        @for (record, chaos) in experiments {
            div.card {
                (title(record)) " "
                span.dim { "target " (shown(&chaos.target)) ", seed " (chaos.seed) }
                (reasons(record))
                (cases(chaos))
            }
        }
    }
}

fn cases(chaos: &Chaos) -> Markup {
    html! {
        div.scroll { table.rows {
            tr {
                th { "case" } th.n { "succeeded" } th.n { "p99" } th { "injected" } th { "policies" }
            }
            @for case in &chaos.cases {
                tr {
                    td { (shown(&case.name)) }
                    td.n data-name="succeeded" { (case.successes) " of " (case.calls) }
                    td.n data-name="p99" { (text_of_ms(case.p99_ms)) }
                    td { (counts(&case.injections)) }
                    td { (counts(&case.policies)) }
                }
            }
        } }
    }
}

fn counts(counts: &BTreeMap<String, BTreeMap<String, u64>>) -> Markup {
    html! {
        @for (name, counts) in counts {
            @let counts: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
            div { code { (shown(name)) } " " (shown(&counts.join(", "))) }
        }
    }
}

pub(super) fn slowest(report: &QualityReport) -> Markup {
    let mut records: Vec<_> = report.records.iter().collect();
    records.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
    records.truncate(SLOWEST);
    html! {
        h2 { "Slowest tests" }
        div.scroll { table.rows #slowest {
            tr { th { "test" } th.n { "took" } th { "verdict" } }
            @for record in records {
                tr {
                    td { code { (shown(&record.test)) } }
                    td.n data-name="took" { (text_of_ms(record.duration_ms)) }
                    td.verdict-of { (mark(record.passed)) }
                }
            }
        } }
    }
}

fn title(record: &Record) -> Markup {
    html! { b { code { (shown(&record.test)) } } " " (mark(record.passed)) }
}

/// Line by line, as they were written.
fn reasons(record: &Record) -> Markup {
    html! {
        @for reason in &record.reasons {
            @let lines: Vec<_> = reason.lines().map(shown).collect();
            div.bad.lines { (lines.join("\n")) }
        }
    }
}

fn of_kind<T>(report: &QualityReport, of: impl Fn(&Outcome) -> Option<&T>) -> Vec<(&Record, &T)> {
    report.records.iter().filter_map(|record| Some((record, of(&record.outcome)?))).collect()
}
