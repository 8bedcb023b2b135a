//! How calls ended of late, and how long they took: of what is counted since the program began, the part that came since half a minute to a minute ago.

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

/// By outcome, as metrics have them.
type ByPolicy = HashMap<Box<str>, [Counts; 3]>;

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

    /// How the last calls of a policy ended, and how long they took; none where there were none.
    pub(super) fn of(&self, policy: &str) -> Option<Lately> {
        let now = self.now.as_ref()?.get(policy)?;
        let before = self.before.as_ref().and_then(|before| before.get(policy));
        let since = |place: usize| match before {
            Some(before) => now[place].since(&before[place]),
            None => now[place].clone(),
        };
        // Of those that were given up nobody knows how they would have ended.
        let [mut all, failed] = [since(SUCCESSES), since(FAILURES)];
        all.add(&failed);
        let at_most = |share| all.at_most(share).filter(|seconds| seconds.is_finite());
        (all.count() > 0).then(|| Lately {
            failing: failed.count() as f64 / all.count() as f64,
            p50: at_most(0.5),
            p99: at_most(0.99),
        })
    }
}

const SUCCESSES: usize = 0;
const FAILURES: usize = 1;

/// What is known of a policy's last calls.
pub(super) struct Lately {
    /// The share that failed.
    pub(super) failing: f64,
    /// Half of them took at most so many seconds; none where that is more than a minute.
    pub(super) p50: Option<f64>,
    /// The same of ninety-nine of a hundred.
    pub(super) p99: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_ago_counts_no_more() {
        let counts = |slow: u64, fast: u64| {
            let mut counts = [const { Counts::NONE }; 3];
            (0..slow).for_each(|_| counts[FAILURES].record(Duration::from_secs(2)));
            (0..fast).for_each(|_| counts[SUCCESSES].record(Duration::from_millis(2)));
            // Of those that are given up nothing is told.
            counts[2].record(Duration::from_secs(50));
            HashMap::from([(Box::from("users"), counts)])
        };
        let mut latencies = Latencies::default();
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let of = |latencies: &Latencies| {
            latencies.of("users").map(|lately| (lately.failing, lately.p50, lately.p99))
        };
        latencies.turn(begin, counts(9, 0));
        assert_eq!(of(&latencies), None, "nothing since");
        latencies.turn(after(1), counts(10, 1));
        assert_eq!(of(&latencies), Some((0.5, Some(0.0025), Some(2.5))));
        latencies.turn(after(29), counts(10, 4));
        assert_eq!(of(&latencies), Some((0.2, Some(0.0025), Some(2.5))));
        latencies.turn(after(31), counts(10, 4));
        assert_eq!(of(&latencies), Some((0.2, Some(0.0025), Some(2.5))), "a whole window");
        latencies.turn(after(62), counts(10, 7));
        assert_eq!(of(&latencies), Some((0.0, Some(0.0025), Some(0.0025))));
        assert!(latencies.of("others").is_none());
    }
}
