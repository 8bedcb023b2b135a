//! What has to hold of all results before a change may go on: the `limits`, how results are `judge`d by them, and the
//! `verdict`s.

mod judge;
mod limits;
mod verdict;

pub use limits::{KindGates, QualityGates};
pub use verdict::GateVerdict;
