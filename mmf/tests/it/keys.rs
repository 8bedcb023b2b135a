//! Limits by key, in the attribute.

use std::time::Duration;

use mmf::ResilienceError;
use mmf::resilience::{BreakerState, policy};
use mmf::resilient;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_rate_limit_by_key_counts_for_its_key_alone() {
    #[resilient(name = "keys.rate", rate_limit(key(tenant), permits = 1, max_keys = 2))]
    async fn serve(tenant: &str) -> Result<u32, Error> {
        Ok(tenant.len() as u32)
    }
    assert!(serve("acme").await.is_ok());
    let refused = serve("acme").await.unwrap_err();
    let Error::Refused(refused) = refused else { panic!("{refused}") };
    assert!(matches!(refused, ResilienceError::RateLimited { .. }));
    assert_eq!((refused.key(), refused.policy()), (Some("acme"), "keys.rate"));
    assert!(serve("umbrella").await.is_ok());
    let limits = policy("keys.rate").unwrap();
    let limits = limits.keyed_rate_limiters().unwrap();
    assert_eq!((limits.len(), limits.max_keys()), (2, 2));
    assert!(serve("initech").await.is_ok());
    assert_eq!(limits.len(), 2, "one made room");
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_permit_by_key_lasts_as_long_as_it_may() {
    #[resilient(name = "keys.wait", rate_limit(key(tenant), permits = 1, max_wait = "1s"))]
    async fn serve(tenant: u64) -> Result<u64, Error> {
        Ok(tenant)
    }
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        assert!(serve(7).await.is_ok());
    }
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_by_key_is_full_for_its_key_alone() {
    #[resilient(
        name = "keys.bulkhead",
        bulkhead(key(host), max_concurrent = 1, max_keys = 9),
        timeout = "9s"
    )]
    async fn fetch(host: &str) -> Result<u32, Error> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(host.len() as u32)
    }
    let (one, full, other) = tokio::join!(biased; fetch("a"), fetch("a"), fetch("b"));
    assert!(one.is_ok() && other.is_ok());
    let Error::Refused(refused) = full.unwrap_err() else { panic!("no refusal") };
    assert!(matches!(refused, ResilienceError::BulkheadFull { .. }));
    assert_eq!(refused.key(), Some("a"));
    let policy = policy("keys.bulkhead").unwrap();
    assert_eq!(policy.keyed_bulkheads().unwrap().max_keys(), 9);
    assert_eq!(policy.snapshot().bulkhead.unwrap().refused, 1);
}

#[test]
fn a_blocking_function_is_limited_by_key_too() {
    #[resilient(
        name = "keys.blocking",
        rate_limit(key(tenant), permits = 1, period = "1h"),
        bulkhead(key(tenant), max_concurrent = 1)
    )]
    fn serve(tenant: u64) -> Result<u64, Error> {
        Ok(tenant)
    }
    assert!(serve(1).is_ok() && serve(1).is_err() && serve(2).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_worst_keys_come_first() {
    #[resilient(
        name = "keys.worst",
        breaker(key(host), failure_threshold = 2),
        rate_limit(key(host), permits = 2),
        bulkhead(key(host), max_concurrent = 3, adaptive(max = 5))
    )]
    async fn fetch(host: &str, step: Result<u32, Error>) -> Result<u32, Error> {
        step
    }
    for host in ["calm", "broken", "greedy"] {
        assert!(fetch(host, Ok(1)).await.is_ok());
    }
    for _ in 0..2 {
        drop(fetch("greedy", Ok(1)).await);
    }
    tokio::time::advance(Duration::from_secs(9)).await;
    for _ in 0..2 {
        drop(fetch("broken", Err(Error::Busy)).await);
    }
    let keys = policy("keys.worst").unwrap().keys();
    let labels: Vec<_> = keys.iter().map(|key| key.key.as_str()).collect();
    assert_eq!(labels, ["broken", "greedy", "calm"]);
    assert_eq!(keys[0].breaker.unwrap().state, BreakerState::Open);
    assert_eq!((keys[1].rate_limited, keys[2].rate_limited), (1, 0));
    assert!(keys.iter().all(|key| key.bulkhead.unwrap().limit == 3));
    assert!(keys.iter().all(|key| key.key.len() < 64));
}

#[test]
fn what_is_by_key_is_described() {
    #[resilient(
        name = "keys.described",
        rate_limit(key(id), permits = 3),
        bulkhead(key(id), adaptive)
    )]
    async fn f(id: u64) -> Result<u64, Error> {
        Ok(id)
    }
    drop(f(1));
    assert_eq!(
        policy("keys.described").unwrap().describe(),
        "rate_limit(permits = 3, period = \"1s\", burst = 3, max_wait = \"0s\", key(id), max_keys = 10000), \
         bulkhead(max_concurrent = 10, max_queue = 0, max_wait = \"30s\", adaptive(min = 1, max = 200, \
         algorithm = \"gradient\"), key(id), max_keys = 1024)"
    );
}
