//! The report as one page: no script, no request, light and dark, readable on a phone.

use std::fmt::{self, Display, Write};

use super::super::results::{Chaos, Contract, Outcome, Performance};
use super::{QualityReport, Run};

/// Colours and layout. Two columns where there is room, one on a phone.
const STYLE: &str = "\
:root{--bg:#fff;--fg:#1f2328;--dim:#59636e;--line:#d1d9e0;--card:#f6f8fa;--ok:#1a7f37;--bad:#d1242f;--bar:#54aeff}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;--line:#3d444d;--card:#151b23;\
--ok:#3fb950;--bad:#f85149;--bar:#388bfd}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1rem;background:var(--bg);color:var(--fg);\
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
.verdict{border-left:.5rem solid;padding:.5rem 1rem;background:var(--card);border-radius:.3rem}
.ok{color:var(--ok)}.bad{color:var(--bad)}.verdict.ok,.verdict.bad{color:inherit}
.verdict.ok{border-color:var(--ok)}.verdict.bad{border-color:var(--bad)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{color:var(--dim);font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.dim{color:var(--dim)}svg{width:100%;height:auto;display:block}svg text{fill:var(--fg);font:12px system-ui,sans-serif}
.card{background:var(--card);border-radius:.3rem;padding:.6rem 1rem;margin:.6rem 0}
code{overflow-wrap:anywhere}";

/// Writes text where markup stands.
struct Text<'t>(&'t str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// The whole page.
pub(super) fn page(report: &QualityReport, history: &[Run]) -> Result<String, fmt::Error> {
    let mut page = String::new();
    let (class, verdict) = match report.all_gates_passed {
        true => ("ok", "All gates passed"),
        false => ("bad", "A gate failed"),
    };
    let sums = &report.sums;
    write!(
        page,
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">\
         <title>{verdict}</title><style>{STYLE}</style></head><body>\
         <div class=\"verdict {class}\"><h1>{verdict}</h1>{} of {} tests passed: {} contracts, {} \
         measurements, {} experiments</div>",
        sums.passed, sums.tests, sums.contracts, sums.performance, sums.chaos
    )?;
    recommendations(report, &mut page)?;
    gates(report, &mut page)?;
    contracts(report, &mut page)?;
    measurements(report, &mut page)?;
    experiments(report, &mut page)?;
    slowest(report, &mut page)?;
    runs(history, &mut page)?;
    page.push_str("</body></html>\n");
    Ok(page)
}

fn recommendations(report: &QualityReport, page: &mut String) -> fmt::Result {
    if report.recommendations.is_empty() && report.unreadable.is_empty() {
        return Ok(());
    }
    page.push_str("<h2>What to do</h2><ul>");
    for line in report.recommendations.iter().chain(&report.unreadable) {
        write!(page, "<li>{}</li>", Text(line))?;
    }
    page.push_str("</ul>");
    Ok(())
}

fn mark(passed: bool) -> &'static str {
    if passed {
        "<span class=\"ok\">✓ ok</span>"
    } else {
        "<span class=\"bad\">✗ failed</span>"
    }
}

fn gates(report: &QualityReport, page: &mut String) -> fmt::Result {
    page.push_str(
        "<h2>Gates</h2><div class=\"scroll\"><table id=\"gates\"><tr><th>gate<th class=\"n\">limit\
         <th class=\"n\">measured<th>verdict</tr>",
    );
    for gate in &report.verdicts {
        write!(
            page,
            "<tr><td><code>{}</code><td class=\"n\">{}<td class=\"n\">{}<td>{}</tr>",
            gate.gate,
            Text(&gate.limit),
            Text(&gate.measured),
            mark(gate.passed)
        )?;
    }
    page.push_str("</table></div>");
    Ok(())
}

/// Endpoint × check, with the measured time beside its SLA.
fn contracts(report: &QualityReport, page: &mut String) -> fmt::Result {
    let all = |record: &'_ super::Record| match &record.outcome {
        Outcome::Contract(contract) => Some((record.passed, contract.clone())),
        _ => None,
    };
    let contracts: Vec<(bool, Contract)> = report.records.iter().filter_map(all).collect();
    if contracts.is_empty() {
        return Ok(());
    }
    page.push_str(
        "<h2>Contracts</h2><div class=\"scroll\"><table id=\"contracts\"><tr><th>service<th>endpoint<th>checks\
         <th class=\"n\">measured<th class=\"n\">SLA<th>verdict</tr>",
    );
    for (passed, contract) in contracts {
        let mut checks = String::new();
        for check in &contract.checks {
            let (class, sign) = if check.passed { ("ok", "✓") } else { ("bad", "✗") };
            write!(checks, "<span class=\"{class}\">{sign} {}</span> ", Text(&check.name))?;
            if !check.passed {
                write!(checks, "<span class=\"dim\">{}</span> ", Text(&check.detail))?;
            }
        }
        write!(
            page,
            "<tr><td>{}<td><code>{}</code><td>{checks}<td class=\"n\">{}<td class=\"n\">{}<td>{}</tr>",
            Text(&contract.service),
            Text(&contract.endpoint),
            milliseconds(contract.measured_ms),
            milliseconds(contract.sla_ms),
            mark(passed)
        )?;
    }
    page.push_str("</table></div>");
    Ok(())
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.1} ms"))
}

