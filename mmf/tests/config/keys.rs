//! Each key, and each of its values, changes what calls do.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mmf::resilience::{BreakerState, KeyedBreakers, ResilienceError, policy};
use mmf::{config, resilient};
use tokio::time::{Instant, advance, sleep};

use super::{Error, alone, value};

/// Puts values in force for one policy.
fn set(policy: &str, values: &str) {
    config::apply(&format!("[policies.{policy:?}]\n{values}")).unwrap();
}

static RUNS: AtomicU32 = AtomicU32::new(0);

/// How often the function has run since it was asked last.
fn runs() -> u32 {
    RUNS.swap(0, Ordering::Relaxed)
}

#[resilient(
    name = "keys.client",
    deadline = "10s",
    timeout = "2s",
    retry(max_attempts = 3, backoff = "constant", base_delay = "1s", jitter = 0.0),
    breaker(failure_threshold = 0, failure_rate_threshold = 0.9, minimum_throughput = 50)
)]
async fn client(takes: Duration, ok: bool) -> Result<u8, Error> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    sleep(takes).await;
    if ok { Ok(1) } else { Err(Error::Failed) }
}

async fn failing() -> (u32, Duration) {
    // What other tests have left in its window.
    policy("keys.client").unwrap().breaker().unwrap().reset();
    let began = Instant::now();
    runs();
    client(Duration::ZERO, false).await.unwrap_err();
    (runs(), began.elapsed())
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn limits_of_attempts_and_calls() {
    alone(async {
        let slow = async || {
            let began = Instant::now();
            let refusal = client(Duration::from_secs(60), true).await.unwrap_err();
            (began.elapsed(), refusal)
        };
        set("keys.client", "timeout = \"500ms\"\nretry.max_attempts = 1");
        let (took, refusal) = slow().await;
        assert_eq!(took, SECOND / 2);
        let Error::Refused(ResilienceError::Timeout { limit, .. }) = refusal else { panic!() };
        assert_eq!(limit, SECOND / 2);
        set("keys.client", "deadline = \"3s\"");
        let (took, refusal) = slow().await;
        assert_eq!(took, SECOND * 2, "the wait for another attempt would end at the deadline");
        assert!(matches!(refusal, Error::Refused(ResilienceError::Timeout { .. })), "{refusal:?}");
        set("keys.client", "deadline = \"2500ms\"\nretry.base_delay = \"100ms\"");
        let (took, refusal) = slow().await;
        assert_eq!(took, Duration::from_millis(2500));
        assert!(matches!(refusal, Error::Refused(ResilienceError::DeadlineExceeded { .. })));
    });
}

#[test]
fn retry_by_each_key() {
    alone(async {
        assert_eq!(failing().await, (3, SECOND * 2));
        for (values, expected) in [
            ("retry.max_attempts = 2", (2, SECOND)),
            ("retry = 2", (2, SECOND)),
            ("retry.enabled = false", (1, Duration::ZERO)),
            ("retry = { max_attempts = 9, enabled = false }", (1, Duration::ZERO)),
            ("retry.base_delay = \"2s\"", (3, SECOND * 4)),
            ("retry.backoff = \"linear\"", (3, SECOND * 3)),
            ("retry.backoff = \"exponential\"\nretry.multiplier = 3", (3, SECOND * 4)),
            ("retry.backoff = \"fibonacci\"\nretry.max_attempts = 4", (4, SECOND * 4)),
            ("retry.backoff = \"linear\"\nretry.max_delay = \"1s\"", (3, SECOND * 2)),
            ("retry.max_attempts = \"unlimited\"\nretry.max_duration = \"5s\"", (5, SECOND * 4)),
        ] {
            set("keys.client", values);
            assert_eq!(failing().await, expected, "{values}");
        }
        for (values, least, most) in [
            ("retry.jitter = 0.5", 1.0, 3.0),
            ("retry.backoff = \"random\"\nretry.max_delay = \"3s\"", 2.0, 6.0),
            ("retry.backoff = \"jittered_exponential\"", 1.5, 4.5),
            ("retry.backoff = \"decorrelated\"\nretry.max_delay = \"3s\"", 2.0, 6.0),
        ] {
            set("keys.client", values);
            let mut took = Vec::new();
            for _ in 0..20 {
                took.push(failing().await.1.as_secs_f64());
            }
            assert!(took.iter().all(|took| (least..=most).contains(took)), "{values} {took:?}");
            assert!(took.iter().any(|took| *took != took.round()), "{values} {took:?}");
        }
    });
}

#[test]
fn a_budget_is_added_and_what_it_has_saved_is_kept() {
    alone(async {
        set("keys.client", "retry.budget = 0.0\nretry.base_delay = \"0s\"\ndeadline = \"100s\"");
        let mut attempts = 0;
        for _ in 0..20 {
            attempts += failing().await.0;
        }
        assert_eq!(attempts, 20 + 10, "ten retries a second are always allowed");
        assert_eq!(value("keys.client", "retry.budget").unwrap().0, "0.0");
    });
}

#[test]
fn refusals_that_are_retried_and_counted() {
    alone(async {
        let slow = async || {
            policy("keys.client").unwrap().breaker().unwrap().reset();
            runs();
            client(Duration::from_secs(60), true).await.unwrap_err();
            runs()
        };
        assert_eq!(slow().await, 3);
        set("keys.client", "retry.on_refusal = \"none\"");
        assert_eq!(slow().await, 1);
        set("keys.client", "retry.on_refusal = [\"bulkhead\", \"rate_limit\"]");
        assert_eq!(slow().await, 1);
        set("keys.client", "retry.on_refusal = [\"timeout\"]");
        assert_eq!(slow().await, 3);
        let failures = || policy("keys.client").unwrap().snapshot().breaker.unwrap().failures;
        set("keys.client", "breaker.on_refusal = \"none\"\nretry = 1");
        slow().await;
        assert_eq!(failures(), 0);
        set("keys.client", "breaker.on_refusal = \"all\"\nretry = 1");
        slow().await;
        assert_eq!(failures(), 1);
    });
}

#[resilient(name = "keys.breaker", breaker(failure_threshold = 100, failure_rate_threshold = 0.0))]
async fn guarded(takes: Duration, ok: bool) -> Result<u8, Error> {
    sleep(takes).await;
    if ok { Ok(1) } else { Err(Error::Failed) }
}

#[test]
fn breaker_by_each_key() {
    alone(async {
        let breaker = policy("keys.breaker").unwrap();
        let breaker = breaker.breaker().unwrap();
        // So many calls are made until it opens.
        let opens_after = async |values: &str, takes: Duration, ok: &[bool]| {
            set("keys.breaker", values);
            breaker.reset();
            for (call, ok) in ok.iter().enumerate() {
                let _ = guarded(takes, *ok).await;
                if breaker.state() != BreakerState::Closed {
                    return Some(call + 1);
                }
            }
            None
        };
        let (none, failures) = (Duration::ZERO, [false; 12]);
        assert_eq!(opens_after("breaker.failure_threshold = 3", none, &failures).await, Some(3));
        assert_eq!(opens_after("breaker = 4", none, &failures).await, Some(4));
        let off = "breaker.failure_threshold = 3\nbreaker.enabled = false";
        assert_eq!(opens_after(off, none, &failures).await, None);
        let rate = "breaker.failure_rate_threshold = 0.5\n";
        assert_eq!(opens_after(rate, none, &failures).await, Some(10));
        let least = format!("{rate}breaker.minimum_throughput = 7");
        assert_eq!(opens_after(&least, none, &failures).await, Some(7));
        // The first calls succeed: a window of four has forgotten them.
        let mixed = [true, true, true, true, true, true, false, false, false];
        let window = format!("{rate}breaker.minimum_throughput = 4\nbreaker.window = 4");
        assert_eq!(opens_after(&window, none, &mixed).await, Some(8));
        assert_eq!(
            opens_after(&format!("{rate}breaker.minimum_throughput = 4"), none, &mixed).await,
            None
        );
        let timed = format!("{rate}breaker.minimum_throughput = 2\nbreaker.window = \"4s\"");
        assert_eq!(opens_after(&timed, SECOND, &mixed).await, Some(8));
        let slow = "breaker.slow_call_threshold = \"1s\"\nbreaker.minimum_throughput = 4";
        assert_eq!(opens_after(slow, SECOND, &[true; 8]).await, Some(4));
        assert_eq!(opens_after(slow, none, &[true; 8]).await, None);
        let half = format!("{slow}\nbreaker.slow_call_rate_threshold = 0.01");
        assert_eq!(opens_after(&half, SECOND, &[true; 8]).await, Some(4));
    });
}

#[test]
fn recovery_by_each_key() {
    alone(async {
        let breaker = policy("keys.breaker").unwrap();
        let breaker = breaker.breaker().unwrap();
        let rules = "breaker.failure_threshold = 1\nbreaker.recovery_timeout = \"2s\"\n";
        let open = async |values: &str| {
            set("keys.breaker", &format!("{rules}{values}"));
            breaker.reset();
            guarded(Duration::ZERO, false).await.unwrap_err();
            assert_eq!(breaker.state(), BreakerState::Open);
        };
        open("").await;
        advance(SECOND * 2).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen);

        open("breaker.recovery_multiplier = 3.0").await;
        advance(SECOND * 2).await;
        guarded(Duration::ZERO, false).await.unwrap_err();
        advance(SECOND * 5).await;
        assert_eq!(breaker.state(), BreakerState::Open, "three times as long");
        advance(SECOND).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen);

        open("breaker.recovery_multiplier = 3.0\nbreaker.max_recovery_timeout = \"3s\"").await;
        advance(SECOND * 2).await;
        guarded(Duration::ZERO, false).await.unwrap_err();
        advance(SECOND * 3).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen);

        open("breaker.success_threshold = 1").await;
        advance(SECOND * 2).await;
        guarded(Duration::ZERO, true).await.unwrap();
        assert_eq!(breaker.state(), BreakerState::Closed);

        open("breaker.half_open_max_calls = 1").await;
        advance(SECOND * 2).await;
        let (one, other) = tokio::join!(guarded(SECOND, true), guarded(SECOND, true));
        assert!(one.is_ok() && matches!(other, Err(Error::Refused(_))));
    });
}

