//! What came of a call, and how it counts.

use super::error::ResilienceError;

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

pub(crate) fn unrefused<T, E>(outcome: Outcome<T, E>) -> Result<T, E> {
    outcome.unwrap_or_else(|refusal| unreachable!("none of these policies refuses: {refusal}"))
}
