#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

use mmf::resilience::CircuitBreaker;

struct Client {
    breaker: CircuitBreaker,
}

impl Client {
    #[resilient(breaker = &self.breaker, timeout = "1s")]
    async fn call(&self) -> Result<u32, Error> {
        Ok(1)
    }
}

fn main() {}
