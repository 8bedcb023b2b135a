//! Measurements: a body that runs many times, within limits and against a baseline.
//!
//! `test` is the measurement, `load` says when each run starts, `usage` measures the process, `limits` and
//! `baseline` judge what was measured, `report` tells it.

mod baseline;
mod limits;
mod load;
mod report;
mod test;
mod usage;

pub use baseline::{BaselineRun, Comparison, PerformanceBaseline};
pub use limits::Limits;
pub use report::PerformanceReport;
pub use test::PerformanceTest;
