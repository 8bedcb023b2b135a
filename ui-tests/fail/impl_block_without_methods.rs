use mmf::{ResilienceError, resilient};

#[derive(Debug)]
enum Error {
    Busy,
    Refused,
}

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

struct Client;

#[resilient(retry)]
impl Client {
    async fn call(&self) -> Result<u32, Error> {
        Err(Error::Busy)
    }
}

fn main() {}
