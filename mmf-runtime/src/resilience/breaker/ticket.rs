//! The admission of one call.

use super::machine::{CircuitBreaker, Word};

/// How a call counts for the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It worked, or failed in a way that says nothing against the dependency.
    Success,
    /// It failed.
    Failure,
    /// It counts as neither.
    Neither,
}

/// An admitted call. It is settled once; dropped without that, it counts as neither, and a trial
/// frees its place.
#[derive(Debug)]
pub(crate) struct Ticket<'b> {
    pub(super) breaker: &'b CircuitBreaker,
    /// What the breaker's word was when it let the call through.
    pub(super) word: Word,
    /// By [`clock::nanos`](crate::clock::nanos), where the breaker looks at how long calls take.
    pub(super) started: Option<u64>,
}

impl Ticket<'_> {
    /// Settles it.
    #[cfg(test)]
    pub(crate) fn settle(self, counted: Counted) {
        std::mem::ManuallyDrop::new(self).record(counted);
    }

    /// Settles a ticket that its owner does not drop.
    #[inline]
    pub(crate) fn record(&self, counted: Counted) {
        self.breaker.record(self, counted);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.breaker.record(self, Counted::Neither);
    }
}
