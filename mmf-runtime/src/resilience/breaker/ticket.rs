//! The admission of one call.

use super::machine::CircuitBreaker;

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
pub struct Ticket<'b> {
    breaker: &'b CircuitBreaker,
    kind: Kind,
    generation: u32,
    started: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Closed,
    Trial,
    Done,
}

impl<'b> Ticket<'b> {
    #[inline]
    pub(super) fn closed(
        breaker: &'b CircuitBreaker,
        generation: u32,
        started: Option<u64>,
    ) -> Self {
        Self { breaker, kind: Kind::Closed, generation, started }
    }

    pub(super) fn trial(
        breaker: &'b CircuitBreaker,
        generation: u32,
        started: Option<u64>,
    ) -> Self {
        Self { breaker, kind: Kind::Trial, generation, started }
    }

    pub(super) fn uncounted(breaker: &'b CircuitBreaker) -> Self {
        Self { breaker, kind: Kind::Done, generation: 0, started: None }
    }

    #[inline]
    pub(crate) fn settle(&mut self, counted: Counted) {
        match std::mem::replace(&mut self.kind, Kind::Done) {
            Kind::Closed => self.breaker.record(self.generation, self.started, counted),
            Kind::Trial => self.breaker.record_trial(self.generation, self.started, counted),
            Kind::Done => {}
        }
    }
}

impl Drop for Ticket<'_> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.kind, Kind::Trial) {
            self.settle(Counted::Neither);
        }
    }
}
