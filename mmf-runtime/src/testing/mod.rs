//! Tests that measure and tests that check a service, the records they leave, and the gates over all of them.
//!
//! `contract` and `performance` run tests, `results` is what they leave behind, `gates` decides over all of
//! it, and `report` tells it. `runner` is the same in code. `body` runs a test's body.

mod body;
#[cfg(feature = "testing")]
mod contract;
#[cfg(feature = "testing")]
mod gates;
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
#[cfg(feature = "testing")]
pub use performance::{
    Baseline, BaselineRun, Comparison, Limits, PerformanceReport, PerformanceTest,
};
#[cfg(feature = "testing")]
pub use report::{QualityReport, Run, Sums};
#[cfg(feature = "testing")]
pub use runner::TestRunner;

/// Runs a test's future on a runtime of its own, with a worker for each core.
///
/// # Panics
///
/// Where that cannot be made, and where the test fails.
#[doc(hidden)]
#[cfg(feature = "testing")]
pub fn run<T>(test: impl Future<Output = T>) -> T {
    #[cfg(feature = "pact")]
    pact::crypto::provide();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("no runtime for the test: {error}"));
    runtime.block_on(test)
}
