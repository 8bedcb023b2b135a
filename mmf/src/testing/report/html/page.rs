//! The report as one page: no script, no request, light and dark, readable on a phone.

use maud::{DOCTYPE, PreEscaped, html};

use super::parts::shown;
use super::{plots, sections};
use crate::testing::report::history::Run;
use crate::testing::report::origin::provenance_line;
use crate::testing::report::quality::QualityReport;
use crate::testing::report::sums::counted;

const STYLE: &str = include_str!("style.css");

impl QualityReport {
    /// As one page of HTML that asks for nothing else, with the runs before it and itself.
    pub fn html(&self, history: &[Run]) -> String {
        page(self, history)
    }
}

/// The whole page, with the runs before this one: what failed first.
fn page(report: &QualityReport, history: &[Run]) -> String {
    let class = if report.all_gates_passed { "ok" } else { "bad" };
    let verdict = verdict(report);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Without one, browsers ask for a file.
                link rel="icon" href="data:,";
                title { (verdict) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                div class={ "verdict " (class) } {
                    h1 { (verdict) }
                    div { (gates_in_words(report)) (report.sums) }
                    @if let Some(provenance) = &report.provenance {
                        div.dim #provenance { (shown(&provenance_line(provenance))) }
                    }
                }
                (sections::recommendations(report))
                (sections::failed(report))
                (sections::gates(report))
                (sections::contracts(report))
                (sections::measurements(report))
                (sections::experiments(report))
                (sections::slowest(report))
                (plots::history(history))
            }
        }
    };
    page.into_string()
}

fn verdict(report: &QualityReport) -> &'static str {
    if report.all_gates_passed { "All gates passed" } else { "A gate failed" }
}

/// `2 of 7 gates failed; `
fn gates_in_words(report: &QualityReport) -> String {
    let failed = report.verdicts.iter().filter(|verdict| !verdict.passed).count();
    match failed {
        0 => format!("{} hold; ", counted(report.verdicts.len(), "gate")),
        failed => format!("{failed} of {} failed; ", counted(report.verdicts.len(), "gate")),
    }
}
