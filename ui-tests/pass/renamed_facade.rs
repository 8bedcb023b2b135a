#![allow(dead_code)]

use facade::resilient;
use mmf as facade;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(crate = facade, retry, timeout = "1s")]
async fn call() -> Result<u32, Error> {
    Ok(1)
}

fn main() {}
