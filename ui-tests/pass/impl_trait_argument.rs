#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(retry)]
async fn call(text: impl AsRef<str>) -> Result<usize, Error> {
    Ok(text.as_ref().len())
}

fn main() {}
