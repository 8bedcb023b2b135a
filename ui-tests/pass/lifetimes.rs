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
async fn call<'a, 'b>(first: &'a str, _: &'b str) -> Result<&'a str, Error>
where
    'b: 'a,
{
    Ok(first)
}

#[resilient(retry, timeout = "1s")]
async fn elided(text: &str) -> Result<&str, Error> {
    Ok(text)
}

fn main() {}
