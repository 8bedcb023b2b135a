//! Another configuration again and again, while calls run on several threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mmf::resilience::{BreakerState, CircuitBreaker, Pipeline, RetryPolicy, policy};
use mmf::{config, resilient};

use super::{Error, alone_by};

static INSIDE: AtomicU32 = AtomicU32::new(0);

#[resilient(
    name = "reload.client",
    timeout = "10s",
    retry(max_attempts = 3, base_delay = "0s", jitter = 0.0),
    breaker(failure_threshold = 0, failure_rate_threshold = 0.9),
    bulkhead(max_concurrent = 64, max_queue = 1000)
)]
async fn client(call: u64) -> Result<u64, Error> {
    INSIDE.fetch_add(1, Ordering::SeqCst);
    tokio::task::yield_now().await;
    INSIDE.fetch_sub(1, Ordering::SeqCst);
    if call.is_multiple_of(5) { Err(Error::Failed) } else { Ok(call) }
}

#[resilient(name = "reload.open", breaker(failure_threshold = 1, recovery_timeout = "1h"))]
async fn open() -> Result<u64, Error> {
    Err(Error::Failed)
}

/// So many reloads, and so long they take together.
fn soak() -> (u32, Duration) {
    let seconds = std::env::var("MMF_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    (100, seconds.map_or(Duration::from_millis(1500), Duration::from_secs))
}

#[test]
fn counts_add_up_and_states_stay() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    let runtime = runtime.unwrap();
    alone_by(|| {
        runtime.block_on(async { open().await.unwrap_err() });
        let (stop, called) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client_policy = policy("reload.client").unwrap();
        let before = client_policy.snapshot();
        let callers: Vec<_> = (0..24)
            .map(|_| {
                let (stop, called) = (Arc::clone(&stop), Arc::clone(&called));
                runtime.spawn(async move {
                    let mut ended = [0_u64; 2];
                    while !stop.load(Ordering::Relaxed) {
                        let call = called.fetch_add(1, Ordering::Relaxed);
                        match client(call).await {
                            Ok(_) => ended[0] += 1,
                            Err(Error::Failed) => ended[1] += 1,
                            Err(other) => panic!("no call is refused: {other:?}"),
                        }
                    }
                    ended
                })
            })
            .collect();
        let (reloads, takes) = soak();
        for reload in 0..reloads {
            let concurrent = if reload % 2 == 0 { 3 } else { 40 };
            let window = 50 + reload % 7;
            config::apply(&format!(
                "[policies.\"reload.client\"]\nretry.max_attempts = {}\nbreaker.window = {window}\n\
                 bulkhead.max_concurrent = {concurrent}\ntimeout = \"{}s\"\n\
                 [policies.\"reload.open\"]\nbreaker.window = {window}\nbreaker.failure_threshold = {}",
                1 + reload % 4,
                5 + reload % 3,
                1 + reload % 9,
            ))
            .unwrap();
            std::thread::sleep(takes / reloads);
            let limit = client_policy.bulkhead().unwrap().limit();
            assert_eq!(limit, concurrent as usize);
            if reload % 2 == 0 {
                // Those inside have ended long ago: no more than the limit are in there again.
                let inside = INSIDE.load(Ordering::SeqCst);
                assert!(inside <= concurrent, "{inside} of {concurrent}");
            }
            assert_eq!(
                policy("reload.open").unwrap().breaker().unwrap().state(),
                BreakerState::Open
            );
        }
        stop.store(true, Ordering::Relaxed);
        let mut ended = [0, 0];
        for caller in callers {
            let own = runtime.block_on(caller).unwrap();
            ended = [ended[0] + own[0], ended[1] + own[1]];
        }
        let after = client_policy.snapshot();
        assert_eq!(after.successes - before.successes, ended[0]);
        assert_eq!(after.failures - before.failures, ended[1]);
        assert_eq!(after.calls - before.calls, called.load(Ordering::Relaxed));
        assert_eq!(
            after.attempts - before.attempts,
            (after.calls - before.calls) + (after.retries - before.retries)
        );
        assert!(ended[0] > 1000, "{ended:?}");
        let bulkhead = after.bulkhead.unwrap();
        assert_eq!((bulkhead.running, bulkhead.queued), (0, 0));
    });
}

#[test]
fn a_thousand_policies_are_reloaded_while_calls_go_on() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap();
    alone_by(|| {
        let pipelines: Vec<Pipeline> = (0..1000)
            .map(|number| {
                let name = format!("reload.thousand.{number}");
                Pipeline::builder(name.clone())
                    .timeout(Duration::from_secs(5))
                    .retry(RetryPolicy::builder().build())
                    .breaker(CircuitBreaker::builder(name).build())
                    .build()
            })
            .collect();
        let stop = Arc::new(AtomicBool::new(false));
        let caller = {
            let (stop, pipelines) = (Arc::clone(&stop), pipelines.clone());
            runtime.spawn(async move {
                let mut calls = 0_u64;
                for pipeline in pipelines.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    pipeline.call::<Error>().run(|| async { Ok(1) }).await.unwrap();
                    calls += 1;
                }
                calls
            })
        };
        let mut took = Vec::new();
        for reload in 0..10 {
            let began = Instant::now();
            let changes = config::apply(&format!(
                "[policies.\"reload.thousand.*\"]\ntimeout = \"{}s\"\nbreaker.failure_threshold = {}",
                1 + reload,
                20 + reload
            ));
            took.push(began.elapsed());
            assert_eq!(changes.unwrap().len(), 2000);
        }
        stop.store(true, Ordering::Relaxed);
        let calls = runtime.block_on(caller).unwrap();
        assert!(calls > 1000, "{calls}");
        eprintln!(
            "a reload of 1000 policies took {:?} at most, beside {calls} calls",
            took.iter().max()
        );
        let timeout = pipelines[999].timeout();
        assert_eq!(timeout, Some(Duration::from_secs(10)));
    });
}
