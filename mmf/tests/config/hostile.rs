//! What somebody may do to it on purpose, or by accident on a bad day.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mmf::resilience::{
    BreakerState, Bulkhead, CircuitBreaker, Pipeline, RateLimiter, RetryPolicy, policy,
};
use mmf::{config, resilient};
use tokio::time::{advance, sleep};

use super::{Error, alone, alone_by, value, wrong};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq)]
struct Plain;

#[resilient(name = "hostile.stale", fallback(stale(key(id))))]
async fn stale(id: u32) -> Result<u32, Plain> {
    if id == 0 { Err(Plain) } else { Ok(id) }
}

#[resilient(name = "hostile.value", fallback(value(7)))]
async fn ready(ok: bool) -> Result<u32, Plain> {
    if ok { Ok(1) } else { Err(Plain) }
}

#[resilient(name = "hostile.refused", retry(max_attempts = 2), refused(|_| Plain))]
async fn refused() -> Result<u32, Plain> {
    Ok(1)
}

#[test]
fn a_call_that_is_not_made_is_refused_or_answered_and_otherwise_it_cannot_be_off() {
    alone(async {
        let off =
            |policy: &str, more: &str| format!("[policies.{policy:?}]\nenabled = false\n{more}");
        assert!(wrong(&off("hostile.stale", "")).contains("cannot be turned off"));
        for more in ["fallback.enabled = false", "fallback.on_refusal = \"none\""] {
            let said = wrong(&off("hostile.value", more));
            assert!(said.starts_with("text:2:1: a policy without its fallback"), "{said}");
        }
        config::apply(&off("hostile.value", "")).unwrap();
        assert_eq!(ready(false).await, Ok(7));
        config::apply(&off("hostile.refused", "")).unwrap();
        assert_eq!(refused().await, Err(Plain));
        // By the defaults those that cannot be off stay on.
        config::apply("[defaults]\nenabled = false").unwrap();
        assert_eq!((stale(1).await, ready(true).await), (Ok(1), Ok(7)));
    });
}

#[test]
fn what_the_user_drops_with_a_pipeline_may_ask_for_the_configuration() {
    struct Asks;
    impl Drop for Asks {
        fn drop(&mut self) {
            drop(config::effective());
        }
    }
    alone_by(|| {
        let (told, ended) = std::sync::mpsc::channel();
        for role in 0..3 {
            let told = told.clone();
            std::thread::spawn(move || {
                for _ in 0..300 {
                    match role {
                        0 => {
                            let asks = Asks;
                            let backoff = move |_: u32| {
                                let _ = &asks;
                                Duration::ZERO
                            };
                            let retry = RetryPolicy::builder().backoff(backoff).build();
                            drop(Pipeline::builder("hostile.dropped").retry(retry).build());
                        }
                        1 => drop(config::effective()),
                        _ => drop(config::apply("[policies.nobody]\ntimeout = \"1s\"")),
                    }
                }
                told.send(()).unwrap();
            });
        }
        for _ in 0..3 {
            ended.recv_timeout(SECOND * 60).expect("nobody waits for itself");
        }
    });
}

#[test]
fn a_rate_limit_gives_nothing_away_by_being_changed() {
    alone(async {
        let limiter = Arc::new(
            RateLimiter::builder("hostile.limit").permits(100).period(SECOND * 3600).build(),
        );
        let _pipeline = Pipeline::builder("hostile.limit").rate_limit(Arc::clone(&limiter)).build();
        let mut through = 0;
        for _ in 0..5 {
            while limiter.try_acquire().is_ok() {
                through += 1;
            }
            config::apply("[policies.\"hostile.limit\"]\nrate_limit.burst = 1").unwrap();
            config::apply("").unwrap();
        }
        assert_eq!(through, 100);
        advance(SECOND * 36 * 3).await;
        config::apply("[policies.\"hostile.limit\"]\nrate_limit.burst = 1").unwrap();
        config::apply("").unwrap();
        let more = (0..10).filter(|_| limiter.try_acquire().is_ok()).count();
        assert!((2..=3).contains(&more), "what came in three intervals: {more}");
    });
}

