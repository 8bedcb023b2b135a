//! What is expected of clippy on a function is about the code as it was written.
#![deny(unfulfilled_lint_expectations)]

use mmf::{chaos, resilient, service};

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[expect(clippy::unused_async, reason = "awaits soon")]
#[resilient(retry)]
pub async fn call(#[expect(unused_variables)] id: u64) -> Result<u8, Error> {
    Ok(1)
}

#[resilient(retry)]
#[expect(clippy::unused_async, clippy::needless_return, unused_mut)]
pub async fn returns() -> Result<u8, Error> {
    let mut one = 1;
    return Ok(one);
}

#[chaos(high_latency)]
#[expect(clippy::unused_async)]
pub async fn struck() -> u8 {
    1
}

pub struct Users;

#[service(name = "users")]
impl Users {
    #[expect(clippy::unused_async, clippy::missing_errors_doc)]
    pub async fn get(&self) -> Result<u8, Error> {
        Ok(1)
    }
}

#[resilient(retry, all)]
impl Users {
    #[expect(clippy::unused_async)]
    pub async fn put(&self) -> Result<u8, Error> {
        Ok(1)
    }
}

fn main() {}
