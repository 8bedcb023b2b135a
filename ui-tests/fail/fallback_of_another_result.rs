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

async fn cached(_: u64, _: Error) -> u32 {
    0
}

async fn text(_: u64, _: Error) -> Result<String, Error> {
    Ok(String::new())
}

#[resilient(timeout = "1s", fallback(cached))]
async fn call(id: u64) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(1) }
}

#[resilient(retry, fallback(text))]
async fn other(id: u64) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(1) }
}

#[resilient(retry, fallback(now))]
fn blocking(id: u64) -> Result<u32, Error> {
    Ok(id as u32)
}

fn now(_: u64, _: Error) -> Option<u32> {
    None
}

fn main() {}
