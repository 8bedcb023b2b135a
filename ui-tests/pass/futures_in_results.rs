//! A function that returns a future in a `Result` returns a `Result`.
#![allow(dead_code)]

use std::future::Future;
use std::pin::Pin;

use mmf::{chaos, resilient};

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

type Later = Pin<Box<dyn Future<Output = u8> + Send>>;

#[resilient(retry, breaker)]
fn spelled() -> Result<Pin<Box<dyn Future<Output = u8> + Send>>, Error> {
    Ok(Box::pin(async { 1 }))
}

#[resilient(retry, breaker)]
async fn aliased() -> Result<Later, Error> {
    Ok(Box::pin(async { 1 }))
}

#[resilient(retry, breaker)]
async fn opaque() -> Result<impl Future<Output = u8>, Error> {
    Ok(async { 1 })
}

#[chaos(random_errors(error(Error)))]
fn struck() -> Result<Pin<Box<dyn Future<Output = u8> + Send>>, Error> {
    Ok(Box::pin(async { 1 }))
}

fn main() {}
