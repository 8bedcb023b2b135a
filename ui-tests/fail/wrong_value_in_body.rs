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

#[resilient(timeout = "1s", retry)]
async fn call(id: u32) -> Result<u32, Error> {
    Ok(id.to_string())
}

async fn still_callable() {
    let _ = call(1).await;
}

fn main() {}
