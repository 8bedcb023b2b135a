#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[async_trait::async_trait]
trait Source {
    async fn read(&self, name: String) -> Result<usize, Error>;
}

#[async_trait::async_trait]
impl Source for u32 {
    #[resilient(retry, timeout = "1s", clone(name))]
    async fn read(&self, mut name: String) -> Result<usize, Error> {
        name.push('!');
        Ok(name.len() + *self as usize)
    }
}

fn main() {}
