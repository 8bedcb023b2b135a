//! A service as its operator sees it: it is under load while what it depends on becomes slow, its configuration is changed, and
//! what it depends on fails and recovers. At each step its probes are asked, its metrics are scraped, and what they say is printed; exits with 1 where a step did not show what it should.

mod dependency;
mod service;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use dependency::Mode;
use mmf::config;
use mmf::degradation::{FollowHealth, follow_health};
use mmf::health::{Check, ResilienceMonitor, register};
use service::Prices;

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// What an operator has: probes, metrics, and what customers say.
struct Operator {
    client: reqwest::Client,
    base: String,
    well: bool,
}

impl Operator {
    async fn ask(&self, path: &str) -> (u16, String) {
        match self.client.get(format!("{}{path}", self.base)).send().await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(error) => (0, error.to_string()),
        }
    }

    async fn readiness(&self) -> String {
        let (_, body) = self.ask("/readyz").await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let notes = body["notes"].as_array().cloned().unwrap_or_default();
        let notes: Vec<_> = notes.iter().filter_map(|note| note.as_str()).collect();
        format!("{} {}", body["status"].as_str().unwrap_or("no answer"), notes.join(", "))
    }

    /// The value of a series in what /metrics answers.
    async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.ask("/metrics").await;
        let line = text.lines().find(|line| line.starts_with(series));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|n| n.parse().ok()).unwrap_or(-1.0)
    }

    fn expect(&mut self, what: &str, holds: bool) {
        println!("  {} {what}", if holds { "ok:    " } else { "FAILED:" });
        self.well &= holds;
    }

    /// Waits for something to show, at most five seconds.
    async fn until(&mut self, what: &str, shows: impl AsyncFn(&Self) -> bool) {
        let began = Instant::now();
        let mut holds = shows(self).await;
        while !holds && began.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            holds = shows(self).await;
        }
        self.expect(what, holds);
    }

    async fn look(&self) {
        println!("  /readyz: {}", self.readiness().await);
        println!("  {}", ResilienceMonitor::summary());
    }
}

/// The file that somebody changes while the service runs.
struct Configuration {
    file: PathBuf,
}

impl Configuration {
    fn new() -> Self {
        let file = std::env::temp_dir().join(format!("operations-{}.toml", std::process::id()));
        let new = Self { file };
        new.is("");
        new
    }

