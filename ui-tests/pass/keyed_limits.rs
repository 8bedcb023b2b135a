//! Rate limits and bulkheads by key, of keys that are borrowed, made, and of generic types; limits that are found.

use std::fmt::Debug;
use std::hash::Hash;

use mmf::{ResilienceError, resilient};

struct Client;

impl Client {
    #[resilient(
        rate_limit(key(tenant), permits = 100, max_keys = 10_000),
        bulkhead(key((host, 443)), max_concurrent = 8, adaptive(max = 20)),
        breaker(key(host))
    )]
    async fn fetch(&self, host: &str, tenant: u64) -> Result<usize, ResilienceError> {
        Ok(host.len() + tenant as usize)
    }

    #[resilient(rate_limit(key(key), permits = 1), retry)]
    async fn of_any<K: Hash + Debug + Sync>(&self, key: &K) -> Result<(), ResilienceError> {
        let _ = key;
        Ok(())
    }
}

#[resilient(bulkhead(adaptive(min = 2, max = 9, algorithm = "aimd")))]
async fn found() -> Result<(), ResilienceError> {
    Ok(())
}

async fn calls() {
    assert_eq!(Client.fetch("a.example", 1).await, Ok(10));
    assert!(Client.of_any(&7).await.is_ok());
    found().await.unwrap();
}

fn main() {}
