#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

trait Source {
    async fn read(&self) -> Result<u32, Error>;

    #[resilient(retry)]
    async fn twice(&self) -> Result<u32, Error> {
        Ok(self.read().await? * 2)
    }
}

impl Source for u32 {
    #[resilient(retry, timeout = "1s")]
    async fn read(&self) -> Result<u32, Error> {
        Ok(*self)
    }
}

fn main() {}
