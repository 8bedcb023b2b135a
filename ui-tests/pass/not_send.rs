#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

use std::rc::Rc;

#[resilient(retry, breaker, timeout = "1s")]
async fn call(shared: Rc<u32>) -> Result<u32, Error> {
    let held = Rc::clone(&shared);
    tokio::task::yield_now().await;
    Ok(*held)
}

fn main() {}
