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

fn rescue(name: String, _: Error) -> Result<String, Error> {
    Ok(name)
}

#[resilient(fallback(rescue))]
async fn take(name: String) -> Result<String, Error> {
    Ok(name)
}

fn main() {}
