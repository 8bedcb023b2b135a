#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

type Answer<T> = Result<T, Error>;

#[resilient(retry, timeout = "1s")]
async fn call() -> Answer<u32> {
    Ok(1)
}

fn main() {}
