//! How well the process is, as one number.

use mmf_runtime::resilience::{BreakerState, Policy, PolicySnapshot, policies};

use super::check::Importance;
use super::registry::{CheckReport, checks};

/// How well the process is: from 1.0, all well, to 0.0.
///
/// The mean of its parts, each between 0 and 1, by their weights:
///
/// | part | weight | value |
/// | --- | ---: | --- |
/// | a critical check | 4 | 1 up, 0 down or not known yet |
/// | a degrading check | 2 | the same |
/// | a breaker | 1 | 1 closed, 0.5 half-open, 0 open, also by hand; a disabled one is none |
/// | a bulkhead | 1 | 1 with room, 0.5 where all its places are taken, 0 where calls wait as well |
///
/// Checks that inform are no part. While a critical check is down, it is at most 0.1. With no part at all it is 1.0.
///
/// ```standalone_crate
/// assert_eq!(mmf::health::score(), 1.0);
/// ```
pub fn score() -> f64 {
    let policies: Vec<_> = policies().iter().filter_map(Policy::try_snapshot).collect();
    of(&checks(), &policies)
}

pub(super) fn of(checks: &[CheckReport], policies: &[PolicySnapshot]) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    let mut add = |weight: f64, value: f64| {
        sum += weight * value;
        weights += weight;
    };
    let mut most = 1.0;
    for check in checks {
        let is_up = check.is_up == Some(true);
        let value = if is_up { 1.0 } else { 0.0 };
        match check.importance {
            Importance::Critical => {
                add(4.0, value);
                if !is_up {
                    most = 0.1;
                }
            }
            Importance::Degrading => add(2.0, value),
            Importance::Informing => {}
        }
    }
    for policy in policies {
        if let Some(breaker) = &policy.breaker {
            match breaker.state {
                BreakerState::Closed => add(1.0, 1.0),
                BreakerState::HalfOpen => add(1.0, 0.5),
                BreakerState::Open | BreakerState::ForcedOpen => add(1.0, 0.0),
                _ => {}
            }
        }
        if let Some(bulkhead) = &policy.bulkhead {
            add(
                1.0,
                match bulkhead.running < bulkhead.limit {
                    true => 1.0,
                    false if bulkhead.queued == 0 => 0.5,
                    false => 0.0,
                },
            );
        }
    }
    let mean = if weights > 0.0 { sum / weights } else { 1.0 };
    f64::min(mean, most)
}
