//! What a policy counts of its calls.

use std::sync::atomic::AtomicU64;

use crate::tally::Tally;

/// What an open breaker counts as often as a closed one is a [`Tally`] too: refusing must be cheap.
/// The rest happens when something else went wrong.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) successes: Tally,
    pub(crate) failures: Tally,
    pub(crate) cancelled: AtomicU64,
    pub(crate) retries: AtomicU64,
    /// Attempts that were refused before the function began.
    pub(crate) unstarted: Tally,
    pub(crate) timeouts: AtomicU64,
    pub(crate) deadline_exceeded: AtomicU64,
    pub(crate) rate_limited: AtomicU64,
    pub(crate) fallbacks: AtomicU64,
    pub(crate) hedges: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            successes: Tally::new(),
            failures: Tally::new(),
            cancelled: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            unstarted: Tally::new(),
            timeouts: AtomicU64::new(0),
            deadline_exceeded: AtomicU64::new(0),
            rate_limited: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
        }
    }
}
