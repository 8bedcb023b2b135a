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
#[cfg(feature = "pact")]
pub(crate) mod crypto;
#[cfg(feature = "chaos")]
pub(crate) mod experiment;
#[doc(hidden)]
pub mod file;
#[cfg(feature = "testing")]
mod gates;
mod masked;
mod names;
#[cfg(feature = "testing")]
mod performance;
#[cfg(feature = "testing")]
mod report;
pub mod results;
#[cfg(feature = "testing")]
mod run;
#[cfg(feature = "testing")]
mod runner;
pub(crate) mod text;

pub use body::Verdict;
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
#[doc(hidden)]
#[cfg(feature = "testing")]
pub use run::run;
#[cfg(feature = "testing")]
pub use runner::TestRunner;
#[doc(hidden)]
#[cfg(feature = "testing")]
pub use text::visible;
