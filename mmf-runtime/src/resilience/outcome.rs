//! What came of a call, how it counts, and under which name it ran.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::Counters;
use super::error::ResilienceError;
use super::name::CallName;

/// What came of an attempt or a call: the function's own result, or the refusal of a policy.
pub type Outcome<T, E> = Result<Result<T, E>, ResilienceError>;

/// How a call counts, for the breaker and for a limit that is found.
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
