//! The runtime that a test runs on.

/// Runs a test's future on a runtime of its own, with a worker for each core.
///
/// # Panics
///
/// Where that cannot be made, and where the test fails.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    #[cfg(feature = "pact")]
    super::crypto::provide();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("no runtime for the test: {error}"));
    runtime.block_on(test)
}
