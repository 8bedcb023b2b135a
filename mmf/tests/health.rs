//! Health: checks, probes, the score. Checks are those of the process, so each test has names of its own, and those that look at
//! all of them take turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mmf::health::{
    self, Check, CheckReport, ProbeStatus, ResilienceMonitor, checks, livez, readyz, register,
    startupz, unregister,
};
use mmf::resilience::{Bulkhead, CircuitBreaker, Pipeline, ResilienceError, policy};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::sleep;

/// Alone with the checks of the process, which are none at its begin.
async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    for check in checks() {
        unregister(&check.name);
    }
    turn
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn check(name: &str) -> CheckReport {
    checks().into_iter().find(|check| check.name == name).unwrap()
}

fn body(probe: &health::Probe) -> Value {
    serde_json::from_str(&probe.body).unwrap()
}

/// A check that is up while a number is 0.
fn of(name: &str, broken: &Arc<AtomicU32>) -> Check {
    let broken = Arc::clone(broken);
    Check::new(name, move || {
        let broken = broken.load(Ordering::Relaxed);
        async move { if broken == 0 { Ok(()) } else { Err(format!("broken {broken}")) } }
    })
}

async fn passes() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_check_runs_by_itself_and_tells_its_last_result_and_its_age() {
    let _alone = alone().await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    register(
        Check::new("own", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, String>(()) }
        })
        .every(secs(10)),
    );
    let before = check("own");
    assert_eq!((before.is_up, before.was_up, before.age), (None, false, None));
    passes().await;
    sleep(secs(4)).await;
    let report = check("own");
    assert_eq!((report.is_up, report.was_up), (Some(true), true));
    assert!(report.age.unwrap() >= secs(4), "{report:?}");
    for _ in 0..9 {
        checks();
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1, "who asks does not make it run");
    sleep(secs(30)).await;
    assert_eq!(runs.load(Ordering::Relaxed), 4);
    assert!(unregister("own") && !unregister("own"));
    sleep(secs(30)).await;
    assert_eq!(runs.load(Ordering::Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn what_hangs_panics_or_is_late_is_down_alone() {
    let _alone = alone().await;
    register(Check::new("well", || async { Ok::<_, String>(()) }));
    register(Check::new("panics", || async { panic!("as told") as Result<(), String> }));
    register(Check::new("panics at once", || -> std::future::Ready<Result<(), String>> {
        panic!("as told")
    }));
    let at_once = Arc::new(AtomicU32::new(0));
    let most = Arc::new(AtomicU32::new(0));
    register(Check::new("hangs", {
        let (at_once, most) = (Arc::clone(&at_once), Arc::clone(&most));
        move || {
            let (at_once, most) = (Arc::clone(&at_once), Arc::clone(&most));
            async move {
                struct Leave(Arc<AtomicU32>);
                impl Drop for Leave {
                    fn drop(&mut self) {
                        self.0.fetch_sub(1, Ordering::Relaxed);
                    }
                }
                most.fetch_max(at_once.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                let _leave = Leave(at_once);
                sleep(secs(3600)).await;
                Ok::<_, String>(())
            }
        }
    }));
    sleep(secs(60)).await;
    assert_eq!(check("well").is_up, Some(true));
    for (name, why) in [
        ("panics", "it panicked"),
        ("panics at once", "it panicked"),
        ("hangs", "no answer within 1s"),
    ] {
        let report = check(name);
        assert_eq!(report.is_up, Some(false), "{name}");
        assert_eq!(report.last.unwrap().error.as_deref(), Some(why));
    }
    assert_eq!(most.load(Ordering::Relaxed), 1, "one of each at a time");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_says_nothing_any_more_is_down() {
    let _alone = alone().await;
    // On a runtime that ends: nobody runs it then.
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let check = Check::new("silent", || async { Ok::<_, String>(()) });
            register(check.every(Duration::from_millis(1)).timeout(Duration::from_millis(1)));
            sleep(Duration::from_millis(50)).await;
            assert_eq!(check_of("silent"), Some(true));
        });
    })
    .join()
    .unwrap();
    // And here somebody asks: it goes on.
    checks();
    passes().await;
    assert_eq!(check_of("silent"), Some(true));
}

fn check_of(name: &str) -> Option<bool> {
    check(name).is_up
}

