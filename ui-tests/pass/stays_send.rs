#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(deadline = "9s", retry, breaker, timeout = "1s", bulkhead, hedge = "1s")]
async fn call(names: &[String], one: &str) -> Result<usize, Error> {
    tokio::task::yield_now().await;
    Ok(names.len() + one.len())
}

fn is_send(_: impl Send) {}

fn check(names: &[String]) {
    is_send(call(names, "a"));
}

fn main() {}
