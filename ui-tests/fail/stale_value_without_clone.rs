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

struct User;

#[resilient(timeout = "1s", fallback(stale(key(id), max_age = "5m")))]
async fn call(id: u64) -> Result<User, Error> {
    if id == 0 { Err(Error::Busy) } else { Ok(User) }
}

fn main() {}
