//! Requests that are sent more than once.

use crate::slot::{ONE_TASK, Slot};

/// A request and the copies that are made of it.
pub(crate) struct Copies<Request> {
    /// What is sent first, where it is a copy or the only one.
    first: Slot<Option<Request>>,
    /// What copies are made of, where there may be any.
    original: Option<Slot<Request>>,
}

impl<Request> Copies<Request> {
    /// Of a request of which copies are made where any are wanted and it can be copied.
    pub(crate) fn of(
        request: Request,
        wanted: bool,
        copy: impl Fn(&Request) -> Option<Request>,
    ) -> Self {
        match wanted.then(|| copy(&request)).flatten() {
            Some(copy) => Self { first: Slot::new(Some(copy)), original: Some(Slot::new(request)) },
            None => Self { first: Slot::new(Some(request)), original: None },
        }
    }

    /// Whether it may be sent more than once.
    pub(crate) fn repeats(&self) -> bool {
        self.original.is_some()
    }

    /// What the next attempt sends.
    ///
    /// # Panics
    ///
    /// Where `copy` gave one once and gives none now.
    pub(crate) fn next(&self, copy: impl Fn(&Request) -> Option<Request>) -> Request {
        if let Some(first) = self.first.with(Option::take).expect(ONE_TASK) {
            return first;
        }
        let original = self.original.as_ref().expect("what is sent once has one attempt");
        let copy = original.with(|request| copy(request)).expect(ONE_TASK);
        copy.expect("`replay` copies a request each time or never")
    }
}
