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

#[resilient(hedge = "1s")]
async fn take(name: String) -> Result<String, Error> {
    Ok(name)
}

fn main() {}