#[resilient(name = "keys.limited", rate_limit(permits = 1000, period = "1s"))]
async fn limited() -> Result<u8, Error> {
    Ok(1)
}

#[test]
fn rate_limit_by_each_key() {
    alone(async {
        // What goes through in the first second, at once and after that.
        let through = async |values: &str| {
            set("keys.limited", values);
            advance(Duration::from_secs(1000)).await;
            let mut counts = [0, 0];
            for count in &mut counts {
                for _ in 0..50 {
                    *count += u32::from(limited().await.is_ok());
                }
                advance(SECOND).await;
            }
            counts
        };
        assert_eq!(through("").await, [50, 50]);
        assert_eq!(through("rate_limit.permits = 5").await, [5, 5]);
        assert_eq!(through("rate_limit = 5").await, [5, 5]);
        assert_eq!(through("rate_limit.permits = 5\nrate_limit.period = \"5s\"").await, [5, 1]);
        assert_eq!(through("rate_limit.permits = 5\nrate_limit.burst = 20").await, [20, 5]);
        assert_eq!(through("rate_limit = { permits = 5, enabled = false }").await, [50, 50]);
        set("keys.limited", "rate_limit.permits = 1\nrate_limit.max_wait = \"1s\"");
        advance(SECOND * 10).await;
        let began = Instant::now();
        limited().await.unwrap();
        limited().await.unwrap();
        assert_eq!(began.elapsed(), SECOND);
    });
}

