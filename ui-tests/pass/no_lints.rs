//! Documented.
#![deny(warnings, missing_docs, unsafe_code, unreachable_code)]
#![forbid(unsafe_code)]
use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

/// Documented.
pub struct Client;

impl Client {
    /// Documented.
    #[resilient(deadline = "9s", timeout = "1s", retry, breaker, bulkhead, rate_limit = 9)]
    pub async fn call(&self, _unused: u32, name: &str) -> Result<usize, Error> {
        Ok(name.len())
    }
}

fn main() {}
