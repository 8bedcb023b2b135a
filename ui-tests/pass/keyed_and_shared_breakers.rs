#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(breaker(key(host), max_keys = 100))]
async fn by_host(host: &str) -> Result<usize, Error> {
    Ok(host.len())
}

#[resilient(breaker(key((tenant, host.as_str()))))]
async fn by_both(tenant: u32, host: String) -> Result<u32, Error> {
    Ok(tenant + host.len() as u32)
}

#[resilient(breaker(shared = "db", failure_threshold = 3))]
async fn read() -> Result<u32, Error> {
    Ok(1)
}

#[resilient(breaker(shared = "db"))]
async fn write() -> Result<u32, Error> {
    Ok(1)
}

fn main() {}
