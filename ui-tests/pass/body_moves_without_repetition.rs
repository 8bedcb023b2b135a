#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(timeout = "1s", breaker, bulkhead)]
async fn call(names: Vec<String>, mut count: usize) -> Result<Vec<String>, Error> {
    count += names.len();
    assert!(count > 0);
    Ok(names)
}

fn main() {}