    fn is(&self, text: &str) {
        std::fs::write(&self.file, text).expect("a folder for temporary files");
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// The state of the breaker, in the words of the metric.
fn breaker(state: &str) -> String {
    format!(r#"mmf_breaker_state{{policy="shop.price",state="{state}"}}"#)
}

const TIMES: &str =
    r#"mmf_policy_call_duration_seconds_bucket{policy="shop.price",outcome="success",le="0.1"}"#;
const COUNT: &str =
    r#"mmf_policy_call_duration_seconds_count{policy="shop.price",outcome="success"}"#;
const REFUSED: &str = r#"mmf_policy_refusals_total{policy="shop.price",reason="circuit_open"}"#;
const TIMED_OUT: &str = r#"mmf_policy_refusals_total{policy="shop.price",reason="timeout"}"#;
const ANSWERED: &str =
    r#"mmf_requests_total{protocol="http",method="GET",route="/offer",status="200"}"#;

#[tokio::main]
async fn main() -> ExitCode {
    let dependency = serve(dependency::app()).await;
    let client = reqwest::Client::new();
    let prices = Prices { client: client.clone(), url: format!("{dependency}/price") };
    let asked = prices.clone();
    let check = Check::new("prices", move || {
        let prices = asked.clone();
        async move { prices.client.get(&prices.url).send().await?.error_for_status().map(drop) }
    });
    register(check.every(Duration::from_millis(100)));
    follow_health(
        FollowHealth::default().every(Duration::from_millis(50)).hold(Duration::from_millis(500)),
    );
    let base = serve(service::app(prices)).await;
    let mut operator = Operator { client: client.clone(), base: base.clone(), well: true };

    let configuration = Configuration::new();
    config::watch(&configuration.file);

    let (stop, strange) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = (0..10)
        .map(|_| {
            let (client, url) = (client.clone(), format!("{base}/offer"));
            let (stop, strange) = (Arc::clone(&stop), Arc::clone(&strange));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.get(&url).send().await;
                    let stated = answer.is_ok_and(|answer| {
                        matches!(answer.status().as_u16(), 200 | 502 | 503 | 504)
                    });
                    strange.fetch_add(u64::from(!stated), Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        })
        .collect();

    println!("all is well");
    operator.until("it is ready", async |seen| seen.readiness().await.starts_with("pass")).await;
    operator.until("calls are counted", async |seen| seen.metric(COUNT).await > 20.0).await;
    let live = operator.ask("/livez").await.0;
    operator.expect("it lives", live == 200);
    let (_, offer) = operator.ask("/offer").await;
    operator.expect("offers come with tips", offer == "42 (buy two)");
    operator.look().await;

    println!("what it depends on becomes slow");
    dependency::is(Mode::Slow);
    operator
        .until("the latency of its calls shows it", async |seen| {
            seen.metric(COUNT).await - seen.metric(TIMES).await > 5.0
        })
        .await;
    operator.look().await;

    println!("somebody changes its configuration");
    configuration.is("policies.\"shop.*\".timeout = \"100ms\"");
    operator.until("attempts are cut short", async |seen| seen.metric(TIMED_OUT).await > 0.0).await;
    for value in config::effective().iter().filter(|value| value.key == "timeout") {
        println!("  {} {} = {} ({})", value.policy, value.key, value.value, value.origin);
    }
    let wrong = config::check("policies.\"shop.prize\".timeout = 100");
    let wrong = wrong.map_err(|wrong| wrong.to_string()).expect_err("it is wrong twice");
    println!("  {}", wrong.replace('\n', "\n  "));
    let told = wrong.contains("text:1:10: unknown policy") && wrong.contains("text:1:23:");
    operator.expect("what is wrong is told, and where", told);
    configuration.is("");
    operator
        .until("and takes it back", async |_| {
            config::effective()
                .iter()
                .all(|value| value.key != "timeout" || value.value == "\"1s\"")
        })
        .await;

    println!("what it depends on fails");
    dependency::is(Mode::Failing);
    operator
        .until("the breaker opens", async |seen| seen.metric(&breaker("open")).await == 1.0)
        .await;
    operator.until("calls are refused", async |seen| seen.metric(REFUSED).await > 0.0).await;
    operator
        .until("it is ready, with a warning", async |seen| {
            let readiness = seen.readiness().await;
            readiness.starts_with("warn") && readiness.contains("prices is down")
        })
        .await;
    operator
        .until("it degrades", async |seen| seen.metric("mmf_degradation_level").await > 0.0)
        .await;
    let live = operator.ask("/livez").await.0;
    operator.expect("it lives on", live == 200);
    operator.look().await;

    println!("what it depends on is back");
    dependency::is(Mode::Well);
    operator.until("offers come again", async |seen| seen.ask("/offer").await.0 == 200).await;
    operator
        .until("the breaker is closed", async |seen| seen.metric(&breaker("closed")).await == 1.0)
        .await;
    operator.until("it is ready", async |seen| seen.readiness().await.starts_with("pass")).await;
    operator
        .until("and does all of it again", async |seen| {
            seen.metric("mmf_degradation_level").await == 0.0
                && seen.ask("/offer").await.1 == "42 (buy two)"
        })
        .await;
    operator.look().await;

    stop.store(true, Ordering::Relaxed);
    let mut ended = true;
    for load in load {
        ended &= load.await.is_ok();
    }
    operator.expect("customers are served to the end", ended);
    let answered = operator.metric(ANSWERED).await;
    println!("offers made: {answered}");
    operator.expect(
        "each customer got an offer or a stated error",
        strange.load(Ordering::Relaxed) == 0,
    );
    operator.expect("requests are counted by their route", answered > 20.0);
    if operator.well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
