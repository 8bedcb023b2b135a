//! Tests that become experiments.

use std::time::Duration;

use mmf::chaos::{ChaosKind, Expectation, Fault, InjectedFault, ResilienceTestSuite, Scenario};
use mmf::{ResilienceError, chaos, resilient};

#[derive(Debug)]
struct Error;

impl From<InjectedFault> for Error {
    fn from(_: InjectedFault) -> Self {
        Self
    }
}

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

#[resilient(name = "sturdy.call", retry(max_attempts = 10, base_delay = "10ms"), timeout = "5s")]
async fn sturdy() -> Result<u32, Error> {
    Ok(7)
}

#[resilient(name = "frail.call", timeout = "100ms")]
async fn frail() -> Result<u32, Error> {
    Ok(7)
}

#[chaos(
    target = "sturdy.*",
    seed = 42,
    scenarios("network", "latency", "errors", "resources", "all"),
    expect(success_rate >= 1.0, p99 <= "30s", no_panics, recovers_within = "30s")
)]
#[tokio::test(start_paused = true)]
async fn a_sturdy_call_survives() {
    assert_eq!(sturdy().await.unwrap(), 7);
}

#[chaos(
    target = "sturdy.*",
    seed = 1,
    calls = 50,
    random_errors(probability = 0.5),
    hang(probability = 0.1)
)]
#[tokio::test(start_paused = true)]
async fn a_sturdy_call_survives_faults_of_its_own() -> Result<(), Error> {
    sturdy().await.map(drop)
}

#[chaos(name = "sturdy.blocking")]
fn blocking() -> Result<u32, std::io::Error> {
    Ok(7)
}

#[chaos(target = "sturdy.blocking", seed = 3, disk_full(probability = 0.5), expect(success_rate >= 0.1))]
#[test]
fn a_blocking_test_is_one_as_well() {
    assert_eq!(blocking().unwrap(), 7);
}

fn suite() -> ResilienceTestSuite {
    ResilienceTestSuite::new("a suite").target("frail.*").seed(42).calls(40)
}

#[tokio::test(start_paused = true)]
async fn a_frail_call_fails_and_the_report_says_why() {
    let report = suite()
        .scenario(Scenario::named("network").unwrap())
        .run(|| async { frail().await.map(drop) })
        .await;
    assert!(!report.passed);
    let text = report.to_string();
    assert!(text.contains("a suite: FAILED, seed 42"), "{text}");
    assert!(text.contains("injected at frail.call:") && text.contains("network_failure"), "{text}");
    assert!(text.contains("policy frail.call:") && text.contains("timeouts"), "{text}");
    assert!(report.reasons[0].contains("of 40 calls succeeded"), "{:?}", report.reasons);
    let panic = std::panic::catch_unwind(|| report.assert_passed()).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("MMF_CHAOS_SEED=42 repeats it"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_is_expected_decides() {
    let run = |expectation| {
        let late = Fault::new(ChaosKind::NetworkDelay)
            .probability(0.5)
            .delay(Duration::from_secs(1), Duration::from_secs(1));
        suite()
            .scenario(Scenario::new("own").case("late", [late.duration(Duration::from_secs(600))]))
            .expect(expectation)
            .run(|| async { frail().await.map(drop) })
    };
    assert!(!run(Expectation::default()).await.passed);
    let lenient = Expectation { success_rate: 0.2, ..Expectation::default() };
    assert!(run(lenient.clone()).await.passed);
    let p99 = |ms| Expectation { p99: Some(Duration::from_millis(ms)), ..lenient.clone() };
    assert!(run(p99(200)).await.passed);
    assert!(!run(p99(50)).await.passed);
}

#[tokio::test(start_paused = true)]
async fn an_experiment_that_strikes_nothing_proves_nothing() {
    let network = || Scenario::named("network").unwrap();
    let nowhere = suite().target("nowhere.*").scenario(network()).run(|| async {}).await;
    assert!(nowhere.reasons[0].contains("no injection point matches"), "{:?}", nowhere.reasons);
    assert!(nowhere.reasons[0].contains("frail.call"), "the points are named");
    let idle = suite().scenario(network()).run(|| async {}).await;
    assert!(idle.reasons[0].contains("nothing was injected"), "{:?}", idle.reasons);
    assert!(suite().allow_no_injection().scenario(network()).run(|| async {}).await.passed);
}

#[tokio::test(start_paused = true)]
async fn a_steady_state_that_does_not_hold_ends_it() {
    let report = suite()
        .scenario(Scenario::named("network").unwrap())
        .run(|| async { Err::<(), _>("broken") })
        .await;
    assert!(report.cases.is_empty());
    assert!(report.reasons[0].contains("steady state") && report.reasons[0].contains("broken"));
}

#[tokio::test(start_paused = true)]
async fn panics_are_counted_and_may_be_forbidden() {
    let run = |no_panics| {
        let case = [Fault::new(ChaosKind::Panic).probability(0.5)];
        suite()
            .scenario(Scenario::new("own").case("panic", case))
            .expect(Expectation { success_rate: 0.0, no_panics, ..Expectation::default() })
            .run(|| async { frail().await.map(drop) })
    };
    let allowed = run(false).await;
    assert!(allowed.passed && allowed.cases[0].panics > 0);
    assert!(!run(true).await.passed);
}
