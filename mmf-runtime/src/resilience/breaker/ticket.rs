//! The admission of one call.

use std::num::NonZeroU64;

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

impl Counted {
    /// As what it is, where nobody says otherwise.
    #[inline]
    pub fn by_result<T, E>(result: &Result<T, E>) -> Self {
        Self::failure_if(result.is_err())
    }

    /// A failure where `failed` holds, else a success.
    #[inline]
    pub fn failure_if(failed: bool) -> Self {
        if failed { Self::Failure } else { Self::Success }
    }
}

/// The admission of a call: empty until a breaker fills it, and again once it is settled. Dropped in
/// between, the call counts as neither, and a trial frees its place.
///
/// It is filled and settled where it stands, as moving it would cost more than all the rest.
#[derive(Debug)]
pub(crate) struct Ticket<'b> {
    breaker: Option<&'b CircuitBreaker>,
    admission: Admission,
}

/// What the breaker remembers of an admitted call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Admission {
    /// What the breaker's word was when it let the call through.
    pub(super) word: Word,
    /// By [`clock::nanos`](crate::clock::nanos), where the breaker looks at how long calls take.
    pub(super) started: Option<NonZeroU64>,
}

impl<'b> Ticket<'b> {
    /// An empty one.
    #[inline]
    pub(crate) fn empty() -> Self {
        Self { breaker: None, admission: Admission::default() }
    }

    #[inline]
    pub(super) fn fill(&mut self, breaker: &'b CircuitBreaker, admission: Admission) {
        self.breaker = Some(breaker);
        self.admission = admission;
    }

    /// Settles it; a second time does nothing.
    #[inline]
    pub(crate) fn settle(&mut self, counted: Counted) {
        if let Some(breaker) = self.breaker.take() {
            breaker.record(self.admission, counted);
        }
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
