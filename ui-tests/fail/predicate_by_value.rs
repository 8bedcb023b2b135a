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

fn is(_: Error) -> bool {
    true
}

const LIMIT: u64 = 5;

#[resilient(retry(retry_if(is)), timeout = LIMIT)]
async fn call(id: u64) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(1) }
}

#[resilient(retry(retry_if(|error| error.is_busy())), deadline = LIMIT)]
async fn other(id: u64) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(1) }
}

fn main() {}
