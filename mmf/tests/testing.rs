//! Contracts and measurements, as users write them, against a server on loopback. A program of its own, since
//! what it records is read again: it starts itself with the results going to a folder of their own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use mmf::testing::results::{Contract, Outcome, Performance, Record, Results};
use mmf::testing::{
    BaselineRun, ContractResponse, ContractTest, KindGates, PerformanceBaseline, PerformanceTest,
    QualityGates, TestRunner,
};
use mmf::{contract_test, performance_test};
use tokio::net::TcpListener;

async fn serve() -> SocketAddr {
    let app = Router::new()
        .route("/health", get(|| async { "well" }))
        .route("/users/1", get(|| async { Json(serde_json::json!({ "name": "Ada" })) }))
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_millis(30)).await }))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

async fn url() -> String {
    format!("http://{}", serve().await)
}

#[contract_test(
    service = "users",
    base_url(url().await),
    health_check_endpoints("/health"),
    wait_ready = "10s",
    endpoint = "GET /users/1",
    status = 200,
    header("content-type" = "application/json"),
    sla = "5s",
    samples = 5,
    percentile = 95
)]
async fn a_user(response: ContractResponse) {
    assert_eq!(response.json()["name"], "Ada");
    assert!(response.elapsed() < Duration::from_secs(5));
}

#[cfg(feature = "schema")]
#[contract_test(
    service = "users",
    base_url(url().await),
    endpoint = "/users/1",
    schema = "tests/testing_schema.json"
)]
#[should_panic(expected = "schema: tests/testing_schema.json: at /name: ")]
async fn of_another_schema(_: ContractResponse) {}

#[contract_test(service = "users", base_url(url().await), endpoint = "/broken", status = 500)]
fn a_status_that_is_expected(response: ContractResponse) -> Result<(), String> {
    if response.text().is_empty() { Ok(()) } else { Err(response.text()) }
}

#[contract_test(service = "users", base_url(url().await), endpoint = "/slow", sla = "10ms")]
#[should_panic(expected = "the contract of users /slow is broken: sla")]
async fn too_slow(_: ContractResponse) {}

#[contract_test(service = "users", base_url(url().await), endpoint = "/broken")]
#[should_panic(expected = "status: 500, expected success")]
async fn broken(_: ContractResponse) {}

#[contract_test(service = "users", base_url(url().await), endpoint = "/users/1")]
#[should_panic(expected = "body: panic: not Grace")]
async fn of_another_name(response: ContractResponse) {
    assert!(response.json()["name"] == "Grace", "not Grace");
}

#[contract_test(
    service = "users",
    base_url(url().await),
    health_check_endpoints("/health", "/broken"),
    endpoint = "/users/1"
)]
#[should_panic(expected = "health /broken: users is down: 500")]
async fn down(_: ContractResponse) {}

#[contract_test(service = "no-such-service", endpoint = "/")]
#[should_panic(expected = "no base_url is given, and MMF_BASE_URL_NO_SUCH_SERVICE is not set")]
async fn nowhere(_: ContractResponse) {}

#[contract_test(service = "users", base_url("http://127.0.0.1:1"), endpoint = "/")]
#[should_panic(expected = "nothing answers at http://127.0.0.1:1: ")]
async fn unreachable(_: ContractResponse) {}

#[contract_test(service = "users", endpoints("/health" = "5s", "/users/1"), samples = 3)]
async fn answers_in_time(endpoint: &str) -> Result<(), String> {
    let address = serve().await;
    let path = endpoint.to_owned();
    let request = move || ureq::get(format!("http://{address}{path}")).call();
    let response = tokio::task::spawn_blocking(request).await.map_err(|error| error.to_string())?;
    response.map(drop).map_err(|error| error.to_string())
}

#[performance_test(
    endpoint = "/nothing",
    iterations = 500,
    concurrency = 4,
    max_response_time = "5s",
    max_memory = "512MiB",
    min_throughput = 1.0
)]
async fn in_no_time() -> Result<(), String> {
    tokio::task::yield_now().await;
    Ok(())
}

#[performance_test(iterations = 20, rate = 1000.0, warm_up = 0)]
#[should_panic(expected = "the rate of 1000 a second was not held, ")]
async fn far_from_its_rate() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[performance_test(iterations = 20, rate = 1000.0, warm_up = 0, allow_missed_rate = true)]
async fn far_from_its_rate_as_it_may_be() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

// A machine may stall for a moment.
#[performance_test(iterations = 40, rate = 400.0, allow_missed_rate = true, max_error_rate = 0.5)]
fn at_a_rate() -> Result<(), String> {
    Ok(())
}

