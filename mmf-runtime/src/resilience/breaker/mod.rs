//! The circuit breaker: stops calling what fails, and tries again carefully.
//!
//! `config` is what the user sets, by `builder`; `state` is what a breaker may be, `window` counts recent calls,
//! `machine` is the breaker itself, `admission` what it remembers of a call and `ticket` that call, `call` runs one,
//! and `keyed` keeps one breaker per key.

mod admission;
mod builder;
mod call;
mod config;
mod keyed;
mod machine;
mod state;
mod ticket;
mod window;

#[cfg(all(test, mmf_loom))]
mod models;
#[cfg(all(test, not(mmf_loom)))]
mod reference;

pub use builder::CircuitBreakerBuilder;
pub(super) use config::Config;
pub use config::Window;
pub use keyed::{KeyedBreakers, KeyedBreakersBuilder};
pub use machine::CircuitBreaker;
pub(crate) use machine::Refused;
pub use state::BreakerState;
pub(crate) use state::{Cause, Change};
pub use ticket::OwnedTicket;
pub(crate) use ticket::Ticket;