#[test]
fn calls_of_now_are_in_a_window_that_is_of_time_from_now_on() {
    alone(async {
        let breaker = Arc::new(
            CircuitBreaker::builder("hostile.window")
                .failure_threshold(0)
                .minimum_throughput(10)
                .window(1000)
                .build(),
        );
        let _pipeline = Pipeline::builder("hostile.window").breaker(Arc::clone(&breaker)).build();
        config::apply("[policies.\"hostile.window\"]\nbreaker.window = \"10s\"").unwrap();
        for call in 0..110 {
            let ok = call < 100;
            let _ = breaker.call(async { if ok { Ok(()) } else { Err(Error::Failed) } }).await;
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(breaker.snapshot().failure_rate < 0.1, "{:?}", breaker.snapshot());
    });
}

#[test]
fn what_others_want_of_a_shared_breaker_stays_when_one_more_shares_it() {
    alone(async {
        let shared =
            Arc::new(CircuitBreaker::builder("hostile.shared").failure_threshold(5).build());
        let build =
            |name: &'static str| Pipeline::builder(name).breaker(Arc::clone(&shared)).build();
        let _one = build("hostile.shared.one");
        config::apply(
            "[policies.\"hostile.shared.*\"]\nbreaker.recovery_timeout = \"7s\"\n\
             [policies.\"hostile.shared.one\"]\nbreaker.failure_threshold = 9",
        )
        .unwrap();
        let _other = build("hostile.shared.other");
        for policy in ["hostile.shared.one", "hostile.shared.other"] {
            assert_eq!(
                value(policy, "breaker.failure_threshold"),
                Some(("9".into(), "text:4:9".into())),
                "{policy}"
            );
        }
        config::apply("").unwrap();
        assert_eq!(value("hostile.shared.other", "breaker.failure_threshold").unwrap().0, "5");
    });
}

#[test]
fn those_who_wait_are_let_in_where_a_new_pipeline_brings_room() {
    alone(async {
        let shared =
            Arc::new(Bulkhead::builder("hostile.room").max_concurrent(1).max_queue(9).build());
        let build =
            |name: &'static str| Pipeline::builder(name).bulkhead(Arc::clone(&shared)).build();
        config::apply("[defaults]\nbulkhead.max_concurrent = 5").unwrap();
        let inside = shared.acquire().await.unwrap();
        let waits = Arc::clone(&shared);
        let waiting = tokio::spawn(async move { waits.acquire_owned().await.map(drop) });
        sleep(SECOND).await;
        assert_eq!(shared.queued(), 1);
        let _new = build("hostile.room");
        sleep(SECOND).await;
        assert!(waiting.is_finished());
        drop(inside);
    });
}

#[test]
fn a_budget_is_one_whatever_values_come() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[resilient(name = "hostile.budget", retry(max_attempts = 20, base_delay = "0s", jitter = 0.0))]
    async fn failing() -> Result<u8, Error> {
        RUNS.fetch_add(1, Ordering::Relaxed);
        Err(Error::Failed)
    }
    alone(async {
        for attempts in 20..25 {
            let values = format!("retry.budget = 0.0\nretry.max_attempts = {attempts}");
            config::apply(&format!("[policies.\"hostile.budget\"]\n{values}")).unwrap();
            let _ = failing().await;
        }
        assert_eq!(RUNS.load(Ordering::Relaxed), 5 + 10, "ten retries a second, once");
    });
}

#[test]
fn what_was_learned_stays_with_another_percentile() {
    #[resilient(name = "hostile.learned", hedge(delay = "1h"))]
    async fn learned() -> Result<u8, Error> {
        sleep(SECOND).await;
        Ok(1)
    }
    alone(async {
        let percentile = |percentile: u32| {
            config::apply(&format!(
                "[policies.\"hostile.learned\"]\nhedge.percentile = {percentile}"
            ))
            .unwrap()
        };
        percentile(95);
        for _ in 0..30 {
            learned().await.unwrap();
        }
        percentile(90);
        let latency = policy("hostile.learned").unwrap().snapshot().latency.expect("it is known");
        assert_eq!(latency.count, 30);
    });
}

#[test]
fn a_trial_goes_on_by_the_rules_of_when_it_began() {
    #[resilient(
        name = "hostile.trial",
        breaker(failure_threshold = 1, recovery_timeout = "60s", success_threshold = 1)
    )]
    async fn tried(takes: Duration, ok: bool) -> Result<u8, Error> {
        sleep(takes).await;
        if ok { Ok(1) } else { Err(Error::Failed) }
    }
    alone(async {
        tried(Duration::ZERO, false).await.unwrap_err();
        advance(SECOND * 60).await;
        let trial = tokio::spawn(tried(SECOND * 20, true));
        sleep(SECOND * 10).await;
        config::apply("[policies.\"hostile.trial\"]\nbreaker.recovery_timeout = \"5s\"").unwrap();
        tried(Duration::ZERO, true).await.unwrap();
        trial.await.unwrap().unwrap();
        let policy = policy("hostile.trial").unwrap();
        assert_eq!(policy.breaker().unwrap().state(), BreakerState::Closed);
    });
}

#[test]
fn calls_that_are_not_made_save_up_no_retries() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[resilient(
        name = "hostile.saved",
        timeout = "1s",
        retry(max_attempts = "unlimited", base_delay = "0s", jitter = 0.0, budget = 1.0)
    )]
    async fn failing() -> Result<u8, Error> {
        RUNS.fetch_add(1, Ordering::Relaxed);
        Err(Error::Failed)
    }
    alone(async {
        config::apply("[policies.\"hostile.saved\"]\nenabled = false").unwrap();
        for _ in 0..100 {
            let _ = failing().await;
        }
        config::apply("").unwrap();
        let _ = failing().await;
        assert_eq!(
            RUNS.load(Ordering::Relaxed),
            1 + 10 + 1,
            "itself, the reserve, and what itself saved up"
        );
    });
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_read() {
    let fifo = std::env::temp_dir().join(format!("mmf-fifo-{}", std::process::id()));
    let path = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    // SAFETY: the path ends with a zero, and is not used after.
    #[expect(unsafe_code, reason = "there is no other way to make a pipe with a name")]
    let made = unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
    assert_eq!(made, 0);
    let said = config::load(&fifo).unwrap_err().to_string();
    std::fs::remove_file(&fifo).unwrap();
    assert!(said.ends_with("is no file"), "{said}");
}
