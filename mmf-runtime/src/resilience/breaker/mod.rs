//! The circuit breaker: stops calling what fails, and tries again carefully.
//!
//! `config` is what the user sets, `window` counts recent calls, `machine` is the breaker
//! itself with its states, `ticket` is one call's admission, `keyed` keeps one breaker per key.

mod config;
mod keyed;
mod machine;
mod ticket;
mod window;

#[cfg(all(test, mmf_loom))]
mod models;
#[cfg(all(test, not(mmf_loom)))]
mod reference;

pub use config::{CircuitBreakerBuilder, Window};
pub use keyed::KeyedBreakers;
pub use machine::{BreakerState, CircuitBreaker};
pub(crate) use machine::{Cause, Change};
#[doc(hidden)]
pub use ticket::Counted;
pub(crate) use ticket::Ticket;
