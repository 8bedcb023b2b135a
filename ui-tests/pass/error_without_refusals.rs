#![allow(dead_code)]

use mmf::resilient;

#[resilient(retry, fallback(value(0)))]
async fn call(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

fn main() {}
