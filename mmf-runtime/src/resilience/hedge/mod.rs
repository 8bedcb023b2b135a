//! A second copy of a call that is slow: `policy` is what the user sets, `histogram` knows how long attempts took, and
//! `race` runs the copies of one call.

mod histogram;
mod policy;
mod race;

pub(super) use histogram::Histogram;
pub use policy::{HedgePolicy, HedgePolicyBuilder};
