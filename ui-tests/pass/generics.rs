#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[resilient(retry, breaker, timeout = "1s")]
async fn call<T, const N: usize>(values: &[T; N]) -> Result<Vec<T>, Error>
where
    T: Clone,
{
    Ok(values.to_vec())
}

fn main() {}
