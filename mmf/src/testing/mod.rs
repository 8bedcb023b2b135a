//! Tests that measure and tests that check a service, the records they leave, and the gates over all of them.
//!
//! With the feature `testing`: [`ContractTest`] asks an endpoint and checks its answer, [`PerformanceTest`] runs a
//! body many times within [`Limits`] and against a [`PerformanceBaseline`]. Each leaves a [`results::Record`];
//! [`QualityGates`] decide over all of them and [`QualityReport`] tells it. [`TestRunner`] is all of that in code,
//! `#[contract_test]`, `#[performance_test]` and the command `cargo mmf` are the same without. With the feature
//! `pact`, [`pact`] has both sides of a pact.

mod body;
#[cfg(feature = "testing")]
mod contract;
#[doc(hidden)]
pub mod file;
#[cfg(feature = "testing")]
mod gates;
mod names;
#[cfg(feature = "testing")]
mod performance;
#[cfg(feature = "testing")]
mod report;
pub mod results;
#[cfg(feature = "testing")]
mod runner;

pub use body::Verdict;
#[cfg(feature = "chaos")]
pub(crate) use body::{Failure, attempt};
#[cfg(feature = "pact")]
pub use contract::pact;
#[cfg(feature = "testing")]
pub use contract::{ContractReport, ContractResponse, ContractTest};
#[cfg(feature = "testing")]
pub use gates::{GateVerdict, KindGates, QualityGates};
pub use names::names_are_unique;
#[cfg(feature = "testing")]
pub use performance::{
    BaselineRun, Comparison, Limits, PerformanceBaseline, PerformanceReport, PerformanceTest,
};
#[cfg(feature = "testing")]
pub use report::{QualityReport, Run, Sums};
#[cfg(feature = "testing")]
pub use runner::TestRunner;

/// A text of somebody else's as it may be shown.
#[doc(hidden)]
#[cfg(feature = "testing")]
pub fn visible(text: &str) -> std::borrow::Cow<'_, str> {
    crate::text::visible(text)
}

/// Runs a test's future on a runtime of its own, with a worker for each core.
///
/// # Panics
///
/// Where that cannot be made, and where the test fails.
#[doc(hidden)]
#[cfg(feature = "testing")]
pub fn run<T>(test: impl Future<Output = T>) -> T {
    #[cfg(feature = "pact")]
    crate::crypto::provide();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("no runtime for the test: {error}"));
    runtime.block_on(test)
}
