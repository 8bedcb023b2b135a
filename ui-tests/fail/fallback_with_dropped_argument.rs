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

fn rescue(id: u32, _: Error) -> Result<u32, Error> {
    Ok(id)
}

#[resilient(fallback(rescue))]
async fn call(_: u32) -> Result<u32, Error> {
    Ok(1)
}

async fn still_callable() {
    let _ = call(1).await;
}

fn main() {}
