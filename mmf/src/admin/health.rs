//! How well the process is, as far as it is no policy's own.

use mmf_runtime::degradation::{features, is_by_hand, level};
use mmf_runtime::logging;
use serde::Serialize;

use super::access::can_change;
use super::faults::{self, Armed};
use super::time::millis;
use crate::health;

/// How well the process is.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    score: f64,
    ready: bool,
    level: &'static str,
    by_hand: bool,
    checks: Vec<Check>,
    features: Vec<Feature>,
    /// The faults that are injected now.
    faults: Vec<Armed>,
    /// What is logged; none where that is not ours to change.
    log: Option<Log>,
    /// Whether anything can be changed.
    can_change: bool,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    importance: String,
    is_up: Option<bool>,
    /// Of its last result, in milliseconds.
    age: Option<u64>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Feature {
    name: String,
    is_enabled: bool,
}

#[derive(Debug, Serialize)]
struct Log {
    level: String,
    /// How long until it is again what it was, in milliseconds, where it was set for a while.
    left: Option<u64>,
}

impl Health {
    pub(super) fn now() -> Self {
        let checks = health::checks().into_iter().map(|check| Check {
            importance: format!("{:?}", check.importance).to_lowercase(),
            is_up: check.is_up,
            age: check.age.map(millis),
            error: check.last.and_then(|last| last.error),
            name: check.name,
        });
        let all = features();
        let features = all.iter().map(|feature| Feature {
            name: feature.name().to_owned(),
            is_enabled: feature.is_enabled(),
        });
        let log = logging::level()
            .map(|level| Log { level: level.directives, left: level.left.map(millis) });
        Self {
            score: health::score(),
            ready: health::readyz().http_status() == 200,
            level: level().as_str(),
            by_hand: is_by_hand(),
            checks: checks.collect(),
            features: features.collect(),
            faults: faults::armed(),
            log,
            can_change: can_change(),
        }
    }
}
