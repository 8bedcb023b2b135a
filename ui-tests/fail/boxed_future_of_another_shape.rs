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

use std::pin::Pin;

#[resilient(retry)]
fn call(id: u32) -> Pin<Box<dyn Future<Output = Result<u32, Error>>>> {
    let answer = async move { Ok(id) };
    Box::pin(answer)
}

fn main() {}