#[performance_test(iterations = 20, max_response_time = "1ms")]
#[should_panic(expected = "the 95th percentile took")]
async fn over_its_time() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

#[performance_test(iterations = 10, warm_up = 0)]
#[should_panic(expected = "10 of 10 runs failed; the first: \"no\"")]
async fn failing() -> Result<(), &'static str> {
    Err("no")
}

#[performance_test(iterations = 3, warm_up = 0, max_memory = "1MiB")]
#[should_panic(expected = "memory rose by")]
#[cfg(target_os = "linux")]
async fn over_its_memory() {
    let held = vec![1_u8; 64 << 20];
    std::hint::black_box(&held);
}

/// Runs the other tests of this program, with their results in a folder.
fn results_of(filter: &[&str], folder: &Path) -> Results {
    std::fs::create_dir_all(folder).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(filter)
        .arg("--exact")
        .env("MMF_RESULTS", folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let results = Results::read(folder).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    results
}

fn folder(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("mmf-results-{}-{name}", std::process::id()))
}

fn contract(record: &Record) -> &Contract {
    let Outcome::Contract(contract) = &record.outcome else { panic!("{record:?}") };
    contract
}

fn performance(record: &Record) -> &Performance {
    let Outcome::Performance(performance) = &record.outcome else { panic!("{record:?}") };
    performance
}

#[test]
fn each_test_leaves_its_record() {
    let tests =
        ["a_user", "too_slow", "answers_in_time::health", "answers_in_time::users_1", "in_no_time"];
    let results = results_of(&tests, &folder("records"));
    assert_eq!(results.unreadable, Vec::<String>::new());
    assert_eq!(results.records.len(), 5, "{:?}", results.records.keys());

    let user = &results.records["testing::a_user"];
    assert!(user.passed && user.reasons.is_empty());
    let checks: Vec<_> = contract(user).checks.iter().map(|check| check.name.as_str()).collect();
    let wanted = ["health /health", "reachable", "status", "header content-type", "sla", "body"];
    assert_eq!(checks, wanted);
    assert_eq!(contract(user).sla_ms, Some(5000.0));
    assert!(contract(user).measured_ms.unwrap() > 0.0);

    let slow = &results.records["testing::too_slow"];
    assert!(slow.passed, "it should panic, and did");
    assert!(slow.reasons[0].starts_with("sla: "), "{:?}", slow.reasons);
    assert!(contract(slow).measured_ms.unwrap() >= 30.0);
    assert_eq!(contract(&results.records["testing::answers_in_time::health"]).samples, 3);

    let measured = performance(&results.records["testing::in_no_time"]);
    assert_eq!((measured.iterations, measured.errors, measured.concurrency), (500, 0, 4));
    assert!(measured.p50_ms <= measured.p99_ms && measured.p99_ms <= measured.max_ms * 1.01);
    assert_eq!(measured.limits["max_response_time_ms"], 5000.0);
}

#[test]
fn an_open_model_keeps_its_rate() {
    let results = results_of(&["at_a_rate"], &folder("rate"));
    let record = &results.records["testing::at_a_rate"];
    // The fortieth starts after 39 of 400 parts of a second.
    assert!(record.duration_ms >= 97.0, "{}", record.duration_ms);
    assert_eq!(performance(record).rate, Some(400.0));
    assert!(performance(record).throughput <= 420.0);
}

#[test]
fn gates_decide_over_records() {
    let results = results_of(&["a_user", "in_no_time"], &folder("gates"));
    let report = QualityGates::default().judge(&results);
    let failed: Vec<_> = report
        .verdicts
        .iter()
        .filter(|verdict| !verdict.passed)
        .map(|verdict| verdict.gate.as_str())
        .collect();
    assert_eq!(failed, ["min_chaos_coverage"]);
    assert!(!report.all_gates_passed && report.recommendations.len() == 1);
    assert!(report.recommendations[0].contains("write experiments: 0 of 2"), "{report:?}");
    let lenient = QualityGates { min_chaos_coverage: 0.0, ..QualityGates::default() };
    assert!(lenient.judge(&results).all_gates_passed);
    assert!(!lenient.judge(&Results::default()).all_gates_passed, "no results is never a pass");
}

