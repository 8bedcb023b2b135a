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

struct Thing;

#[resilient(retry, clone(thing))]
async fn take(thing: Thing) -> Result<Thing, Error> {
    Ok(thing)
}

fn main() {}
