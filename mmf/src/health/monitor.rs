//! All policies and checks in one look.

use std::fmt;

use mmf_runtime::resilience::{BreakerState, Policy, policies};
use serde::Serialize;

use super::registry::{CheckReport, checks};
use super::score;

/// Looks at all policies and checks of the process.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "generate_resilience_health_report")]
pub struct ResilienceMonitor;

impl ResilienceMonitor {
    /// How it is now.
    ///
    /// ```standalone_crate
    /// use mmf::health::ResilienceMonitor;
    ///
    /// let summary = ResilienceMonitor::summary();
    /// assert_eq!((summary.score, summary.open_breakers.len()), (1.0, 0));
    /// assert!(summary.to_string().starts_with("score 1.00"));
    /// ```
    pub fn summary() -> ResilienceSummary {
        let checks = checks();
        let snapshots: Vec<_> = policies().iter().filter_map(Policy::try_snapshot).collect();
        let score = score::of(&checks, &snapshots);
        let mut summary = ResilienceSummary {
            score,
            policies: snapshots.len(),
            calls: 0,
            failures: 0,
            cancelled: 0,
            attempts: 0,
            retries: 0,
            open_breakers: Vec::new(),
            checks_down: checks
                .iter()
                .filter(|check| check.is_up != Some(true))
                .map(down)
                .collect(),
        };
        for snapshot in snapshots {
            summary.calls += snapshot.calls;
            summary.failures += snapshot.failures;
            summary.cancelled += snapshot.cancelled;
            summary.attempts += snapshot.attempts;
            summary.retries += snapshot.retries;
            let state = snapshot.breaker.map(|breaker| breaker.state);
            if let Some(BreakerState::Open | BreakerState::ForcedOpen) = state {
                summary.open_breakers.push(snapshot.name.to_string());
            }
        }
        summary
    }
}

fn down(check: &CheckReport) -> String {
    check.name.clone()
}

/// What [`ResilienceMonitor::summary`] has seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ResilienceSummary {
    /// [`score`](fn@super::score).
    pub score: f64,
    /// How many policies there are.
    pub policies: usize,
    /// Calls of all of them that ended.
    pub calls: u64,
    /// Of these, those that failed.
    pub failures: u64,
    /// Calls that were dropped before their end.
    pub cancelled: u64,
    /// Runs of their functions.
    pub attempts: u64,
    /// Attempts after the first of a call.
    pub retries: u64,
    /// Policies whose breaker is open.
    pub open_breakers: Vec<String>,
    /// Checks that are down, or have no result yet.
    pub checks_down: Vec<String>,
}

impl fmt::Display for ResilienceSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "score {:.2}: {} policies, {} calls, {} failures, {} retries",
            self.score, self.policies, self.calls, self.failures, self.retries
        )?;
        let mut list = |what: &str, names: &[String]| match names {
            [] => Ok(()),
            names => write!(f, "; {what}: {}", names.join(", ")),
        };
        list("open", &self.open_breakers)?;
        list("down", &self.checks_down)
    }
}
