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
async fn call((a, _): (u32, u32), [b, ..]: [u32; 3], _: u32) -> Result<u32, Error> {
    Ok(a + b)
}

fn main() {}
