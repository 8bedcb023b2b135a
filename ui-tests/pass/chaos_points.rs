//! Points and experiments raise no lint of their own, with the feature and without.
#![deny(warnings, clippy::all, clippy::pedantic)]

use std::io;

/// Documented.
///
/// # Errors
///
/// Where it is struck.
#[mmf::chaos(
    network_delay(probability = 0.3, min = "50ms", max = "2s", distribution = "pareto"),
    network_failure(probability = 0.1, error(io::Error::from(io::ErrorKind::ConnectionReset))),
    random_errors(enabled = false),
    memory_pressure(size = "64MiB", intensity = 0.5, duration = "1s"),
    cpu_spike(threads = 1),
    hang,
    panic(target = "other.*")
)]
pub async fn fetch(name: &str) -> Result<usize, io::Error> {
    if name.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(name.len())
}

#[mmf::chaos]
fn number() -> u8 {
    7
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert_eq!(runtime.block_on(fetch("ada")).unwrap(), 3);
    assert_eq!(number(), 7);
}
