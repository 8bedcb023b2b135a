#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(breaker)]
async fn call(depth: u32) -> Result<u32, Error> {
    match depth {
        0 => Ok(0),
        _ => Box::pin(call(depth - 1)).await,
    }
}

fn main() {}
