#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(retry, clone(list))]
async fn call(mut list: Vec<u32>) -> Result<Vec<u32>, Error> {
    list.push(1);
    Ok(list)
}

fn main() {}
