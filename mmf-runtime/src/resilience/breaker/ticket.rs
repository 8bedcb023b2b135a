//! One call at the door of a breaker.

use std::ops::Deref;
use std::sync::Arc;

use super::admission::Admission;
use super::machine::{CircuitBreaker, Refused};
use crate::resilience::error::ResilienceError;
use crate::resilience::outcome::Counted;

/// The admission of a call: empty until a breaker fills it, and again once it is settled. Dropped in
/// between, the call counts as neither, and a trial frees its place.
///
/// It is filled and settled where it stands, as moving it would cost more than all the rest.
#[derive(Debug)]
pub(crate) struct Ticket<B: Deref<Target = CircuitBreaker>> {
    breaker: Option<B>,
    admission: Admission,
}

impl<B: Deref<Target = CircuitBreaker>> Ticket<B> {
    /// An empty one.
    #[inline]
    pub(crate) fn empty() -> Self {
        Self { breaker: None, admission: Admission::default() }
    }

    /// Settles it; a second time does nothing.
    #[inline]
    pub(crate) fn settle(&mut self, counted: Counted) {
        if let Some(breaker) = self.breaker.take() {
            breaker.record(self.admission, counted);
        }
    }

    /// It in other hands, which hold the breaker by this handle; an empty one stays empty.
    pub(crate) fn handed<New>(&mut self, handle: impl FnOnce() -> New) -> Ticket<New>
    where
        New: Deref<Target = CircuitBreaker>,
    {
        let handle = self.breaker.is_some().then(handle);
        self.breaker = None;
        Ticket { breaker: handle, admission: self.admission }
    }
}

impl CircuitBreaker {
    /// Admits a call, or refuses it: the ticket is filled or stays empty.
    #[inline]
    pub(crate) fn admit<'b>(&'b self, ticket: &mut Ticket<&'b Self>) -> Result<(), Refused> {
        let word = self.word();
        let admission = if word.is_plain() {
            Admission { word, started: None }
        } else {
            self.admit_by_state(word)?
        };
        ticket.breaker = Some(self);
        ticket.admission = admission;
        Ok(())
    }
}

impl<B: Deref<Target = CircuitBreaker>> Drop for Ticket<B> {
    #[inline]
    fn drop(&mut self) {
        self.settle(Counted::Neither);
    }
}

/// The admission of a call that borrows nothing, for what outlives the place where the breaker was asked: a request,
/// of which the service learns later how it ended. Dropped without an answer, the call counts as neither, and a
/// trial frees its place.
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::sync::Arc;
/// use mmf::resilience::{BreakerState, CircuitBreaker};
///
/// let breaker = Arc::new(CircuitBreaker::builder("payments").failure_threshold(1).build());
/// breaker.admit_owned().unwrap().success();
/// breaker.admit_owned().unwrap().failure();
/// assert!(breaker.admit_owned().is_err());
/// ```
#[derive(Debug)]
#[must_use = "a ticket that is dropped counts as neither success nor failure"]
pub struct OwnedTicket(Ticket<Arc<CircuitBreaker>>);

impl OwnedTicket {
    /// The call worked.
    pub fn success(mut self) {
        self.0.settle(Counted::Success);
    }

    /// The call failed.
    pub fn failure(mut self) {
        self.0.settle(Counted::Failure);
    }
}

impl CircuitBreaker {
    /// Admits a call that says later how it ended.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::CircuitOpen`].
    pub fn admit_owned(self: &Arc<Self>) -> Result<OwnedTicket, ResilienceError> {
        let mut ticket = Ticket::empty();
        self.admit(&mut ticket).map_err(|refused| self.refusal(refused))?;
        Ok(OwnedTicket(ticket.handed(|| Arc::clone(self))))
    }
}

#[cfg(test)]
impl CircuitBreaker {
    /// A ticket that the breaker filled, or nothing where it refused.
    pub(super) fn ticket(&self) -> Option<Ticket<&Self>> {
        let mut ticket = Ticket::empty();
        self.admit(&mut ticket).ok()?;
        Some(ticket)
    }
}
