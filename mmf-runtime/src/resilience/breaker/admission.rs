//! What the breaker remembers of a call that it let in.

use std::num::NonZeroU64;

use super::state::Word;

/// What the breaker remembers of an admitted call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Admission {
    /// What the breaker's word was when it let the call through.
    pub(super) word: Word,
    /// By [`clock::nanos`](crate::clock::nanos), where the breaker looks at how long calls take.
    pub(super) started: Option<NonZeroU64>,
}
