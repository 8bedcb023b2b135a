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

#[resilient(hedge = "1s", retry)]
fn call(id: u32) -> Result<u32, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(id) }
}

fn still_callable() {
    let _ = call(1);
}

fn main() {}