#[resilient(name = "keys.crowded", bulkhead(max_concurrent = 100))]
async fn crowded() -> Result<u8, Error> {
    sleep(SECOND).await;
    Ok(1)
}

#[test]
fn bulkhead_by_each_key() {
    alone(async {
        // How many of ten get in, and how long it takes until all of them have ended.
        let through = async |values: &str| {
            set("keys.crowded", values);
            let began = Instant::now();
            let calls: Vec<_> = (0..10).map(|_| tokio::spawn(crowded())).collect();
            let mut through = 0;
            for call in calls {
                through += u32::from(call.await.unwrap().is_ok());
            }
            (through, began.elapsed())
        };
        assert_eq!(through("").await, (10, SECOND));
        assert_eq!(through("bulkhead.max_concurrent = 2").await, (2, SECOND));
        assert_eq!(through("bulkhead = 2").await, (2, SECOND));
        assert_eq!(
            through("bulkhead = { max_concurrent = 2, enabled = false }").await,
            (10, SECOND)
        );
        let queue = "bulkhead.max_concurrent = 2\nbulkhead.max_queue = 4";
        assert_eq!(through(queue).await, (6, SECOND * 3));
        let impatient = format!("{queue}\nbulkhead.max_wait = \"1500ms\"");
        assert_eq!(through(&impatient).await, (4, SECOND * 2));
    });
}

#[resilient(name = "keys.adaptive", bulkhead(max_concurrent = 8, adaptive(max = 50)))]
async fn adaptive(ok: bool) -> Result<u8, Error> {
    sleep(Duration::from_millis(10)).await;
    if ok { Ok(1) } else { Err(Error::Failed) }
}

