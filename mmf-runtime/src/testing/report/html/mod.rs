//! The report as one page: no script, no request, light and dark, readable on a phone.

mod plots;
mod sections;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{QualityReport, Run};

const STYLE: &str = include_str!("style.css");

/// The whole page, with the runs before this one.
pub(super) fn page(report: &QualityReport, history: &[Run]) -> String {
    let (class, verdict) = match report.all_gates_passed {
        true => ("ok", "All gates passed"),
        false => ("bad", "A gate failed"),
    };
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
                    (report.sums)
                }
                (sections::recommendations(report))
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

/// A verdict in a word.
fn mark(passed: bool) -> Markup {
    match passed {
        true => html! { span.ok { "✓ ok" } },
        false => html! { span.bad { "✗ failed" } },
    }
}
