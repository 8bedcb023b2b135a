#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

use std::sync::LazyLock;

use mmf::resilience::{Bulkhead, CircuitBreaker, RetryPolicy};

static RETRY: LazyLock<RetryPolicy> = LazyLock::new(RetryPolicy::default);
static BREAKER: LazyLock<CircuitBreaker> = LazyLock::new(|| CircuitBreaker::builder("b").build());
static BULKHEAD: LazyLock<Bulkhead> = LazyLock::new(|| Bulkhead::builder("k").build());

#[resilient(retry = &RETRY, breaker = &BREAKER, bulkhead = &BULKHEAD)]
async fn call() -> Result<u32, Error> {
    Ok(1)
}

#[resilient(retry = RetryPolicy::builder().max_attempts(2).build())]
async fn built() -> Result<u32, Error> {
    Ok(1)
}

fn main() {}
