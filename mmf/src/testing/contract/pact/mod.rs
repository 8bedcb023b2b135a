//! Pact, both sides of it: what a consumer expects of a provider, written by the consumer's tests and checked by
//! the provider's. Files of V2, V3 and V4 are read, of V4 written.
//!
//! `provider` checks a service against an interaction of a file, in the `state` that it presupposes. `consumer` is
//! the other side: a real `server` on loopback answers by [`Interaction`]s, and what the consumer asked of it
//! becomes the `file`. Matching is done by `pact_matching`, of the Pact project.

mod consumer;
mod file;
mod interaction;
mod pattern;
mod provider;
mod server;
#[cfg(test)]
mod specification;
mod state;

pub use consumer::{ConsumerPact, ConsumerTest};
pub use interaction::Interaction;
pub use pattern::{decimal, each_like, from_state, integer, like, matching};
pub(super) use provider::PactContract;
pub(super) use state::States;
pub use state::{IntoStateValues, ProviderState, StateAction};
