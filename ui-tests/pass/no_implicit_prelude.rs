//! Nothing of the prelude is needed.
#![no_implicit_prelude]
#![allow(dead_code)]

use ::std::convert::From;
use ::std::result::Result::{self, Ok};
use ::std::string::String;

struct Error;

impl From<::mmf::ResilienceError> for Error {
    fn from(_: ::mmf::ResilienceError) -> Self {
        Self
    }
}

async fn cached(_: &str, _: u64, _: Error) -> Result<u64, Error> {
    Ok(1)
}

#[::mmf::resilient(
    deadline = "9s",
    timeout = "1s",
    retry(retry_on(Error), before_retry(|_| {})),
    breaker,
    rate_limit = 5,
    bulkhead,
    hedge = "1s",
    fallback(cached)
)]
async fn everything(name: &str, id: u64) -> Result<u64, Error> {
    let _ = name;
    Ok(id)
}

#[::mmf::resilient(retry, breaker(key(name)), fallback(stale(key(id))))]
async fn keyed(name: String, id: u64) -> Result<u64, Error> {
    let _ = &name;
    Ok(id)
}

#[::mmf::chaos(high_latency, random_errors(error(Error)))]
async fn struck() -> Result<u64, Error> {
    Ok(1)
}

struct Users;

#[::mmf::service(name = "users")]
impl Users {
    pub async fn get(&self) -> Result<u64, Error> {
        Ok(1)
    }
}

#[::mmf::service(name = "users")]
struct Logged;

fn main() {}
