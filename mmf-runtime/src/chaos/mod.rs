//! Faults on demand: a function is a place where they can be injected, and a config arms them for one
//! future or for the process.
//!
//! [`ChaosConfig`] says which [`Fault`]s strike where, [`scope`] arms it for a future, [`arm`] for the
//! process, `MMF_CHAOS` for a running binary. Decisions depend on the seed, the point and the number of the
//! call at that point, never on timing: the same seed gives the same faults at the same calls.
//!
//! `point` is the place, `dice` decides, `injector` holds what is armed, `load` takes memory and processors,
//! `history` is what was injected, and `experiment` makes a test of it, from `scenario` to `report`. `environment`
//! reads `MMF_CHAOS`, `release` says whether a whole process may be armed, and `excerpt` shows text that came from
//! outside. [`proxy`] is a network that really fails.

mod config;
mod dice;
mod disk;
mod environment;
mod excerpt;
pub(crate) mod experiment;
mod fault;
mod glob;
mod history;
mod injector;
mod kind;
mod load;
mod point;
pub mod proxy;
mod release;
mod report;
mod scenario;
mod scope;

pub use config::{ChaosConfig, InvalidChaos};
pub use disk::SmallDisk;
pub use experiment::ResilienceTestSuite;
pub use fault::{Distribution, Fault};
pub use history::{Injection, history};
pub use injector::ChaosInjector;
pub use kind::{ChaosKind, ChaosKind as ChaosType, InjectedFault};
pub use point::{PointInfo, points};
pub use report::ChaosReport;
pub use scenario::{Expectation, Scenario};
pub use scope::{Armed, Scope, arm, scope};

pub(crate) use environment::read as read_environment;
pub(crate) use scope::carrying;

#[doc(hidden)]
pub use point::{
    Annotated, ByFault, ByIo, ByNothing, CanFail, CarriesFault, Convert, Point, Registration,
    carried, failing, is_armed,
};
