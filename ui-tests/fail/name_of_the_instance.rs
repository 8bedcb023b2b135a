use mmf::{ResilienceError, resilient};

#[derive(Debug)]
enum Error {
    Busy,
    Status(u16),
    Refused,
}

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

struct Client;

impl Client {
    const NAME: &str = "client";

    #[resilient(name = Self::NAME, retry)]
    async fn call(&self) -> Result<u32, Error> {
        Ok(1)
    }
}

const NUMBER: u32 = 5;

#[resilient(name = NUMBER, retry)]
async fn number() -> Result<u32, Error> {
    Ok(1)
}

fn main() {}
