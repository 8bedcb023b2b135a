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

#[resilient(retry)]
async fn call(mut id: u32) -> Result<u32, Error> {
    id += 1;
    Ok(id)
}

async fn still_callable() {
    let _ = call(1).await;
}

fn main() {}
