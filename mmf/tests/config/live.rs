//! State lives on when values change under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mmf::resilience::{BreakerState, CircuitBreaker, Pipeline, policy};
use mmf::{config, resilient};
use tokio::time::{Instant, advance, sleep};

use super::{Error, alone};

const SECOND: Duration = Duration::from_secs(1);

fn set(policy: &str, values: &str) {
    config::apply(&format!("[policies.{policy:?}]\n{values}")).unwrap();
}

#[resilient(name = "live.breaker", breaker(failure_threshold = 3, recovery_timeout = "10s"))]
async fn guarded(ok: bool) -> Result<u8, Error> {
    if ok { Ok(1) } else { Err(Error::Failed) }
}

fn breaker() -> mmf::resilience::Policy {
    policy("live.breaker").unwrap()
}

#[test]
fn an_open_breaker_stays_open_and_its_time_is_that_of_the_new_rules() {
    alone(async {
        let policy = breaker();
        let breaker = policy.breaker().unwrap();
        breaker.reset();
        for _ in 0..3 {
            guarded(false).await.unwrap_err();
        }
        set("live.breaker", "breaker.failure_threshold = 50\nbreaker.window = 20");
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!((breaker.snapshot().opened, breaker.snapshot().failures), (1, 3));
        advance(SECOND * 4).await;
        set("live.breaker", "breaker.recovery_timeout = \"5s\"");
        assert_eq!(breaker.state(), BreakerState::Open);
        advance(SECOND).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen, "five seconds after it opened");
        set("live.breaker", "breaker.recovery_timeout = \"20s\"");
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker.force_open();
        set("live.breaker", "breaker.failure_threshold = 9");
        assert_eq!(breaker.state(), BreakerState::ForcedOpen);
        breaker.reset();
    });
}

#[test]
fn what_is_in_the_window_counts_by_the_new_rules_with_the_next_call() {
    alone(async {
        let policy = breaker();
        let breaker = policy.breaker().unwrap();
        breaker.reset();
        set("live.breaker", "breaker.failure_threshold = 0\nbreaker.minimum_throughput = 50");
        for call in 0..20 {
            let _ = guarded(call % 2 == 0).await;
        }
        assert_eq!(breaker.snapshot().failure_rate, 0.5);
        set(
            "live.breaker",
            "breaker.failure_threshold = 0\nbreaker.minimum_throughput = 10\nbreaker.window = 10",
        );
        assert_eq!((breaker.state(), breaker.snapshot().failure_rate), (BreakerState::Closed, 0.5));
        guarded(true).await.unwrap();
        assert_eq!(breaker.state(), BreakerState::Open, "five of ten, as a success was the oldest");
        breaker.reset();
        set("live.breaker", "breaker.failure_threshold = 0\nbreaker.minimum_throughput = 50");
        for call in 0..20 {
            let _ = guarded(call % 2 == 0).await;
        }
        set("live.breaker", "breaker.failure_threshold = 0\nbreaker.minimum_throughput = 20");
        guarded(true).await.unwrap();
        assert_eq!(breaker.state(), BreakerState::Closed, "ten of twenty-one");
        set("live.breaker", "breaker.failure_rate_threshold = 0.4");
        guarded(true).await.unwrap();
        assert_eq!(breaker.state(), BreakerState::Open, "a success that is recorded opens it");
        breaker.reset();
    });
}

#[resilient(name = "live.retry", retry(max_attempts = 5, base_delay = "1s", jitter = 0.0))]
async fn retried(attempts: &AtomicU32) -> Result<u8, Error> {
    attempts.fetch_add(1, Ordering::Relaxed);
    Err(Error::Failed)
}

#[test]
fn a_call_goes_by_what_was_in_force_when_it_began() {
    alone(async {
        let attempts = Arc::new(AtomicU32::new(0));
        let own = Arc::clone(&attempts);
        let began = Instant::now();
        let call = tokio::spawn(async move { retried(&own).await });
        sleep(Duration::from_millis(500)).await;
        set("live.retry", "retry.max_attempts = 1");
        call.await.unwrap().unwrap_err();
        assert_eq!((attempts.swap(0, Ordering::Relaxed), began.elapsed()), (5, SECOND * 15));
        retried(&attempts).await.unwrap_err();
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
    });
}

#[resilient(name = "live.bulkhead", bulkhead(max_concurrent = 4, max_queue = 10))]
async fn crowded(takes: Duration) -> Result<u8, Error> {
    sleep(takes).await;
    Ok(1)
}

