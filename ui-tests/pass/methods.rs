#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

struct Client(u32);

impl Client {
    #[resilient(retry, timeout = "1s")]
    async fn shared(&self) -> Result<u32, Error> {
        Ok(self.0)
    }

    #[resilient(timeout = "1s")]
    async fn exclusive(&mut self) -> Result<u32, Error> {
        self.0 += 1;
        Ok(self.0)
    }

    #[resilient(timeout = "1s")]
    async fn consuming(self) -> Result<Self, Error> {
        Ok(self)
    }

    #[resilient(retry)]
    async fn associated() -> Result<Self, Error> {
        Ok(Self(1))
    }
}

fn main() {}
