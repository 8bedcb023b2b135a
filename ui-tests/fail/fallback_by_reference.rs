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

async fn cached(_: &u64, _: Error) -> Result<u32, Error> {
    Ok(0)
}

#[resilient(fallback(cached))]
async fn call(id: u64) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(1) }
}

fn main() {}
