//! What came of a call, and under which name it ran.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::Counters;
use super::error::ResilienceError;
use super::name::CallName;

/// What came of an attempt or a call: the function's own result, or the refusal of a policy.
pub type Outcome<T, E> = Result<Result<T, E>, ResilienceError>;

/// Under which name a call runs, and where it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    pub(crate) name: &'a CallName,
    pub(crate) counters: Option<&'a Counters>,
}

impl<'a> Identity<'a> {
    pub(crate) fn uncounted(name: &'a CallName) -> Self {
        Self { name, counters: None }
    }

    pub(crate) fn count(self, counter: impl FnOnce(&Counters) -> &AtomicU64) {
        if let Some(counters) = self.counters {
            // Relaxed: a statistic.
            counter(counters).fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(crate) fn unrefused<T, E>(outcome: Outcome<T, E>) -> Result<T, E> {
    outcome.unwrap_or_else(|refusal| unreachable!("none of these policies refuses: {refusal}"))
}