#[test]
fn each_gate_can_fail() {
    let mut results = results_of(&["too_slow", "in_no_time", "a_user"], &folder("each"));
    // As if it should not panic.
    results.records.get_mut("testing::too_slow").unwrap().passed = false;
    let fails = |gates: QualityGates| {
        let report = gates.judge(&results);
        let failed = report.verdicts.into_iter().filter(|verdict| !verdict.passed);
        failed.map(|verdict| verdict.gate).collect::<Vec<_>>()
    };
    let lenient = QualityGates {
        min_success_rate: 0.5,
        min_chaos_coverage: 0.0,
        max_failed_contracts: 1,
        ..QualityGates::default()
    };
    assert_eq!(fails(lenient.clone()), Vec::<String>::new());
    for (gate, gates) in [
        ("min_success_rate", QualityGates { min_success_rate: 0.7, ..lenient.clone() }),
        ("max_failed_contracts", QualityGates { max_failed_contracts: 0, ..lenient.clone() }),
        ("min_performance_tests", QualityGates { min_performance_tests: 2, ..lenient.clone() }),
        (
            "max_average_duration",
            QualityGates { max_average_duration: Duration::from_millis(1), ..lenient.clone() },
        ),
        ("max_p99", QualityGates { max_p99: Some(Duration::ZERO), ..lenient.clone() }),
        (
            "contract.min_success_rate",
            QualityGates {
                contract: KindGates { min_success_rate: Some(0.9), ..KindGates::default() },
                ..lenient.clone()
            },
        ),
        (
            "performance.max_average_duration",
            QualityGates {
                performance: KindGates {
                    max_average_duration: Some(Duration::ZERO),
                    ..KindGates::default()
                },
                ..lenient.clone()
            },
        ),
        (
            "test.min_tests",
            QualityGates {
                test: KindGates { min_tests: Some(1), ..KindGates::default() },
                ..lenient
            },
        ),
    ] {
        assert_eq!(fails(gates), [gate]);
    }
}

#[test]
fn a_run_is_compared_with_those_before_it() {
    let file = folder("baseline").with_extension("json");
    let run = || {
        PerformanceTest::new("compared")
            .iterations(5)
            .warm_up(1)
            .baseline(&file)
            .run_blocking(|| async { tokio::time::sleep(Duration::from_millis(2)).await })
    };
    let remember = |p25_ms| {
        let mut baseline = PerformanceBaseline::default();
        for at_ms in 1..=5 {
            baseline.accept(BaselineRun { at_ms, ..BaselineRun::here(p25_ms) });
        }
        baseline.write(&file).unwrap();
    };
    assert!(run().passed, "nothing to compare with");
    remember(60_000.0);
    assert!(run().passed, "faster than ever");
    remember(0.1);
    let report = run();
    assert!(!report.passed && report.reasons[0].contains("in 4 runs out of 4"), "{report}");
    std::fs::write(&file, "{").unwrap();
    assert!(run().reasons[0].contains("the baseline "), "a file that is none is no pass");
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_judges_what_it_has_run() {
    let url = url().await;
    let contract =
        |name: &str, endpoint: &str| ContractTest::new(name, "runner", endpoint).base_url(&url);
    let gates = QualityGates { min_chaos_coverage: 0.0, ..QualityGates::default() };
    let mut runner = TestRunner::new()
        .gates(gates)
        .contract(contract("a user", "/users/1"), |response| async move {
            assert_eq!(response.json()["name"], "Ada");
        })
        .contract(contract("broken", "/broken"), |_| async {})
        .contract(contract("broken", "/broken").status(500), |_| async {})
        .performance(PerformanceTest::new("nothing").iterations(5), || async {});
    let contracts = runner.run_contract_tests().await;
    let names: Vec<_> = contracts.iter().map(|record| record.test.as_str()).collect();
    assert_eq!(names, ["a user", "broken", "broken (2)"]);
    assert_eq!(runner.run_chaos_tests().await, []);
    assert_eq!(runner.run_performance_tests().await.len(), 1);
    assert_eq!(runner.run_performance_tests().await, [], "once is enough");
    let summary = runner.summary();
    assert_eq!((summary.tests, summary.passed, summary.contracts), (4, 3, 3));
    let report = runner.quality_report();
    assert!(!report.all_gates_passed);
    assert!(
        report
            .recommendations
            .iter()
            .any(|line| line.contains("runner /broken (status: 500, expected success)")),
        "{report:?}"
    );
}

#[cfg(feature = "chaos")]
#[tokio::test]
async fn a_runner_runs_experiments() {
    use mmf::chaos::{ResilienceTestSuite, Scenario};
    let suite = ResilienceTestSuite::new("nothing to strike")
        .target("no.such.*")
        .scenario(Scenario::named("errors").unwrap());
    let mut runner = TestRunner::new().chaos(suite, || async { Ok::<_, std::io::Error>(()) });
    let records = runner.run_chaos_tests().await;
    assert!(!records[0].passed && records[0].reasons[0].contains("no injection point matches"));
    assert_eq!(runner.summary().chaos, 1);
}
