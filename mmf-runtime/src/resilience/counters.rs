//! What a policy counts of its calls.

use std::sync::atomic::AtomicU64;

use crate::tally::Tally;

/// The success of a call is the one thing counted on every call, so it is a [`Tally`]; the rest
/// happens when something went wrong.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) successes: Tally,
    pub(crate) failures: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) retries: AtomicU64,
    /// Attempts that were refused before the function began.
    pub(crate) unstarted: AtomicU64,
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
            failures: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            unstarted: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            deadline_exceeded: AtomicU64::new(0),
            rate_limited: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
        }
    }
}
