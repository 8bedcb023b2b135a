#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

async fn outer() -> Result<u32, Error> {
    #[resilient(retry, bulkhead)]
    async fn call() -> Result<u32, Error> {
        Ok(1)
    }
    call().await
}

pub async fn used() {
    let _ = outer().await;
}

fn main() {}
