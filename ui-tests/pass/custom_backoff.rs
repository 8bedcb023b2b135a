#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

use std::time::Duration;

use mmf::resilience::BackoffStrategy;

struct Squares;

impl BackoffStrategy for Squares {
    fn delay(&self, retry: u32, base: Duration) -> Duration {
        base * retry * retry
    }
}

#[resilient(retry(backoff = Squares))]
async fn call() -> Result<u32, Error> {
    Ok(1)
}

#[resilient(retry(backoff = |retry: u32| Duration::from_secs(retry.into())))]
async fn by_closure() -> Result<u32, Error> {
    Ok(1)
}

fn main() {}
