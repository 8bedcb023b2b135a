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

#[resilient(retry(max_attempts = 3, max_attempts = 4))]
async fn call(id: u32) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(id) }
}

async fn still_callable() {
    let _ = call(1).await;
}

fn main() {}
