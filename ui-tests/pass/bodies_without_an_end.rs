//! A body that never comes to its end raises no lint, and none is allowed for it.
#![forbid(unreachable_code, unused, unused_variables, unused_mut, unused_must_use)]
#![deny(warnings)]

use mmf::{chaos, resilient};

#[derive(Debug)]
pub struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

macro_rules! bail {
    ($error:expr) => {
        return Err($error)
    };
}

#[resilient(retry, timeout = "1s", breaker)]
pub async fn later() -> Result<u8, Error> {
    todo!()
}

#[resilient(retry, hedge = "1s", bulkhead)]
pub async fn never_written() -> Result<u8, Error> {
    unimplemented!("by nobody")
}

#[resilient(timeout = "1s", fallback(value(1)))]
pub async fn fails() -> Result<u8, Error> {
    bail!(Error)
}

#[resilient(retry)]
pub fn ends() -> Result<u8, Error> {
    std::process::exit(1)
}

#[resilient(retry)]
pub async fn serves() -> Result<u8, Error> {
    loop {
        std::future::pending::<()>().await;
    }
}

#[chaos(high_latency, panic)]
pub async fn struck() -> Result<u8, Error> {
    todo!()
}

#[chaos(high_latency)]
pub fn struck_now() -> u8 {
    unimplemented!()
}

pub fn main() {
    let _ = Error;
}
