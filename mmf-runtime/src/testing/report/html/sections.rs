//! The parts of the page, each a table or cards.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::QualityReport;
use super::{mark, plots};
use crate::duration::text_of_ms;
use crate::testing::results::{Chaos, Contract, Outcome, Performance, Record};

/// So many of the slowest tests are shown.
const SLOWEST: usize = 10;

pub(super) fn recommendations(report: &QualityReport) -> Markup {
    let lines: Vec<_> =
        report.recommendations.iter().chain(&report.unreadable).chain(&report.notes).collect();
    html! {
        @if !lines.is_empty() {
            h2 { "What to do" }
            ul { @for line in lines { li { (line) } } }
        }
    }
}

pub(super) fn gates(report: &QualityReport) -> Markup {
    html! {
        h2 { "Gates" }
        div.scroll { table #gates {
            tr { th { "gate" } th.n { "limit" } th.n { "measured" } th { "verdict" } }
            @for gate in &report.verdicts {
                tr {
                    td { code { (gate.gate) } }
                    td.n { (gate.limit) }
                    td.n { (gate.measured) }
                    td { (mark(gate.passed)) }
                }
            }
        } }
    }
}

/// Endpoint × check, with the measured time beside its SLA.
pub(super) fn contracts(report: &QualityReport) -> Markup {
    let contracts: Vec<_> = of_kind(report, |outcome| match outcome {
        Outcome::Contract(contract) => Some(contract),
        _ => None,
    });
    html! {
        @if !contracts.is_empty() {
            h2 { "Contracts" }
            div.scroll { table #contracts {
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
    let failed = contract.checks.iter().filter(|check| !check.passed);
    html! {
        tr {
            td { (contract.service) }
            td { code { (contract.endpoint) } }
            td {
                @for check in &contract.checks {
                    @let (class, sign) = if check.passed { ("ok", "✓") } else { ("bad", "✗") };
                    span class={ "chip " (class) } { (sign) " " (check.name) } " "
                }
                @for check in failed { div.dim { (check.name) ": " (check.detail) } }
            }
            td.n { (contract.measured_ms.map_or("–".into(), text_of_ms)) }
            td.n { (contract.sla_ms.map_or("–".into(), text_of_ms)) }
            td { (mark(record.passed)) }
        }
    }
}

pub(super) fn measurements(report: &QualityReport) -> Markup {
    let measurements = of_kind(report, |outcome| match outcome {
        Outcome::Performance(measured) => Some(measured),
        _ => None,
    });
    html! {
        @if !measurements.is_empty() { h2 { "Measurements" } }
        @for (record, measured) in measurements {
            div.card {
                (title(record))
                div.dim { (figures(measured)) }
                (plots::latency(measured))
                (reasons(record))
            }
        }
    }
}

fn figures(measured: &Performance) -> String {
    let Performance { iterations, errors, throughput, concurrency, cpu_percent, .. } = measured;
    let memory = measured.peak_memory_bytes.map_or_else(String::new, |bytes| {
        format!(", memory +{:.1} MiB", bytes as f64 / 1_048_576.0)
    });
    format!(
        "{iterations} runs, {errors} failed, {throughput:.1} a second, {concurrency} at once{memory}, processor \
         {cpu_percent:.0} %"
    )
}

pub(super) fn experiments(report: &QualityReport) -> Markup {
    let experiments = of_kind(report, |outcome| match outcome {
        Outcome::Chaos(chaos) => Some(chaos),
        _ => None,
    });
    html! {
        @if !experiments.is_empty() { h2 { "Experiments" } }
        @for (record, chaos) in experiments {
            div.card {
                (title(record)) " "
                span.dim { "target " (chaos.target) ", seed " (chaos.seed) }
                (cases(chaos))
                (reasons(record))
            }
        }
    }
}

fn cases(chaos: &Chaos) -> Markup {
    html! {
        div.scroll { table {
            tr {
                th { "case" } th.n { "succeeded" } th.n { "p99" } th { "injected" } th { "policies" }
            }
            @for case in &chaos.cases {
                tr {
                    td { (case.name) }
                    td.n { (case.successes) " of " (case.calls) }
                    td.n { (text_of_ms(case.p99_ms)) }
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
            div { code { (name) } " " (counts.join(", ")) }
        }
    }
}

pub(super) fn slowest(report: &QualityReport) -> Markup {
    let mut records: Vec<_> = report.records.iter().collect();
    records.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
    records.truncate(SLOWEST);
    html! {
        h2 { "Slowest tests" }
        div.scroll { table #slowest {
            tr { th { "test" } th.n { "took" } th { "verdict" } }
            @for record in records {
                tr {
                    td { code { (record.test) } }
                    td.n { (text_of_ms(record.duration_ms)) }
                    td { (mark(record.passed)) }
                }
            }
        } }
    }
}

fn title(record: &Record) -> Markup {
    html! { b { code { (record.test) } } " " (mark(record.passed)) }
}

fn reasons(record: &Record) -> Markup {
    html! { @for reason in &record.reasons { div.bad { (reason) } } }
}

fn of_kind<T>(report: &QualityReport, of: impl Fn(&Outcome) -> Option<&T>) -> Vec<(&Record, &T)> {
    report.records.iter().filter_map(|record| Some((record, of(&record.outcome)?))).collect()
}