#[test]
fn a_limit_that_is_found_by_each_key() {
    alone(async {
        let limit = || policy("keys.adaptive").unwrap().bulkhead().unwrap().limit();
        assert_eq!(limit(), 8);
        set("keys.adaptive", "bulkhead.adaptive.min = 20\nbulkhead.max_concurrent = 20");
        assert_eq!(limit(), 20);
        set("keys.adaptive", "bulkhead.adaptive.max = 4\nbulkhead.max_concurrent = 4");
        assert_eq!(limit(), 4);
        set("keys.adaptive", "bulkhead.max_concurrent = 30");
        assert_eq!(limit(), 30, "it begins there anew");
        // Failures are what one of the algorithms goes by, and the other not.
        for (algorithm, shrinks) in [("aimd", true), ("gradient", false)] {
            let values = format!(
                "bulkhead.max_concurrent = 31\nbulkhead.adaptive.algorithm = {algorithm:?}"
            );
            set("keys.adaptive", "");
            set("keys.adaptive", &values);
            for _ in 0..20 {
                let _ = adaptive(false).await;
            }
            assert_eq!(limit() < 31, shrinks, "{algorithm} {}", limit());
        }
    });
}

static COPIES: AtomicU32 = AtomicU32::new(0);

#[resilient(name = "keys.hedged", hedge(delay = "1s", max_hedges = 1, budget = 1.0))]
async fn hedged(takes: Duration) -> Result<u8, Error> {
    COPIES.fetch_add(1, Ordering::Relaxed);
    sleep(takes).await;
    Ok(1)
}

#[test]
fn hedge_by_each_key() {
    alone(async {
        let copies = async |takes: Duration| {
            COPIES.store(0, Ordering::Relaxed);
            hedged(takes).await.unwrap();
            COPIES.load(Ordering::Relaxed)
        };
        assert_eq!(copies(SECOND * 5).await, 2);
        for (values, expected) in [
            ("hedge.delay = \"6s\"", 1),
            ("hedge = \"6s\"", 1),
            ("hedge.max_hedges = 3", 4),
            ("hedge.enabled = false", 1),
        ] {
            set("keys.hedged", values);
            assert_eq!(copies(SECOND * 5).await, expected, "{values}");
        }
        set("keys.hedged", "hedge.percentile = 50");
        for _ in 0..30 {
            assert_eq!(copies(SECOND).await, 1);
        }
        assert_eq!(copies(SECOND * 5).await, 2, "longer than half of those before");
        assert!(policy("keys.hedged").unwrap().snapshot().latency.is_some());
        set("keys.hedged", "hedge.budget = 0.0");
        let mut all = 0;
        for _ in 0..200 {
            COPIES.store(0, Ordering::Relaxed);
            let calls: Vec<_> = (0..40).map(|_| tokio::spawn(hedged(SECOND * 2))).collect();
            for call in calls {
                call.await.unwrap().unwrap();
            }
            all += COPIES.load(Ordering::Relaxed) - 40;
        }
        // Two seconds a round, ten a second beside the share that is none.
        assert!(all <= 200 * 2 * 10, "{all}");
        assert!(all > 0);
    });
}

#[resilient(
    name = "keys.stale",
    timeout = "1s",
    fallback(stale(key(id), max_age = "1m", capacity = 100))
)]
async fn stale(id: u32, ok: bool) -> Result<u32, Error> {
    if ok { Ok(id) } else { Err(Error::Failed) }
}

#[resilient(name = "keys.answered", timeout = "1s", fallback(value(7)))]
async fn answered(takes: Duration, ok: bool) -> Result<u32, Error> {
    sleep(takes).await;
    if ok { Ok(1) } else { Err(Error::Failed) }
}

#[test]
fn fallback_by_each_key() {
    alone(async {
        let slow = Duration::from_secs(5);
        assert_eq!(answered(slow, true).await, Ok(7));
        set("keys.answered", "fallback.on_refusal = \"breaker\"");
        assert!(matches!(answered(slow, true).await, Err(Error::Refused(_))));
        assert_eq!(answered(Duration::ZERO, false).await, Ok(7), "errors are no refusals");
        set("keys.answered", "fallback.enabled = false");
        assert_eq!(answered(Duration::ZERO, false).await, Err(Error::Failed));

        stale(1, true).await.unwrap();
        advance(SECOND * 30).await;
        assert_eq!(stale(1, false).await, Ok(1));
        set("keys.stale", "fallback.stale.max_age = \"29s\"");
        assert_eq!(stale(1, false).await, Err(Error::Failed));
        set("keys.stale", "fallback.stale.max_age = \"31s\"");
        assert_eq!(stale(1, false).await, Ok(1));
        set("keys.stale", "fallback.stale.capacity = 2");
        for id in 0..50 {
            stale(id, true).await.unwrap();
        }
        let mut left = 0;
        for id in 0..50 {
            left += u32::from(stale(id, false).await.is_ok());
        }
        assert!(left <= 2, "{left}");
    });
}

