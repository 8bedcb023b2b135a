//! Whose a call is: under which name it runs, where it is counted, and what was changed of its policy when it began.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::Counters;
use super::name::CallName;
use super::tuning::Tuning;

/// Under which name a call runs, and where it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    pub(crate) name: &'a CallName,
    pub(crate) counters: Option<&'a Counters>,
    /// What was changed of its policy when it began.
    pub(crate) tuning: Option<&'a Tuning>,
}

impl<'a> Identity<'a> {
    pub(crate) fn uncounted(name: &'a CallName) -> Self {
        Self { name, counters: None, tuning: None }
    }

    pub(crate) fn count(self, counter: impl FnOnce(&Counters) -> &AtomicU64) {
        if let Some(counters) = self.counters {
            // Relaxed: a statistic.
            counter(counters).fetch_add(1, Ordering::Relaxed);
        }
    }
}
