//! Plots, as SVG.

use maud::{Markup, html};

use super::parts::shown;
use crate::testing::report::history::Run;
use crate::testing::report::sums::passed_of;
use crate::testing::results::Performance;
use crate::testing::text::text_of_ms;

const WIDTH: f64 = 640.0;
/// Where bars begin, behind their names.
const LEFT: f64 = 64.0;
/// The longest bar, before its figure.
const LONGEST: f64 = 430.0;
const LINE: f64 = 28.0;
/// So many runs are shown.
const SHOWN: usize = 30;

/// Percentiles as bars, with the limit drawn in.
pub(super) fn latency(measured: &Performance) -> Markup {
    let bars = [
        ("p50", measured.p50_ms),
        ("p90", measured.p90_ms),
        ("p95", measured.p95_ms),
        ("p99", measured.p99_ms),
        ("max", measured.max_ms),
    ];
    let limit = measured.limits.get("max_response_time_ms").copied();
    // A limit far above what was measured would leave the bars no length.
    let drawn = limit.filter(|limit| *limit < measured.max_ms * 4.0);
    let longest = bars.iter().map(|(_, value)| *value).chain(drawn).fold(0.001, f64::max);
    let width = |value: f64| (value / longest * LONGEST).max(1.0);
    let foot = LINE * bars.len() as f64;
    html! {
        svg.latency viewBox=(format!("0 0 {WIDTH} {}", foot + 26.0)) role="img"
            aria-label={ "latency of " (shown(&measured.endpoint)) } {
            @for (line, (name, value)) in bars.into_iter().enumerate() {
                @let top = line as f64 * LINE;
                text x="0" y=(top + 16.0) { (name) }
                rect x=(LEFT) y=(top) width=(format!("{:.1}", width(value))) height="20" fill="var(--bar)" {}
                text x=(format!("{:.1}", LEFT + width(value) + 6.0)) y=(top + 16.0) {
                    (text_of_ms(value))
                }
            }
            @if let Some(limit) = drawn {
                @let x = format!("{:.1}", LEFT + width(limit));
                line.limit x1=(x) x2=(x) y1="0" y2=(foot) stroke="var(--bad)" stroke-width="2"
                    stroke-dasharray="4 3" {}
            }
            @if let Some(limit) = limit {
                text x=(LEFT) y=(foot + 18.0) { (limit_in_words(limit, measured)) }
            }
        }
    }
}

/// `limit 50.0ms; p95 is 50 % of it`
fn limit_in_words(limit: f64, measured: &Performance) -> String {
    let share = 100.0 * measured.p95_ms / limit.max(f64::MIN_POSITIVE);
    format!("limit {}; p95 is {share:.0} % of it", text_of_ms(limit))
}

/// The last runs as columns: as high as the share that passed, red where a gate failed.
pub(super) fn history(runs: &[Run]) -> Markup {
    const HIGHEST: f64 = 60.0;
    let shown = &runs[runs.len().saturating_sub(SHOWN)..];
    html! {
        @if shown.len() > 1 {
            h2 { "Last runs" }
            svg.history viewBox=(format!("0 0 {WIDTH} 90")) role="img" aria-label="the last runs" {
                @for (place, run) in shown.iter().enumerate() {
                    @let height = (run.success_rate * HIGHEST).max(2.0);
                    @let colour = if run.all_gates_passed { "var(--ok)" } else { "var(--bad)" };
                    rect x=(place * 21) y=(format!("{:.1}", HIGHEST - height)) width="16"
                        height=(format!("{height:.1}")) fill=(colour) {
                        title { (passed_of(run.passed, run.tests)) }
                    }
                }
                text x="0" y="84" { "oldest to newest, by the share that passed" }
            }
        }
    }
}