fn measurements(report: &QualityReport, page: &mut String) -> fmt::Result {
    let mut is_first = true;
    for record in &report.records {
        let Outcome::Performance(measured) = &record.outcome else { continue };
        if std::mem::take(&mut is_first) {
            page.push_str("<h2>Measurements</h2>");
        }
        write!(
            page,
            "<div class=\"card\"><b><code>{}</code></b> {}<br><span class=\"dim\">{} runs, {} failed, {:.1} a \
             second, {} at once",
            Text(&record.test),
            mark(record.passed),
            measured.iterations,
            measured.errors,
            measured.throughput,
            measured.concurrency
        )?;
        if let Some(memory) = measured.peak_memory_bytes {
            write!(page, ", memory +{:.1} MiB", memory as f64 / 1_048_576.0)?;
        }
        write!(page, ", processor {:.0} %</span>", measured.cpu_percent)?;
        plot(measured, page)?;
        for reason in &record.reasons {
            write!(page, "<div class=\"bad\">{}</div>", Text(reason))?;
        }
        page.push_str("</div>");
    }
    Ok(())
}

/// Percentiles as bars, with the limit drawn in.
fn plot(measured: &Performance, page: &mut String) -> fmt::Result {
    const LINE: f64 = 22.0;
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
    let width = |value: f64| value / longest * 480.0;
    write!(
        page,
        "<svg class=\"latency\" viewBox=\"0 0 640 {}\" role=\"img\" aria-label=\"latency of {}\">",
        LINE * 5.0 + 18.0,
        Text(&measured.endpoint)
    )?;
    for (line, (name, value)) in bars.into_iter().enumerate() {
        let y = line as f64 * LINE;
        write!(
            page,
            "<text x=\"0\" y=\"{:.0}\">{name}</text><rect x=\"40\" y=\"{y:.0}\" width=\"{:.1}\" height=\"16\" \
             fill=\"var(--bar)\"/><text x=\"{:.1}\" y=\"{:.0}\">{value:.2} ms</text>",
            y + 13.0,
            width(value).max(1.0),
            width(value) + 46.0,
            y + 13.0
        )?;
    }
    let foot = LINE * 5.0 + 12.0;
    if let Some(limit) = drawn {
        let x = width(limit) + 40.0;
        write!(
            page,
            "<line class=\"limit\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{:.0}\" stroke=\"var(--bad)\" \
             stroke-width=\"2\" stroke-dasharray=\"4 3\"/>",
            LINE * 5.0
        )?;
    }
    if let Some(limit) = limit {
        write!(page, "<text x=\"40\" y=\"{foot:.0}\">limit {limit:.0} ms</text>")?;
    }
    page.push_str("</svg>");
    Ok(())
}