#[resilient(name = "keys.feature", timeout = "1s", feature = "keys.tips", disable_at = "severe")]
async fn tips() -> Result<u32, Error> {
    Ok(1)
}

#[test]
fn the_level_from_which_a_feature_is_off() {
    use mmf::degradation::{DegradationLevel, release, set_level};
    alone(async {
        set_level(DegradationLevel::Minor, "a test");
        assert_eq!(tips().await, Ok(1));
        set("keys.feature", "disable_at = \"minor\"");
        assert!(matches!(
            tips().await,
            Err(Error::Refused(ResilienceError::FeatureDisabled { .. }))
        ));
        set("keys.feature", "");
        assert_eq!(tips().await, Ok(1));
        set_level(DegradationLevel::None, "the test is over");
        release();
    });
}

#[test]
fn a_policy_that_is_off_is_not_called() {
    alone(async {
        set("keys.client", "enabled = false");
        runs();
        let refusal = client(Duration::ZERO, true).await.unwrap_err();
        let Error::Refused(ResilienceError::FeatureDisabled { policy, feature, .. }) = &refusal
        else {
            panic!("{refusal:?}")
        };
        assert_eq!((&**policy, &**feature, runs()), ("keys.client", "keys.client", 0));
        set("keys.answered", "enabled = false");
        assert_eq!(answered(Duration::ZERO, true).await, Ok(7), "its fallback is left");
        set("keys.client", "enabled = true");
        assert_eq!(client(Duration::ZERO, true).await, Ok(1));
    });
}

#[resilient(
    name = "keys.by_key",
    breaker(failure_threshold = 2, key(host), max_keys = 100),
    rate_limit(permits = 1000, key(host)),
    bulkhead(max_concurrent = 100, key(host))
)]
async fn by_key(host: &str, ok: bool) -> Result<u32, Error> {
    sleep(Duration::from_millis(1)).await;
    if ok { Ok(1) } else { Err(Error::Failed) }
}

#[test]
fn those_that_are_there_by_key_and_those_that_come() {
    alone(async {
        let policy = policy("keys.by_key").unwrap();
        let state = |host: &str| policy.keyed_breakers().unwrap().get(&host).state();
        by_key("old", false).await.unwrap_err();
        set("keys.by_key", "breaker.failure_threshold = 3\nrate_limit.permits = 4\nbulkhead = 1");
        for _ in 0..3 {
            by_key("new", false).await.unwrap_err();
        }
        by_key("old", false).await.unwrap_err();
        assert_eq!([state("old"), state("new")], [BreakerState::Closed, BreakerState::Open]);
        by_key("old", false).await.unwrap_err();
        assert_eq!(state("old"), BreakerState::Open);
        for host in ["old", "newer"] {
            let limit = policy.keyed_bulkheads().unwrap().get(&host).limit();
            assert_eq!(limit, 1, "{host}");
            let limiter = policy.keyed_rate_limiters().unwrap().get(&host);
            let through = (0..10).filter(|_| limiter.try_acquire().is_ok()).count();
            assert!(through <= 4, "{host} {through}");
        }
        let breakers = || policy.keyed_breakers().map(KeyedBreakers::len).unwrap();
        for host in 0..50 {
            by_key(&format!("h{host}"), true).await.unwrap();
        }
        assert!(breakers() > 50);
        set("keys.by_key", "breaker.max_keys = 5\nrate_limit.max_keys = 5\nbulkhead.max_keys = 5");
        by_key("one more", true).await.unwrap();
        assert_eq!(breakers(), 5);
        assert_eq!(policy.keyed_bulkheads().unwrap().len(), 5);
        assert_eq!(policy.keyed_rate_limiters().unwrap().len(), 5);
        assert_eq!(policy.keyed_breakers().unwrap().max_keys(), 5);
    });
}

#[resilient(
    name = "keys.blocking",
    retry(max_attempts = 3, base_delay = "0s", jitter = 0.0),
    breaker(failure_threshold = 0),
    bulkhead(max_concurrent = 1)
)]
fn blocking(ok: bool) -> Result<u32, Error> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    if ok { Ok(1) } else { Err(Error::Failed) }
}

#[test]
fn functions_that_block_are_changed_alike() {
    alone(async {
        set("keys.blocking", "retry = 2\nbulkhead.enabled = false");
        runs();
        assert_eq!(blocking(false), Err(Error::Failed));
        assert_eq!(runs(), 2);
        set("keys.blocking", "enabled = false");
        assert!(matches!(blocking(true), Err(Error::Refused(_))));
    });
}
