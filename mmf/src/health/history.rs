//! The last results of all checks.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// So many are kept.
const MOST: usize = 100;

/// What a check has said once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckResult {
    /// Name of the check.
    pub name: String,
    /// Whether it was up.
    pub is_up: bool,
    /// Why not, cut to 256 characters: an error's text, which may tell secrets.
    pub error: Option<String>,
    /// When it was asked.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
}

/// Under the lock results are moved, and nothing else.
static HISTORY: Mutex<VecDeque<CheckResult>> = Mutex::new(VecDeque::new());

/// The last 100 results of all checks, the oldest first.
pub fn history() -> Vec<CheckResult> {
    HISTORY.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

pub(super) fn keep(result: CheckResult) {
    let mut history = HISTORY.lock().unwrap_or_else(PoisonError::into_inner);
    if history.len() == MOST {
        history.pop_front();
    }
    history.push_back(result);
}
