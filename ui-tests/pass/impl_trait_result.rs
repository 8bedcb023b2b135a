#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(retry, timeout = "1s")]
async fn call(up_to: u32) -> Result<impl Iterator<Item = u32>, Error> {
    Ok(0..up_to)
}

fn main() {}
