#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(timeout = "1s", retry, breaker)]
async fn call(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {}
