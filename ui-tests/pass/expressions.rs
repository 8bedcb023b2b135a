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

const LIMIT: Duration = Duration::from_secs(1);

struct Client {
    limit: Duration,
}

impl Client {
    const BASE: Duration = Duration::from_millis(5);

    #[resilient(deadline = LIMIT * 3, timeout = self.limit, retry(base_delay = Self::BASE))]
    async fn call(&self) -> Result<u32, Error> {
        Ok(1)
    }
}

#[resilient(retry(max_attempts = N), bulkhead(max_concurrent = 2 + 3))]
async fn generic<const N: u32>() -> Result<u32, Error> {
    Ok(N)
}

fn main() {}