fn experiments(report: &QualityReport, page: &mut String) -> fmt::Result {
    let mut is_first = true;
    for record in &report.records {
        let Outcome::Chaos(chaos) = &record.outcome else { continue };
        if std::mem::take(&mut is_first) {
            page.push_str("<h2>Experiments</h2>");
        }
        write!(
            page,
            "<div class=\"card\"><b><code>{}</code></b> {} <span class=\"dim\">target {}, seed {}</span>",
            Text(&record.test),
            mark(record.passed),
            Text(&chaos.target),
            chaos.seed
        )?;
        cases(chaos, page)?;
        for reason in &record.reasons {
            write!(page, "<div class=\"bad\">{}</div>", Text(reason))?;
        }
        page.push_str("</div>");
    }
    Ok(())
}

fn cases(chaos: &Chaos, page: &mut String) -> fmt::Result {
    page.push_str(
        "<div class=\"scroll\"><table><tr><th>case<th class=\"n\">succeeded<th class=\"n\">p99<th>injected\
         <th>policies</tr>",
    );
    for case in &chaos.cases {
        let counts =
            |counts: &std::collections::BTreeMap<_, std::collections::BTreeMap<String, u64>>| {
                let mut text = String::new();
                for (name, kinds) in counts {
                    let kinds: Vec<_> =
                        kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
                    let name: &String = name;
                    let _ = write!(
                        text,
                        "<div><code>{}</code> {}</div>",
                        Text(name),
                        Text(&kinds.join(", "))
                    );
                }
                text
            };
        write!(
            page,
            "<tr><td>{}<td class=\"n\">{} of {}<td class=\"n\">{:.1} ms<td>{}<td>{}</tr>",
            Text(&case.name),
            case.successes,
            case.calls,
            case.p99_ms,
            counts(&case.injections),
            counts(&case.policies)
        )?;
    }
    page.push_str("</table></div>");
    Ok(())
}

fn slowest(report: &QualityReport, page: &mut String) -> fmt::Result {
    let mut records: Vec<_> = report.records.iter().collect();
    records.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
    page.push_str(
        "<h2>Slowest tests</h2><div class=\"scroll\"><table id=\"slowest\"><tr><th>test<th class=\"n\">took\
         <th>verdict</tr>",
    );
    for record in records.into_iter().take(10) {
        write!(
            page,
            "<tr><td><code>{}</code><td class=\"n\">{:.1} ms<td>{}</tr>",
            Text(&record.test),
            record.duration_ms,
            mark(record.passed)
        )?;
    }
    page.push_str("</table></div>");
    Ok(())
}

/// The last runs as columns: as high as the share that passed, red where a gate failed.
fn runs(history: &[Run], page: &mut String) -> fmt::Result {
    const SHOWN: usize = 30;
    if history.len() < 2 {
        return Ok(());
    }
    let shown = &history[history.len().saturating_sub(SHOWN)..];
    page.push_str("<h2>Last runs</h2><svg class=\"history\" viewBox=\"0 0 640 84\" role=\"img\">");
    for (place, run) in shown.iter().enumerate() {
        let height = (run.success_rate * 60.0).max(2.0);
        let colour = if run.all_gates_passed { "var(--ok)" } else { "var(--bad)" };
        write!(
            page,
            "<rect x=\"{}\" y=\"{:.1}\" width=\"16\" height=\"{height:.1}\" fill=\"{colour}\"><title>{} of {} \
             tests passed</title></rect>",
            place * 21,
            60.0 - height,
            run.passed,
            run.tests
        )?;
    }
    page.push_str(
        "<text x=\"0\" y=\"78\">oldest to newest, by the share of tests that passed</text></svg>",
    );
    Ok(())
}
