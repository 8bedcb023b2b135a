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

#[resilient(fallback = "cached")]
async fn call(id: u64) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(1) }
}

#[resilient(retry(retry_on("Error::Busy"), retry_if("is_busy")), breaker(fail_if("is_busy")))]
async fn other(id: u64) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(1) }
}

fn main() {}
