//! `cargo mmf dashboards`: what it writes, judged by Prometheus' own tool where that is installed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use mmf::resilience::{Bulkhead, CircuitBreaker, Pipeline, ResilienceError};

use crate::folder::Folder;

fn dashboards(folder: &Folder, from: &str) -> (i32, String) {
    folder.run("", &["dashboards", "--from", from, "--output", "ops"])
}

/// What a program with all of it answers at /metrics.
async fn scrape() -> String {
    mmf::metrics::enable();
    let breaker = CircuitBreaker::builder("users").build();
    let bulkhead = Bulkhead::builder("users").build();
    let users = Pipeline::builder("users").breaker(breaker).bulkhead(bulkhead).build();
    users.call::<ResilienceError>().run(|| async { Ok::<_, ResilienceError>(()) }).await.unwrap();
    mmf::health::register(mmf::health::Check::new("db", || async { Ok::<_, String>(()) }));
    mmf::metrics::prometheus()
}

/// The metrics of MMF that a text names.
fn names(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("mmf_"))
        .map(str::to_owned)
        .collect()
}

/// Runs promtool; whether it is there.
fn promtool(arguments: &[&str], folder: &Path) -> bool {
    let output = Command::new("promtool").args(arguments).current_dir(folder).output();
    let Ok(output) = output else {
        assert!(std::env::var_os("MMF_NEEDS_PROMTOOL").is_none(), "no promtool is installed");
        eprintln!("no promtool is installed: skipped");
        return false;
    };
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    true
}

#[tokio::test]
async fn what_is_written_names_only_what_there_is_and_its_alerts_fire() {
    let folder = Folder::new("all");
    let (scraped, file) = (scrape().await, folder.0.join("metrics.txt"));
    std::fs::write(&file, &scraped).unwrap();
    let (code, said) = dashboards(&folder, file.to_str().unwrap());
    assert_eq!(code, 0, "{said}");
    let ops = folder.0.join("ops");
    let dashboard = std::fs::read_to_string(ops.join("grafana.json")).unwrap();
    let alerts = std::fs::read_to_string(ops.join("alerts.yaml")).unwrap();
    let known = names(&scraped);
    // Requests come with the layers of axum and tonic, which this program has not.
    let unknown = |text: &str| {
        names(text).into_iter().filter(|name| !known.contains(name)).collect::<Vec<_>>()
    };
    assert_eq!((unknown(&dashboard), unknown(&alerts)), (vec![], vec![]));
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let titles: Vec<_> = panels.iter().map(|panel| panel["title"].as_str().unwrap()).collect();
    for title in ["Calls", "Latency of calls", "Refusals", "Breakers", "Bulkheads", "Health"] {
        assert!(titles.contains(&title), "{title} in {titles:?}");
    }
    assert!(
        !titles.contains(&"Requests") && said.contains("nothing of it yet: Requests"),
        "{said}"
    );
    assert_eq!(alerts.matches("- alert:").count(), 8, "{alerts}");

    if !promtool(&["check", "rules", "alerts.yaml"], &ops) {
        return;
    }
    let test = r#"
rule_files: [alerts.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'mmf_breaker_state{job="shop",policy="users",state="closed"}'
        values: '1x4 0x20'
      - series: 'mmf_breaker_state{job="shop",policy="users",state="open"}'
        values: '0x4 1x20'
      - series: 'mmf_policy_calls_total{job="shop",policy="users",outcome="success"}'
        values: '0+100x30'
      - series: 'mmf_policy_retries_total{job="shop",policy="users"}'
        values: '0+30x30'
      - series: 'mmf_policy_refusals_total{job="shop",policy="users",reason="circuit_open"}'
        values: '0x30'
      - series: 'mmf_policy_refusals_total{job="shop",policy="users",reason="deadline_exceeded"}'
        values: '0+5x30'
      - series: 'mmf_policy_refusals_total{job="shop",policy="users",reason="feature_disabled"}'
        values: '0+90x30'
      - series: 'mmf_log_lines_lost_total{job="shop"}'
        values: '0x30'
    alert_rule_test:
      - eval_time: 9m
        alertname: MmfBreakerOpen
        exp_alerts: []
      - eval_time: 11m
        alertname: MmfBreakerOpen
        exp_alerts:
          - exp_labels: { severity: critical, policy: users, job: shop }
            exp_annotations: { summary: "The breaker of users in shop has not been closed for 5 minutes." }
      - eval_time: 12m
        alertname: MmfRetries
        exp_alerts:
          - exp_labels: { severity: warning, policy: users, job: shop }
            exp_annotations: { summary: "users in shop retries 30% of its calls." }
      - eval_time: 12m
        alertname: MmfRefusals
        exp_alerts:
          - exp_labels: { severity: warning, policy: users, job: shop }
            exp_annotations: { summary: "users in shop refuses 5% of its calls." }
      - eval_time: 12m
        alertname: MmfDeadlines
        exp_alerts:
          - exp_labels: { severity: warning, policy: users, job: shop }
            exp_annotations: { summary: "5% of the calls of users in shop take longer than its own deadline." }
      - eval_time: 12m
        alertname: MmfLogLinesLost
        exp_alerts: []
"#;
    std::fs::write(ops.join("test.yaml"), test).unwrap();
    assert!(promtool(&["test", "rules", "test.yaml"], &ops));
}

#[test]
fn what_is_no_scrape_of_ours_is_told() {
    let folder = Folder::new("none");
    let file = folder.0.join("page.html");
    std::fs::write(&file, "<html>up 1\n</html>").unwrap();
    let (code, said) = dashboards(&folder, file.to_str().unwrap());
    assert!(code == 2 && said.contains("has no metric of MMF"), "{code} {said}");
    for from in ["nowhere.txt", "http://127.0.0.1:1/metrics"] {
        let (code, said) = dashboards(&folder, from);
        assert!(code == 2 && said.contains(&format!("{from} cannot be read")), "{code} {said}");
    }
    assert!(!folder.0.join("ops").exists(), "nothing is written");
}

#[test]
fn a_program_is_asked_by_its_address() {
    use std::io::{Read as _, Write as _};

    let folder = Folder::new("address");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/metrics", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = socket.read(&mut request).unwrap();
        let body = "mmf_policy_calls_total{policy=\"a\",outcome=\"success\"} 1\n";
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        socket.write_all((head + body).as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let (code, said) = dashboards(&folder, &address);
    assert_eq!(code, 0, "{said}");
    assert!(answering.join().unwrap().starts_with("GET /metrics "));
    assert!(folder.0.join("ops/grafana.json").exists());
}
