//! One call at the door of a breaker.

use super::admission::{Admission, Counted};
use super::machine::{CircuitBreaker, Refused};

/// The admission of a call: empty until a breaker fills it, and again once it is settled. Dropped in
/// between, the call counts as neither, and a trial frees its place.
///
/// It is filled and settled where it stands, as moving it would cost more than all the rest.
#[derive(Debug)]
pub(crate) struct Ticket<'b> {
    breaker: Option<&'b CircuitBreaker>,
    admission: Admission,
}

impl<'b> Ticket<'b> {
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
}

impl CircuitBreaker {
    /// Admits a call, or refuses it: the ticket is filled or stays empty.
    #[inline]
    pub(crate) fn admit<'b>(&'b self, ticket: &mut Ticket<'b>) -> Result<(), Refused> {
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

impl Drop for Ticket<'_> {
    #[inline]
    fn drop(&mut self) {
        self.settle(Counted::Neither);
    }
}

#[cfg(test)]
impl CircuitBreaker {
    /// A ticket that the breaker filled, or nothing where it refused.
    pub(super) fn ticket(&self) -> Option<Ticket<'_>> {
        let mut ticket = Ticket::empty();
        self.admit(&mut ticket).ok()?;
        Some(ticket)
    }
}
