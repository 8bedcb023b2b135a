#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(retry, clone(r#type))]
async fn r#match(r#type: String) -> Result<String, Error> {
    Ok(r#type)
}

fn main() {}
