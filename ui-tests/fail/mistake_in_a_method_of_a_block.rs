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

#[resilient(retry, all)]
impl Client {
    pub async fn call(&self, mut id: u32) -> Result<u32, Error> {
        id += 1;
        Ok(id)
    }

    #[resilient(timeout = 5)]
    pub async fn other(&self) -> Result<u32, Error> {
        Err(Error::Busy)
    }
}

fn main() {}
