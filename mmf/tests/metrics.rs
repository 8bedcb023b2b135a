//! Metrics, as Prometheus reads them.

use std::process::{Command, Stdio};
use std::time::Duration;

use mmf::metrics;
use mmf::resilience::{Bulkhead, CircuitBreaker, Pipeline, ResilienceError, RetryPolicy, policy};

/// The value of a line that begins so.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[derive(Debug)]
struct Failed;

impl From<ResilienceError> for Failed {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

#[tokio::test(start_paused = true)]
async fn each_thing_that_policies_count_is_told() {
    metrics::enable();
    let name = "metrics.all";
    let pipeline = Pipeline::builder(name)
        .timeout(Duration::from_secs(2))
        .retry(RetryPolicy::builder().max_attempts(2).build())
        .breaker(CircuitBreaker::builder(name).failure_threshold(3).build())
        .bulkhead(Bulkhead::builder(name).max_concurrent(7).build())
        .build();
    let well = pipeline.call::<Failed>().run(|| async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok::<_, Failed>(())
    });
    well.await.unwrap();
    let failing = || pipeline.call::<Failed>().run(|| async { Err::<(), _>(Failed) });
    failing().await.unwrap_err();
    let hanging = pipeline.call::<Failed>().run(std::future::pending::<Result<(), _>>);
    let cancelled = tokio::time::timeout(Duration::from_secs(1), hanging);
    assert!(cancelled.await.is_err());
    let text = metrics::prometheus();
    let of = |series: &str| value(&text, series);
    assert_eq!(of(r#"mmf_policy_calls_total{policy="metrics.all",outcome="success"}"#), 1.0);
    assert_eq!(of(r#"mmf_policy_calls_total{policy="metrics.all",outcome="failure"}"#), 1.0);
    assert_eq!(of(r#"mmf_policy_calls_total{policy="metrics.all",outcome="cancelled"}"#), 1.0);
    assert_eq!(of(r#"mmf_policy_attempts_total{policy="metrics.all"}"#), 4.0);
    assert_eq!(of(r#"mmf_policy_retries_total{policy="metrics.all"}"#), 1.0);
    assert_eq!(of(r#"mmf_breaker_state{policy="metrics.all",state="closed"}"#), 1.0);
    assert_eq!(of(r#"mmf_breaker_failure_ratio{policy="metrics.all"}"#), 2.0 / 3.0);
    assert_eq!(of(r#"mmf_bulkhead_limit{policy="metrics.all"}"#), 7.0);
    let took =
        r#"mmf_policy_call_duration_seconds_bucket{policy="metrics.all",outcome="success",le="#;
    assert_eq!((of(&format!("{took}\"0.025\"}}")), of(&format!("{took}\"0.05\"}}"))), (0.0, 1.0));
    let sum = r#"mmf_policy_call_duration_seconds_sum{policy="metrics.all",outcome="success"}"#;
    assert!((0.03..0.04).contains(&of(sum)), "{}", of(sum));
    let cancelled =
        r#"mmf_policy_call_duration_seconds_count{policy="metrics.all",outcome="cancelled"}"#;
    assert_eq!(of(cancelled), 1.0);

    policy(name).unwrap().breaker().unwrap().force_open();
    failing().await.unwrap_err();
    let text = metrics::prometheus();
    let of = |series: &str| value(&text, series);
    assert_eq!(of(r#"mmf_breaker_state{policy="metrics.all",state="forced_open"}"#), 1.0);
    assert_eq!(of(r#"mmf_breaker_state{policy="metrics.all",state="closed"}"#), 0.0);
    assert_eq!(of(r#"mmf_policy_refusals_total{policy="metrics.all",reason="circuit_open"}"#), 1.0);
}

#[cfg(feature = "health")]
#[tokio::test(start_paused = true)]
async fn checks_and_the_score_are_told() {
    mmf::health::register(mmf::health::Check::new("metrics.db", || async { Err("gone") }));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let text = metrics::prometheus();
    assert_eq!(value(&text, r#"mmf_health_check_up{check="metrics.db"}"#), 0.0);
    assert!((0.0..=1.0).contains(&value(&text, "mmf_health_score ")));
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn requests_are_told_by_their_route() {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
    use axum::routing::get;
    use tower::ServiceExt;

    metrics::enable();
    let app: Router = Router::new()
        .route("/metrics-users/{id}", get(|| async { "Ada" }))
        .route("/hangs", get(std::future::pending::<&'static str>))
        .layer(mmf::axum::ServiceLayer::new("metrics-axum"));
    #[cfg(feature = "health")]
    let app = mmf::axum::probes().merge(app);
    let request = |path: &str| Request::builder().uri(path).body(Body::empty()).unwrap();
    for path in ["/metrics-users/1", "/metrics-users/2", "/nowhere/1", "/nowhere/2"] {
        app.clone().oneshot(request(path)).await.unwrap();
    }
    let hanging = app.clone().oneshot(request("/hangs"));
    assert!(tokio::time::timeout(Duration::from_millis(5), hanging).await.is_err());
    let response = mmf::axum::probes::<()>().oneshot(
        Request::builder()
            .uri("/metrics")
            .header("accept", "application/openmetrics-text")
            .body(Body::empty())
            .unwrap(),
    );
    let response = response.await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = to_bytes(response.into_body(), 10 << 20).await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let series = |route: &str, status: &str| {
        let labels =
            format!(r#"{{protocol="http",method="GET",route="{route}",status="{status}"}}"#);
        (
            value(&text, &format!("mmf_requests_total{labels}")),
            value(&text, &format!("mmf_request_duration_seconds_count{labels}")),
        )
    };
    assert_eq!(series("/metrics-users/{id}", "200"), (2.0, 2.0));
    assert_eq!(series("unmatched", "404"), (2.0, 2.0));
    assert_eq!(series("/hangs", "cancelled"), (1.0, 1.0));
    assert!(!text.contains("nowhere"), "paths are others' words");
}

/// Both formats with hostile names, by Prometheus' own judge; without it, skipped.
#[tokio::test]
async fn promtool_accepts_both_formats() {
    let hostile = "quotes \" backslash \\ line\nfeed {label=\"x\"} # äöü 🦀";
    let breaker = CircuitBreaker::builder(hostile).build();
    let bulkhead = Bulkhead::builder(hostile).build();
    let pipeline = Pipeline::builder(hostile).breaker(breaker).bulkhead(bulkhead).build();
    metrics::enable();
    pipeline
        .call::<ResilienceError>()
        .run(|| async { Ok::<_, ResilienceError>(()) })
        .await
        .unwrap();
    for text in [metrics::prometheus(), metrics::openmetrics()] {
        assert!(text.contains(r#"quotes \" backslash \\ line\nfeed {label=\"x\"} # äöü 🦀"#));
        let judge = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut judge) = judge else {
            assert!(std::env::var_os("MMF_NEEDS_PROMTOOL").is_none(), "no promtool is installed");
            eprintln!("no promtool is installed: skipped");
            return;
        };
        std::io::Write::write_all(&mut judge.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let judged = judge.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&judged.stderr).into_owned()
            + &String::from_utf8_lossy(&judged.stdout);
        // It reads OpenMetrics as its own format, where a counter is another word than its family.
        let is_well = judged.status.success()
            || text.ends_with("# EOF\n")
                && said.lines().all(|line| line.ends_with("_total no help text"));
        assert!(is_well, "{said}\n{text}");
    }
}
