//! A test that becomes an experiment: the steady state first, then scenarios of faults. `scenario` says which, `suite`
//! runs them, `report` is what came of it. Part of `mmf::chaos`.

mod report;
mod scenario;
mod suite;

pub use report::ChaosReport;
pub use scenario::{Expectation, Scenario};
pub use suite::ResilienceTestSuite;