#[test]
fn a_bulkhead_that_shrinks_lets_those_inside_finish_and_one_that_grows_lets_others_in() {
    alone(async {
        let policy = policy("live.bulkhead").unwrap();
        let bulkhead = policy.bulkhead().unwrap();
        let calls: Vec<_> = (0..8).map(|_| tokio::spawn(crowded(SECOND * 10))).collect();
        sleep(SECOND).await;
        assert_eq!((bulkhead.running(), bulkhead.queued()), (4, 4));
        set("live.bulkhead", "bulkhead.max_concurrent = 1");
        sleep(SECOND).await;
        assert_eq!((bulkhead.running(), bulkhead.queued()), (4, 4));
        sleep(SECOND * 10).await;
        assert_eq!((bulkhead.running(), bulkhead.queued()), (1, 3), "the four have ended");
        set("live.bulkhead", "bulkhead.max_concurrent = 3");
        sleep(Duration::from_millis(1)).await;
        assert_eq!((bulkhead.running(), bulkhead.queued()), (3, 1), "at once");
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
}

#[resilient(name = "live.limit", rate_limit(permits = 10, period = "10s", max_wait = "100s"))]
async fn limited() -> Result<u8, Error> {
    Ok(1)
}

#[test]
fn permits_that_were_taken_stay_so_and_those_who_wait_go_by_the_new_rate() {
    alone(async {
        let policy = policy("live.limit").unwrap();
        let limiter = policy.rate_limiter().unwrap();
        for _ in 0..10 {
            limited().await.unwrap();
        }
        let began = Instant::now();
        let waiting: Vec<_> = (0..4).map(|_| tokio::spawn(limited())).collect();
        sleep(Duration::from_millis(1)).await;
        set("live.limit", "rate_limit.permits = 100");
        for call in waiting {
            call.await.unwrap().unwrap();
        }
        let took = began.elapsed();
        assert!(took <= SECOND, "ten a second from now on: {took:?}");
        // Ten were taken of ten, and as many of a hundred; four more, and what came back in half a second.
        set("live.limit", "rate_limit = { permits = 100, burst = 100, max_wait = \"0s\" }");
        let left = (0..200).filter(|_| limiter.try_acquire().is_ok()).count();
        assert!((84..=92).contains(&left), "{left}");
        set("live.limit", "rate_limit = { permits = 10, max_wait = \"0s\" }");
        assert!(limiter.try_acquire().is_err(), "an empty one is empty");
        advance(SECOND * 3).await;
        let left = (0..200).filter(|_| limiter.try_acquire().is_ok()).count();
        assert_eq!(left, 3);
    });
}

#[test]
fn a_breaker_that_is_shared_is_changed_where_it_stands() {
    alone(async {
        let shared = Arc::new(CircuitBreaker::builder("live.shared").failure_threshold(5).build());
        let pipeline =
            |name: &'static str| Pipeline::builder(name).breaker(Arc::clone(&shared)).build();
        let (one, other) = (pipeline("live.one"), pipeline("live.other"));
        set("live.one", "breaker.failure_threshold = 1");
        let failed: Result<(), Error> = other.call().run(|| async { Err(Error::Failed) }).await;
        failed.unwrap_err();
        assert_eq!(shared.state(), BreakerState::Open);
        config::apply("").unwrap();
        assert_eq!(shared.state(), BreakerState::Open);
        shared.reset();
        let failed: Result<(), Error> = one.call().run(|| async { Err(Error::Failed) }).await;
        failed.unwrap_err();
        assert_eq!(shared.state(), BreakerState::Closed, "five by what was built");
    });
}

#[test]
fn what_has_changed_is_told_value_by_value() {
    alone(async {
        let changes = config::apply("[policies.\"live.*\"]\nretry.max_attempts = 9").unwrap();
        let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["live.retry: retry.max_attempts 5 → 9"]);
        assert!(config::apply("[policies.\"live.*\"]\nretry.max_attempts = 9").unwrap().is_empty());
        let back = config::apply("").unwrap();
        assert_eq!(back[0].to_string(), "live.retry: retry.max_attempts 9 → 5");
        let added = config::apply("[policies.\"live.retry\"]\nretry.budget = 0.5").unwrap();
        assert_eq!(added[0].to_string(), "live.retry: retry.budget none → 0.5");
    });
}

#[test]
fn what_would_change_is_what_then_changes() {
    alone(async {
        let shared = Arc::new(CircuitBreaker::builder("seen.shared").failure_threshold(5).build());
        let pipeline =
            |name: &'static str| Pipeline::builder(name).breaker(Arc::clone(&shared)).build();
        let _both = (pipeline("seen.one"), pipeline("seen.other"));
        for text in [
            "[policies.\"seen.one\"]\nbreaker.failure_threshold = 9",
            "[policies.\"seen.other\"]\nbreaker.failure_threshold = 9",
            "[policies.\"seen.other\"]\nbreaker.failure_threshold = 8\n[policies.\"live.retry\"]\nretry.max_attempts = 9",
            "[policies.\"seen.*\"]\nbreaker.failure_threshold = 7\n[policies.\"live.retry\"]\nretry.max_attempts = 9",
        ] {
            let before = config::effective();
            let seen = config::preview(text).unwrap();
            assert_eq!(config::effective(), before, "it is only looked at");
            let changes = config::apply(text).unwrap();
            let changed: Vec<_> = changes.iter().map(ToString::to_string).collect();
            assert_eq!(seen, changed, "{text}");
        }
        let (source, text) = config::applied().unwrap();
        assert!(source == "text" && text.contains("seen.*"), "{source}: {text}");
        assert_eq!(
            config::preview("").unwrap(),
            [
                "live.retry: retry.max_attempts 9 → as in the code",
                "seen.one: breaker.failure_threshold 7 → as in the code",
                "seen.other: breaker.failure_threshold 7 → as in the code",
            ]
        );
        assert!(config::preview("[policies.none]").is_err());
        assert!(
            config::preview("[policies.\"seen.one\"]\nbreaker.failure_threshold = -1").is_err()
        );
        config::apply("").unwrap();
    });
}
