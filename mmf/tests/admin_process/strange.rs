//! What a user may write, and should not.

use mmf::ResilienceError;

fn threshold() -> u32 {
    assert!(std::env::var_os("PANICS").is_none(), "a value that panics");
    5
}

#[mmf::resilient(name = "admin.panics", breaker(failure_threshold = threshold()))]
async fn panics() -> Result<(), ResilienceError> {
    Ok(())
}
