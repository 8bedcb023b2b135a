//! Faults on demand: a function is a place where they can be injected, and a config arms them for one
//! future or for the process.
//!
//! [`ChaosConfig`] says which [`Fault`]s strike where, [`scope`] arms it for a future, [`arm`] for the
//! process, `MMF_CHAOS` for a running binary. Decisions depend on the seed, the point and the number of the
//! call at that point, never on timing: the same seed gives the same faults at the same calls.
//!
//! [`ResilienceTestSuite`] makes a test of it, [`proxy`] is a network that really fails, [`SmallDisk`] a disk that is
//! soon full.

mod disk;
pub mod proxy;

pub use crate::testing::experiment::{ChaosReport, Expectation, ResilienceTestSuite, Scenario};
pub use disk::SmallDisk;
#[doc(inline)]
pub use mmf_runtime::chaos::*;
