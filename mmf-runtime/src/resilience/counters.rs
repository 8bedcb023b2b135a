//! What a policy counts of its calls.

use std::sync::atomic::AtomicU64;

use crate::tally::Tally;

/// What an open breaker counts as often as a closed one is a [`Tally`] too: refusing must be cheap.
/// The rest happens when something else went wrong.
#[derive(Debug)]
pub(crate) struct Counters {
    /// Calls in which the function ran, by how they ended.
    pub(crate) successes: Tally,
    pub(crate) failures: Tally,
    /// Calls that were refused before it could; a fallback makes a success of one.
    pub(crate) unstarted_successes: Tally,
    pub(crate) unstarted_failures: Tally,
    /// Runs of the function beyond the first of a call that ended, and all of one that was cancelled.
    pub(crate) more_attempts: Tally,
    pub(crate) cancelled: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) deadline_exceeded: AtomicU64,
    pub(crate) feature_disabled: AtomicU64,
    pub(crate) rate_limited: AtomicU64,
    pub(crate) fallbacks: AtomicU64,
    pub(crate) hedges: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            successes: Tally::new(),
            failures: Tally::new(),
            unstarted_successes: Tally::new(),
            unstarted_failures: Tally::new(),
            more_attempts: Tally::new(),
            cancelled: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            deadline_exceeded: AtomicU64::new(0),
            feature_disabled: AtomicU64::new(0),
            rate_limited: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
        }
    }

    /// Counts a call that ended, once for all, so that no sum of counters ever goes back.
    #[inline]
    pub(crate) fn count_call(&self, succeeded: bool, attempts: u32) {
        if attempts == 1 {
            let counter = if succeeded { &self.successes } else { &self.failures };
            counter.add_one(0);
        } else {
            self.count_unusual_call(succeeded, attempts);
        }
    }

    #[inline(never)]
    fn count_unusual_call(&self, succeeded: bool, attempts: u32) {
        let counter = match (succeeded, attempts) {
            (true, 0) => &self.unstarted_successes,
            (false, 0) => &self.unstarted_failures,
            (true, _) => &self.successes,
            (false, _) => &self.failures,
        };
        counter.add_one(0);
        if attempts > 1 {
            self.more_attempts.add(0, attempts - 1);
        }
    }

    /// Calls that ended well and badly, and how often the function has run.
    pub(crate) fn calls(&self) -> (u64, u64, u64) {
        let (successes, failures) = (self.successes.sum(0), self.failures.sum(0));
        let attempts = successes + failures + self.more_attempts.sum(0);
        let unstarted = [&self.unstarted_successes, &self.unstarted_failures];
        let [rescued, refused] = unstarted.map(|counter| counter.sum(0));
        (successes + rescued, failures + refused, attempts)
    }
}
