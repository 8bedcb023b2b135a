//! How long calls took of late: of what is counted since the program began, the part that came since half a minute to a minute ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::{Counts, call_times};

/// How old the begin of the part is, at least; at most twice that.
const WINDOW: Duration = Duration::from_secs(30);

/// Of the policies that the page shows. Under its lock there are numbers alone.
static LATENCIES: Mutex<Latencies> =
    Mutex::new(Latencies { before: None, lately: None, now: None });

/// How long calls took, as it was read last.
pub(super) fn latencies() -> MutexGuard<'static, Latencies> {
    LATENCIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads how long calls took until now.
pub(super) fn read() {
    let now = call_times();
    latencies().turn(Instant::now(), now);
}

/// Nobody measures any more: what was read is soon long ago.
pub(super) fn forget() {
    *latencies() = Latencies::default();
}

type ByPolicy = HashMap<Box<str>, Counts>;

/// What was counted at two times before now.
#[derive(Default)]
pub(super) struct Latencies {
    before: Option<ByPolicy>,
    lately: Option<(Instant, ByPolicy)>,
    now: Option<ByPolicy>,
}

impl Latencies {
    fn turn(&mut self, at: Instant, now: ByPolicy) {
        match &mut self.lately {
            Some((begin, _)) if at.saturating_duration_since(*begin) < WINDOW => {}
            lately => {
                let last = lately.replace((at, now.clone()));
                let last = last.map(|(_, counts)| counts);
                self.before = Some(last.unwrap_or_else(|| now.clone()));
            }
        }
        self.now = Some(now);
    }

    /// A time, in seconds, that this share of a policy's last calls did not go beyond.
    pub(super) fn at_most(&self, policy: &str, share: f64) -> Option<f64> {
        let now = self.now.as_ref()?.get(policy)?;
        let before = self.before.as_ref().and_then(|before| before.get(policy));
        let since = before.map(|before| now.since(before));
        since.as_ref().unwrap_or(now).at_most(share).filter(|seconds| seconds.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_ago_counts_no_more() {
        let counts = |slow: u64, fast: u64| {
            let mut counts = Counts::default();
            (0..slow).for_each(|_| counts.record(Duration::from_secs(2)));
            (0..fast).for_each(|_| counts.record(Duration::from_millis(2)));
            HashMap::from([(Box::from("users"), counts)])
        };
        let mut latencies = Latencies::default();
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        latencies.turn(begin, counts(9, 0));
        assert_eq!(latencies.at_most("users", 0.99), None, "nothing since");
        latencies.turn(after(1), counts(10, 1));
        assert_eq!(latencies.at_most("users", 0.99), Some(2.5));
        latencies.turn(after(29), counts(10, 5));
        assert_eq!(latencies.at_most("users", 0.99), Some(2.5));
        latencies.turn(after(31), counts(10, 6));
        assert_eq!(latencies.at_most("users", 0.99), Some(2.5), "a whole window is looked at");
        latencies.turn(after(62), counts(10, 7));
        assert_eq!(latencies.at_most("users", 0.99), Some(0.0025));
        assert_eq!(latencies.at_most("others", 0.99), None);
    }
}
