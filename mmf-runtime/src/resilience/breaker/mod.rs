//! The circuit breaker: stops calling what fails, and tries again carefully.
//!
//! [`config`] is what the user sets, [`window`] counts recent calls, [`machine`] is the breaker
//! itself with its states, [`ticket`] is one call's admission, [`keyed`] keeps one breaker per key.

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
pub use ticket::{Counted, Ticket};

use super::error::ResilienceError;
use super::events;
use super::policy::{Handle, Off};

/// The place of the breaker in the pipeline.
pub trait Admission {
    /// What one admitted call holds until it is settled.
    type Ticket<'t>: Settle
    where
        Self: 't;
    /// Admits the call or refuses it.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::CircuitOpen`].
    fn admit(&self) -> Result<Self::Ticket<'_>, ResilienceError>;
}

/// The end of an admitted call.
pub trait Settle {
    /// Counts the call.
    fn settle(&mut self, counted: Counted);
}

impl Admission for Off {
    type Ticket<'t> = ();

    #[inline]
    fn admit(&self) -> Result<(), ResilienceError> {
        Ok(())
    }
}

impl Settle for () {
    #[inline]
    fn settle(&mut self, _: Counted) {}
}

impl<H: Handle<CircuitBreaker>> Admission for H {
    type Ticket<'t>
        = Ticket<'t>
    where
        Self: 't;

    #[inline]
    fn admit(&self) -> Result<Ticket<'_>, ResilienceError> {
        self.policy().admit().inspect_err(events::refused)
    }
}

impl Settle for Ticket<'_> {
    #[inline]
    fn settle(&mut self, counted: Counted) {
        Ticket::settle(self, counted);
    }
}