#[tokio::test(start_paused = true)]
async fn readiness_fails_by_what_is_critical_and_warns_by_what_is_missing() {
    let _alone = alone().await;
    let (database, cache, tip) = (Arc::default(), Arc::default(), Arc::default());
    register(of("database", &database).critical());
    register(of("cache", &cache));
    register(of("tip", &tip).informing());
    assert_eq!(readyz().status, ProbeStatus::Fail, "no result is no success");
    assert_eq!(startupz().status, ProbeStatus::Fail);
    passes().await;
    assert_eq!((readyz().status, startupz().status), (ProbeStatus::Pass, ProbeStatus::Pass));
    for (broken, status) in
        [(&tip, ProbeStatus::Pass), (&cache, ProbeStatus::Warn), (&database, ProbeStatus::Fail)]
    {
        broken.store(1, Ordering::Relaxed);
        sleep(secs(6)).await;
        assert_eq!(readyz().status, status);
    }
    let probe = readyz();
    assert_eq!(probe.http_status(), 503);
    let body = body(&probe);
    assert_eq!(body["status"], "fail");
    assert_eq!(body["notes"], serde_json::json!(["database is down", "cache is down"]));
    let told = &body["checks"]["database"][0];
    assert_eq!((&told["status"], &told["importance"]), (&"fail".into(), &"critical".into()));
    assert!(told["observedValue"].is_number() && told["time"].as_str().unwrap().ends_with('Z'));
    assert!(!probe.body.contains("broken 1"), "error texts may tell secrets: {}", probe.body);
    assert_eq!(livez().status, ProbeStatus::Pass, "it asks nobody");
    assert_eq!(startupz().status, ProbeStatus::Pass, "it was up once");
    database.store(0, Ordering::Relaxed);
    sleep(secs(6)).await;
    assert_eq!((readyz().status, readyz().http_status()), (ProbeStatus::Warn, 200));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_a_warning_and_lowers_the_score() {
    let _alone = alone().await;
    assert_eq!((readyz().status, health::score()), (ProbeStatus::Pass, 1.0));
    let breaker = CircuitBreaker::builder("health.open").build();
    let bulkhead = Bulkhead::builder("health.open").max_concurrent(1).build();
    let open = Pipeline::builder("health.open").breaker(breaker).bulkhead(bulkhead).build();
    assert_eq!(health::score(), 1.0);
    policy("health.open").unwrap().breaker().unwrap().force_open();
    assert_eq!(readyz().status, ProbeStatus::Warn);
    assert_eq!(body(&readyz())["notes"], serde_json::json!(["breakers open: 1"]));
    assert_eq!(health::score(), 0.5, "of a breaker and a bulkhead, one");
    let summary = ResilienceMonitor::summary();
    assert_eq!(summary.open_breakers, ["health.open"]);
    assert!(summary.to_string().contains("open: health.open"), "{summary}");
    policy("health.open").unwrap().breaker().unwrap().reset();
    let running = open.clone();
    let full = tokio::spawn(async move {
        let call = running.call::<ResilienceError>();
        call.run(std::future::pending::<Result<(), _>>).await
    });
    passes().await;
    assert_eq!(health::score(), 0.75, "a full bulkhead is half of one");
    full.abort();
    passes().await;
    register(Check::new("gone", || async { Err("gone") }).critical());
    passes().await;
    assert_eq!(health::score(), 0.1, "at most, while a critical check is down");
    register(Check::new("gone", || async { Err("gone") }));
    passes().await;
    assert_eq!(health::score(), 0.5, "two of the four parts");
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn the_history_has_the_last_hundred_results() {
    let _alone = alone().await;
    let broken = Arc::default();
    register(of("kept", &broken).every(secs(1)));
    sleep(secs(200)).await;
    broken.store(7, Ordering::Relaxed);
    sleep(secs(2)).await;
    let history = health::history();
    assert_eq!(history.len(), 100);
    let last = history.last().unwrap();
    assert_eq!((last.name.as_str(), last.is_up), ("kept", false));
    assert_eq!(last.error.as_deref(), Some("broken 7"));
    let since = check("kept").since.unwrap();
    assert!(since >= last.at - secs(60) && since <= last.at);
}

#[cfg(feature = "axum")]
#[tokio::test(start_paused = true)]
async fn the_probes_are_routes() {
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
    use tower::ServiceExt;

    let _alone = alone().await;
    register(Check::new("routes", || async { Err("no") }).critical());
    passes().await;
    for (path, status) in [("/livez", 200), ("/readyz", 503), ("/startupz", 503)] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = mmf::axum::probes::<()>().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/health+json");
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        serde_json::from_slice::<Value>(&body).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_without_a_limit_harms_nobody() {
    let _alone = alone().await;
    let check = |name| Check::new(name, || async { Ok::<_, String>(()) });
    register(check("once").every(Duration::MAX));
    register(check("patient").timeout(Duration::MAX));
    passes().await;
    assert_eq!((check_of("once"), check_of("patient")), (Some(true), Some(true)));
    assert_eq!(readyz().status, ProbeStatus::Pass);
}

#[tokio::test]
async fn a_check_that_keeps_its_thread_is_down() {
    let _alone = alone().await;
    let blocks = Check::new("blocks", || async {
        std::thread::sleep(Duration::from_millis(200));
        Ok::<_, String>(())
    });
    register(blocks.timeout(Duration::from_millis(20)).every(secs(60)));
    while check_of("blocks").is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    let last = check("blocks").last.unwrap();
    assert_eq!((last.is_up, last.error.as_deref()), (false, Some("no answer within 20ms")));
}

#[tokio::test(start_paused = true)]
async fn a_panic_whose_payload_panics_is_down_like_any_other() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("once more");
        }
    }
    let _alone = alone().await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    register(
        Check::new("payload", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { std::panic::panic_any(Payload) as Result<(), String> }
        })
        .every(secs(1)),
    );
    sleep(Duration::from_millis(3500)).await;
    assert_eq!((check_of("payload"), runs.load(Ordering::Relaxed)), (Some(false), 4));
}

#[test]
fn a_check_goes_on_where_somebody_drives_a_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let every = Duration::from_millis(5);
    let _alone = first.block_on(async {
        let alone = alone().await;
        let check = Check::new("driven", || async { Ok::<_, String>(()) });
        register(check.every(every).timeout(every));
        sleep(every * 2).await;
        assert_eq!(check_of("driven"), Some(true));
        alone
    });
    // The first is not gone, and nobody drives it.
    second.block_on(async {
        sleep(every * 20).await;
        assert_eq!(check_of("driven"), Some(false), "it has said nothing for too long");
        sleep(every * 2).await;
        assert_eq!(check_of("driven"), Some(true));
    });
    drop(first);
}
