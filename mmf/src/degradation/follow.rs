//! The level as the score of health has it.

use std::time::Duration;

use mmf_runtime::degradation::{DegradationLevel, level, set_level_by_health};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// How the level follows [`health::score`](fn@crate::health::score).
///
/// Below a threshold the level is at least the one that the threshold stands for; back it goes only where the score is as much above it
/// as `margin`. Between two changes, for the worse as well, lies as long as a level is
/// held. While a check has no result yet, nothing changes.
///
/// ```
/// use std::time::Duration;
/// use mmf::degradation::FollowHealth;
///
/// let quick = FollowHealth::default().hold(Duration::from_secs(3)).every(Duration::from_millis(500));
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing follows until `follow_health`"]
pub struct FollowHealth {
    thresholds: [f64; 4],
    margin: f64,
    hold: Duration,
    every: Duration,
}

impl Default for FollowHealth {
    /// Thresholds 0.8, 0.6, 0.4 and 0.2, 0.05 more on the way back, a level held for 10 s, looked at each second.
    fn default() -> Self {
        Self {
            thresholds: [0.8, 0.6, 0.4, 0.2],
            margin: 0.05,
            hold: Duration::from_secs(10),
            every: Duration::from_secs(1),
        }
    }
}

impl FollowHealth {
    /// Below which score it is minor, moderate, severe and critical: each as high as the next or higher.
    ///
    /// # Panics
    ///
    /// Where they rise, or one is no number.
    #[track_caller]
    pub fn thresholds(mut self, thresholds: [f64; 4]) -> Self {
        let falls = thresholds.windows(2).all(|pair| pair[0] >= pair[1]);
        assert!(falls, "thresholds fall from minor to critical: {thresholds:?}");
        self.thresholds = thresholds;
        self
    }

    /// How much more it has to be on the way back. Default: 0.05.
    pub fn margin(mut self, margin: f64) -> Self {
        self.margin = margin.max(0.0);
        self
    }

    /// How long a level is held at least. Default: 10 s.
    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// How often it looks. Default: 1 s; no time at all is a millisecond.
    pub fn every(mut self, period: Duration) -> Self {
        self.every = period.max(Duration::from_millis(1));
        self
    }

    /// The level of a score, where each threshold is so much higher.
    fn at(&self, score: f64, more: f64) -> DegradationLevel {
        // 0.8 and 0.05 are a little more than 0.85 together.
        const NOTHING: f64 = 1e-9;
        let is_below = |threshold: &&f64| (**threshold + more).min(1.0) - score > NOTHING;
        DegradationLevel::ALL[self.thresholds.iter().filter(is_below).count()]
    }

    /// The level after this one, by a score.
    fn next(&self, level: DegradationLevel, score: f64) -> DegradationLevel {
        let (worse, better) = (self.at(score, 0.0), self.at(score, self.margin));
        if worse > level {
            worse
        } else if better < level {
            better
        } else {
            level
        }
    }
}

/// What follows; dropped, it goes on.
#[derive(Debug)]
pub struct Following(AbortHandle);

impl Following {
    /// Ends it: the level stays as it is.
    pub fn stop(self) {
        self.0.abort();
    }
}

/// Has the level follow the health of the process, in the background: unless it is set by hand, which goes before it.
///
/// # Panics
///
/// Outside a runtime of tokio.
#[track_caller]
#[doc(alias = "HealthBasedDegradationMonitor")]
pub fn follow_health(by: FollowHealth) -> Following {
    let runtime =
        Handle::try_current().expect("`follow_health` is called within a runtime of tokio");
    let following = runtime.spawn(async move {
        let mut changed = None::<Instant>;
        loop {
            sleep(by.every).await;
            // What has not been asked yet is not down.
            if crate::health::checks().iter().any(|check| check.is_up.is_none()) {
                continue;
            }
            let score = crate::health::score();
            let (before, next) = (level(), by.next(level(), score));
            let is_held = changed.is_some_and(|changed| changed.elapsed() < by.hold);
            if next != before && !is_held && set_level_by_health(next, &format!("score {score:.2}"))
            {
                changed = Some(Instant::now());
            }
        }
    });
    Following(following.abort_handle())
}

#[cfg(test)]
mod tests {
    use super::*;
    use DegradationLevel::{Critical, Minor, Moderate, None, Severe};

    #[test]
    fn a_score_below_a_threshold_is_worse_and_the_way_back_is_longer() {
        let by = FollowHealth::default();
        for (level, score, next) in [
            (None, 1.0, None),
            (None, 0.8, None),
            (None, 0.799, Minor),
            (None, 0.1, Critical),
            (Minor, 0.6, Minor),
            (Minor, 0.599, Moderate),
            (Minor, 0.84, Minor),
            (Minor, 0.85, None),
            (Moderate, 0.64, Moderate),
            (Moderate, 0.65, Minor),
            (Severe, 0.44, Severe),
            (Severe, 0.9, None),
            (Critical, 0.24, Critical),
            (Critical, 0.26, Severe),
            (Critical, 0.5, Moderate),
        ] {
            assert_eq!(by.next(level, score), next, "{level} at {score}");
        }
        let strict = FollowHealth::default().thresholds([1.0, 0.6, 0.4, 0.2]);
        assert_eq!(strict.next(Minor, 1.0), None, "there is always a way back");
    }

    #[test]
    fn thresholds_that_rise_are_refused_where_they_are_written() {
        for wrong in [[0.2, 0.4, 0.6, 0.8], [0.8, f64::NAN, 0.4, 0.2]] {
            let refused = std::panic::catch_unwind(|| FollowHealth::default().thresholds(wrong));
            assert!(refused.is_err(), "{wrong:?}");
        }
    }
}
