//! `cargo mmf dashboards`: a dashboard of Grafana and alert rules of Prometheus, for what a program has.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::end::End;
use crate::say::say;
use crate::write::write;

#[derive(Args)]
pub(crate) struct Dashboards {
    /// Where the metrics of the program are: the address of its /metrics, or a file with what it answers
    #[arg(long, value_name = "URL|FILE")]
    from: String,
    /// The folder that grafana.json and alerts.yaml are written to
    #[arg(long, value_name = "FOLDER", default_value = "dashboards")]
    output: PathBuf,
    /// The title of the dashboard, and what tells it from others in Grafana
    #[arg(long, default_value = "MMF")]
    title: String,
}

/// A scrape is no longer.
const LONGEST: u64 = 64 << 20;

impl Dashboards {
    pub(crate) fn run(self) -> End {
        self.write().unwrap_or_else(End::Undecided)
    }

    fn write(self) -> Result<End, String> {
        let scrape = scrape(&self.from)?;
        let metrics = names(&scrape);
        if metrics.is_empty() {
            return Err(format!(
                "{} has no metric of MMF: give the address of /metrics, or a file with what it answers",
                self.from
            ));
        }
        std::fs::create_dir_all(&self.output)
            .map_err(|error| format!("{} cannot be made: {error}", self.output.display()))?;
        let put = |name: &str, text: &str| -> Result<(), String> {
            let file = self.output.join(name);
            write(&file, text)?;
            say(format_args!("{}\n", file.display()));
            Ok(())
        };
        let dashboard = serde_json::to_string_pretty(&dashboard(&self.title, &metrics));
        put("grafana.json", &(dashboard.map_err(|error| error.to_string())? + "\n"))?;
        put("alerts.yaml", &alerts(&metrics))?;
        let missing = PANELS.iter().filter(|(_, _, metric, _)| !metrics.contains(metric));
        let missing: Vec<_> = missing.map(|(title, ..)| *title).collect();
        if !missing.is_empty() {
            say(format_args!(
                "left out, as the program has told nothing of it yet: {}\n",
                missing.join(", ")
            ));
        }
        Ok(End::Passed)
    }
}

fn scrape(from: &str) -> Result<String, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("{from} cannot be read: {error}");
    if !from.starts_with("http://") && !from.starts_with("https://") {
        return read(Path::new(from)).map_err(|error| unreadable(&error));
    }
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .new_agent();
    let answer = agent.get(from).header("accept", "text/plain").call();
    let mut answer = answer.map_err(|error| unreadable(&error))?;
    answer.body_mut().with_config().limit(LONGEST).read_to_string().map_err(|e| unreadable(&e))
}

