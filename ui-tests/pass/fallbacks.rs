#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(fallback(blocking))]
async fn first(id: u32, name: &str) -> Result<usize, Error> {
    Ok(name.len() + id as usize)
}

fn blocking(_: u32, name: &str, _: Error) -> Result<usize, Error> {
    Ok(name.len())
}

#[resilient(retry, timeout = "1s", fallback(later, on_refusal("timeout")))]
async fn second(name: String) -> Result<usize, Error> {
    Ok(name.len())
}

async fn later(name: String, _: Error) -> Result<usize, Error> {
    Ok(name.len())
}

#[resilient(fallback(stale(key(id), max_age = "5m", capacity = 10)))]
async fn third(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[resilient(breaker, fallback(value(Vec::new())))]
fn fourth() -> Result<Vec<u32>, Error> {
    Err(Error)
}

#[resilient(fallback(take), clone(name))]
async fn fifth(name: String) -> Result<String, Error> {
    Ok(name)
}

fn take(name: String, _: Error) -> Result<String, Error> {
    Ok(name)
}

fn main() {}
