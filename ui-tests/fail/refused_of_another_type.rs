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

fn refused(_: ResilienceError) -> String {
    String::new()
}

#[resilient(timeout = "1s", refused(refused))]
async fn by_path(id: u64) -> Result<u32, Error> {
    Ok(id as u32)
}

#[resilient(timeout = "1s", refused(|_| "none"))]
async fn by_closure(id: u64) -> Result<u32, Error> {
    Ok(id as u32)
}

#[resilient(timeout = "1s", refused("Error::Refused"))]
async fn by_text(id: u64) -> Result<u32, Error> {
    Ok(id as u32)
}

fn main() {}
