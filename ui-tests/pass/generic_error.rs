#![allow(dead_code)]

use mmf::resilient;

#[resilient(retry, timeout = "1s", breaker)]
async fn call<E: From<mmf::ResilienceError>>() -> Result<u32, E> {
    Ok(1)
}

fn main() {}
