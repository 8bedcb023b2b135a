#![allow(dead_code)]

use mmf::resilient;

#[resilient(retry, timeout = "1s")]
async fn call(text: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    if text.is_empty() {
        return Ok(0);
    }
    Ok(text.parse::<u32>()?)
}

fn main() {}
