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

#[resilient(retry(3))]
async fn call(id: u64) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(1) }
}

#[resilient(breaker(5), bulkhead(8), hedge("80ms"), rate_limit(9))]
async fn other(id: u64) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(1) }
}

fn main() {}
