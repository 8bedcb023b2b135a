#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

/// Documented.
#[resilient(retry)]
#[cfg(not(any()))]
#[must_use]
#[inline]
pub(crate) async fn call() -> Result<u32, Error> {
    Ok(1)
}

pub async fn used() {
    let _ = call().await;
}

fn main() {}