fn read(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(file)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// The metrics of MMF that a scrape has samples of.
fn names(scrape: &str) -> BTreeSet<&str> {
    scrape
        .lines()
        .filter(|line| line.starts_with("mmf_"))
        .map(|line| {
            let end = line.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            &line[..end.unwrap_or(line.len())]
        })
        .collect()
}

/// A panel: what it is called, its unit, its metric, and its query with the name of each line.
type Panel = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const PANELS: &[Panel] = &[
    (
        "Calls",
        "ops",
        "mmf_policy_calls_total",
        &[(
            r#"sum by (job, policy, outcome) (rate(mmf_policy_calls_total{policy=~"$policy"}[$__rate_interval]))"#,
            "{{policy}} {{outcome}}",
        )],
    ),
    (
        "Latency of calls",
        "s",
        "mmf_policy_call_duration_seconds_bucket",
        &[
            (
                r#"histogram_quantile(0.5, sum by (job, policy, le) (rate(mmf_policy_call_duration_seconds_bucket{policy=~"$policy"}[$__rate_interval])))"#,
                "{{policy}} p50",
            ),
            (
                r#"histogram_quantile(0.99, sum by (job, policy, le) (rate(mmf_policy_call_duration_seconds_bucket{policy=~"$policy"}[$__rate_interval])))"#,
                "{{policy}} p99",
            ),
        ],
    ),
    (
        "Refusals",
        "ops",
        "mmf_policy_refusals_total",
        &[(
            r#"sum by (job, policy, reason) (rate(mmf_policy_refusals_total{policy=~"$policy"}[$__rate_interval])) > 0"#,
            "{{policy}} {{reason}}",
        )],
    ),
    (
        "Retries",
        "ops",
        "mmf_policy_retries_total",
        &[(
            r#"sum by (job, policy) (rate(mmf_policy_retries_total{policy=~"$policy"}[$__rate_interval]))"#,
            "{{policy}}",
        )],
    ),
    (
        "Breakers",
        "short",
        "mmf_breaker_state",
        &[(
            r#"max by (job, policy, state) (mmf_breaker_state{policy=~"$policy", state!="closed"}) == 1"#,
            "{{policy}} {{state}}",
        )],
    ),
    (
        "Failures in the breakers' windows",
        "percentunit",
        "mmf_breaker_failure_ratio",
        &[(r#"max by (job, policy) (mmf_breaker_failure_ratio{policy=~"$policy"})"#, "{{policy}}")],
    ),
    (
        "Bulkheads",
        "short",
        "mmf_bulkhead_running",
        &[
            (
                r#"sum by (job, policy) (mmf_bulkhead_running{policy=~"$policy"})"#,
                "{{policy}} running",
            ),
            (
                r#"sum by (job, policy) (mmf_bulkhead_queued{policy=~"$policy"})"#,
                "{{policy}} queued",
            ),
            (r#"sum by (job, policy) (mmf_bulkhead_limit{policy=~"$policy"})"#, "{{policy}} limit"),
        ],
    ),
    (
        "Requests",
        "ops",
        "mmf_requests_total",
        &[(
            "sum by (job, protocol, method, route, status) (rate(mmf_requests_total[$__rate_interval]))",
            "{{method}} {{route}} {{status}}",
        )],
    ),
    (
        "Latency of requests",
        "s",
        "mmf_request_duration_seconds_bucket",
        &[(
            "histogram_quantile(0.99, sum by (job, method, route, le) (rate(mmf_request_duration_seconds_bucket[$__rate_interval])))",
            "{{method}} {{route}} p99",
        )],
    ),
    (
        "Health",
        "short",
        "mmf_health_score",
        &[
            ("min(mmf_health_score)", "score"),
            ("min by (job, check) (mmf_health_check_up)", "{{check}}"),
        ],
    ),
    (
        "Level of degradation",
        "short",
        "mmf_degradation_level",
        &[("max(mmf_degradation_level)", "level")],
    ),
    (
        "Log lines",
        "ops",
        "mmf_log_lines_total",
        &[
            ("sum by (level) (rate(mmf_log_lines_total[$__rate_interval]))", "{{level}}"),
            ("sum(rate(mmf_log_lines_lost_total[$__rate_interval]))", "lost"),
        ],
    ),
];

fn dashboard(title: &str, metrics: &BTreeSet<&str>) -> Value {
    let source = json!({ "type": "prometheus", "uid": "${source}" });
    let shown = PANELS.iter().filter(|(_, _, metric, _)| metrics.contains(metric));
    let panels: Vec<_> = shown
        .enumerate()
        .map(|(place, (title, unit, _, queries))| {
            let has = |query: &str| words(query).all(|word| metrics.contains(word));
            let targets: Vec<_> = queries
                .iter()
                .filter(|(query, _)| has(query))
                .map(|(query, legend)| {
                    json!({ "datasource": source, "expr": query, "legendFormat": legend })
                })
                .collect();
            json!({
                "type": "timeseries",
                "title": title,
                "datasource": source,
                "gridPos": { "x": place % 2 * 12, "y": place / 2 * 8, "w": 12, "h": 8 },
                "fieldConfig": { "defaults": { "unit": unit, "min": 0 }, "overrides": [] },
                "targets": targets,
            })
        })
        .collect();
    let variables = json!([
        { "name": "source", "type": "datasource", "query": "prometheus" },
        {
            "name": "policy", "type": "query", "datasource": source,
            "query": "label_values(mmf_policy_calls_total, policy)",
            "multi": true, "includeAll": true, "current": { "text": "All", "value": "$__all" },
        },
    ]);
    json!({
        "title": title, "uid": uid(title), "schemaVersion": 39, "editable": true, "refresh": "10s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": variables },
        "panels": panels,
    })
}

/// What tells a dashboard from others: letters, digits and dashes, at most forty of them, as Grafana has it.
fn uid(title: &str) -> String {
    let word = |letter: char| {
        if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }
    };
    title.chars().map(word).take(40).collect()
}

/// The metrics of MMF that a query names.
fn words(query: &str) -> impl Iterator<Item = &str> {
    query
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("mmf_"))
}

/// An alert: its name, its query, how long that has to hold, its severity, and what it says.
type Alert = (&'static str, &'static str, &'static str, &'static str, &'static str);

const ALERTS: &[Alert] = &[
    (
        "MmfBreakerOpen",
        r#"max by (job, policy) (mmf_breaker_state{state=~"open|forced_open|half_open"}) == 1"#,
        "5m",
        "critical",
        "The breaker of {{ $labels.policy }} in {{ $labels.job }} has not been closed for 5 minutes.",
    ),
    (
        "MmfRefusals",
        r#"sum by (job, policy) (rate(mmf_policy_refusals_total{reason!="feature_disabled"}[5m])) / sum by (job, policy) (rate(mmf_policy_calls_total[5m])) > 0.01"#,
        "5m",
        "warning",
        "{{ $labels.policy }} in {{ $labels.job }} refuses {{ $value | humanizePercentage }} of its calls.",
    ),
    (
        "MmfRetries",
        "sum by (job, policy) (rate(mmf_policy_retries_total[5m])) / sum by (job, policy) (rate(mmf_policy_calls_total[5m])) > 0.2",
        "5m",
        "warning",
        "{{ $labels.policy }} in {{ $labels.job }} retries {{ $value | humanizePercentage }} of its calls.",
    ),
    (
        "MmfDeadlines",
        r#"sum by (job, policy) (rate(mmf_policy_refusals_total{reason="deadline_exceeded"}[5m])) / sum by (job, policy) (rate(mmf_policy_calls_total[5m])) > 0.01"#,
        "5m",
        "warning",
        "{{ $value | humanizePercentage }} of the calls of {{ $labels.policy }} in {{ $labels.job }} take longer than its own deadline.",
    ),
    (
        "MmfCheckDown",
        "min by (job, check) (mmf_health_check_up) == 0",
        "5m",
        "warning",
        "The check {{ $labels.check }} of {{ $labels.job }} has been down for 5 minutes.",
    ),
    (
        "MmfHealthFlaps",
        "max by (job, check) (changes(mmf_health_check_up[15m])) > 4",
        "0m",
        "warning",
        "The check {{ $labels.check }} of {{ $labels.job }} goes up and down: {{ $value }} times in 15 minutes.",
    ),
    (
        "MmfDegraded",
        "max by (job) (mmf_degradation_level) > 0",
        "10m",
        "warning",
        "{{ $labels.job }} has been degraded for 10 minutes.",
    ),
    (
        "MmfLogLinesLost",
        "sum by (job) (increase(mmf_log_lines_lost_total[5m])) > 0",
        "0m",
        "warning",
        "{{ $labels.job }} has lost {{ $value }} log lines in 5 minutes.",
    ),
];

/// The rules as YAML. Nothing of the program's own words is in them.
fn alerts(metrics: &BTreeSet<&str>) -> String {
    let mut text = String::from("groups:\n  - name: mmf\n    rules:\n");
    for (name, query, holds, severity, says) in ALERTS {
        if !words(query).all(|word| metrics.contains(word)) {
            continue;
        }
        text.push_str(&format!(
            "      - alert: {name}\n        expr: '{query}'\n        for: {holds}\n        labels:\n          \
             severity: {severity}\n        annotations:\n          summary: '{says}'\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAPE: &str = "# HELP mmf_breaker_state 1 for the state.\n# TYPE mmf_breaker_state gauge\n\
        mmf_breaker_state{policy=\"a \\\" } mmf_evil\",state=\"open\"} 1\nmmf_policy_calls_total{policy=\"a\"} 3\n\
        mmf_health_score 1\nother_metric 7\n";

    #[test]
    fn the_names_of_a_scrape_are_those_of_its_samples() {
        let names: Vec<_> = names(SCRAPE).into_iter().collect();
        assert_eq!(names, ["mmf_breaker_state", "mmf_health_score", "mmf_policy_calls_total"]);
        assert!(super::names("<html>").is_empty());
    }

    #[test]
    fn panels_and_alerts_are_for_what_there_is() {
        let names = names(SCRAPE);
        let dashboard = dashboard("MMF", &names);
        let titles: Vec<_> =
            dashboard["panels"].as_array().unwrap().iter().map(|panel| &panel["title"]).collect();
        assert_eq!(titles, ["Calls", "Breakers", "Health"]);
        let health = dashboard["panels"][2]["targets"].as_array().unwrap();
        assert_eq!(health.len(), 1, "no check, no line of checks");
        let alerts = alerts(&names);
        assert!(alerts.contains("MmfBreakerOpen") && !alerts.contains("MmfRefusals"), "{alerts}");
    }

    #[test]
    fn each_panel_has_a_query_of_its_own_metric() {
        for (title, _, metric, queries) in PANELS {
            assert!(
                queries.iter().any(|(query, _)| words(query).any(|word| word == *metric)),
                "{title}"
            );
        }
    }
}
