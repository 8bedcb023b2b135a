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

#[resilient(retry, breaker, hedge = "1s", bulkhead)]
async fn tuple() -> (u32, u32) {
    (1, 2)
}

#[resilient(retry, fallback(value(1)))]
fn blocking() -> u32 {
    1
}

fn main() {}
