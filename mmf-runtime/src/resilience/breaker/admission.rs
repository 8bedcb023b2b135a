//! What the breaker remembers of a call that it let in, and how the call counts in the end.

use std::num::NonZeroU64;

use super::state::Word;

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

/// What the breaker remembers of an admitted call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Admission {
    /// What the breaker's word was when it let the call through.
    pub(super) word: Word,
    /// By [`clock::nanos`](crate::clock::nanos), where the breaker looks at how long calls take.
    pub(super) started: Option<NonZeroU64>,
}
