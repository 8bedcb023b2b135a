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
const fn call(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn still_callable() {
    let _ = call(1);
}

fn main() {}
