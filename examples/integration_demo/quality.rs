//! Contracts, an experiment and a measurement of the running service, judged by gates, and the report over all of them.

use std::path::PathBuf;
use std::time::Duration;

use mmf::chaos::{ResilienceTestSuite, Scenario};
use mmf::testing::{ContractTest, Limits, PerformanceTest, QualityReport, TestRunner};
use mmf::{ResilienceError, resilient};

use crate::process::Error;

/// What a shop may get in place of a user. A fault of the network comes as an error of I/O.
#[derive(Debug, thiserror::Error)]
enum ShopError {
    #[error("no user: {0}")]
    Http(#[from] reqwest::Error),
    #[error("no user: {0}")]
    Network(#[from] std::io::Error),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

/// Another service that reads users: the experiment is its own, since faults are injected where they are made.
#[resilient(
    name = "shop.user",
    timeout = "100ms",
    retry(max_attempts = 8, base_delay = "1ms", max_delay = "10ms")
)]
async fn read(url: &str) -> Result<String, ShopError> {
    Ok(reqwest::get(url).await?.error_for_status()?.text().await?)
}

pub(crate) async fn report(base: &str) -> QualityReport {
    let url = format!("{base}/users/1");
    let contract = ContractTest::new("a user has a name", "users", "GET /users/1").base_url(base);
    let unknown = ContractTest::new("a word is no user", "users", "GET /users/ada").base_url(base);
    let measurement =
        PerformanceTest::new("reading a user").endpoint("GET /users/{id}").iterations(300);
    let limits = Limits {
        max_response_time: Some(Duration::from_millis(250)),
        min_throughput: Some(100.0),
        ..Limits::default()
    };
    let experiment =
        ResilienceTestSuite::new("a shop reads users over a bad network").target("shop.*").seed(42);
    let (asked, measured) = (url.clone(), url);
    let mut runner = TestRunner::new()
        .contract(
            contract.status(200).sla(Duration::from_secs(1)).samples(20),
            |answer| async move {
                assert_eq!(answer.json()["name"], "user 1");
            },
        )
        .contract(unknown.status(400), |_| async {})
        .chaos(
            experiment
                .calls(30)
                .scenario(Scenario::named("network").unwrap_or_else(|| Scenario::new("network"))),
            move || {
                let url = asked.clone();
                async move { read(&url).await.map(drop) }
            },
        )
        .performance(measurement.concurrency(4).limits(limits), move || {
            let url = measured.clone();
            async move { reqwest::get(url).await?.error_for_status().map(drop) }
        });
    runner.run_contract_tests().await;
    runner.run_chaos_tests().await;
    runner.run_performance_tests().await;
    runner.quality_report()
}

/// Writes the report as a page; where it is.
pub(crate) fn write(report: &QualityReport) -> Result<PathBuf, Error> {
    let folder =
        PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let folder = folder.join("mmf");
    let unwritable = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(unwritable)?;
    let file = folder.join("integration_demo.html");
    std::fs::write(&file, report.html(&[]))?;
    Ok(file)
}
