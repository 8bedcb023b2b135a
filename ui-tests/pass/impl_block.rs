#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

pub struct Client;

#[resilient(name = "client", timeout = "1s", retry = 2, all)]
impl Client {
    const LIMIT: u32 = 5;

    pub fn new() -> Self {
        Self
    }

    pub async fn read(&self) -> Result<u32, Error> {
        Ok(Self::LIMIT)
    }

    #[resilient(skip)]
    pub async fn helper(&self) {}

    #[resilient(retry = 5)]
    async fn write(&self) -> Result<u32, Error> {
        Ok(1)
    }
}

fn main() {}
