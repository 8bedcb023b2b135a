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

#[resilient(timeout: "1s", retry(max_attempts: 3))]
async fn call(id: u64) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(1) }
}

fn main() {}
