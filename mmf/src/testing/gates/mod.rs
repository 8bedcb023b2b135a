//! What has to hold of all results before a change may go on: the `limits`, and how results are `judge`d by them.

mod judge;
mod limits;

pub use judge::GateVerdict;
pub use limits::{KindGates, QualityGates};
