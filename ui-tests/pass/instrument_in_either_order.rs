#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(retry, timeout = "1s")]
#[tracing::instrument]
async fn a_call(name: String) -> Result<usize, Error> {
    Ok(name.len())
}

#[tracing::instrument]
#[resilient(retry, timeout = "1s")]
async fn an_attempt(name: String) -> Result<usize, Error> {
    Ok(name.len())
}

fn main() {}
