//! Faults on demand: a function is a place where they can be injected, and a config arms them for one
//! future or for the process.
//!
//! [`ChaosConfig`] says which [`Fault`]s strike where, [`scope`] arms it for a future, [`arm`] for the
//! process, `MMF_CHAOS` for a running binary. Decisions depend on the seed, the point and the number of the
//! call at that point, never on timing: the same seed gives the same faults at the same calls.
//!
//! `point` is the place, `strike` a call at it, `carry` how a fault becomes its error; `dice` draws, `injector` decides and holds
//! what is armed, `scope` for whom, `load` takes memory and processors,
//! `history` is what was injected. `environment` reads `MMF_CHAOS`, `release` says whether a whole process may be armed,
//! and `excerpt` shows text that came from outside. Experiments and a network that really fails are the facade's.

mod carry;
mod config;
#[doc(hidden)]
pub mod dice;
mod environment;
mod excerpt;
mod fault;
#[doc(hidden)]
pub use crate::glob;
mod history;
mod injector;
mod kind;
mod load;
mod point;
mod release;
mod scope;
mod strike;

pub use config::{ChaosConfig, InvalidChaos};
pub use fault::{Distribution, Fault};
pub use history::Injection;
pub use injector::ChaosInjector;
pub use kind::{ChaosKind, ChaosKind as ChaosType, InjectedFault};
pub use point::{PointInfo, points};
pub use scope::{Armed, Scope, arm, armed, history, scope};

pub(crate) use environment::read as read_environment;
pub(crate) use scope::carrying;

#[doc(hidden)]
pub use carry::{ByFault, ByIo, ByNothing, CanFail, CarriesFault, Convert, carried, failing};
#[doc(hidden)]
pub use injector::why_unable;
#[doc(hidden)]
pub use point::{Annotated, Point, Registration, is_armed};
#[doc(hidden)]
pub use scope::seed;
