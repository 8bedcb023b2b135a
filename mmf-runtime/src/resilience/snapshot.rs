//! What a policy has counted, to be shown or exported.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use super::breaker::{BreakerState, Cause};
use super::name::{KeyLabel, PolicyName};

/// The counters of an annotated function since the program started.
///
/// A call counts when it ends, as the caller sees it: `calls = successes + failures`, and a call
/// that its fallback rescued is a success. A call that was dropped before its end counts under
/// `cancelled` alone; its retries stay counted.
/// No counter ever goes back.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PolicySnapshot {
    /// Name of the policy.
    pub name: PolicyName,
    /// Calls that ended.
    pub calls: u64,
    /// Calls that ended with `Ok`.
    pub successes: u64,
    /// Calls that ended with `Err` or a panic.
    pub failures: u64,
    /// Calls that were dropped before their end.
    pub cancelled: u64,
    /// How often the function itself was run, counted when its call has ended or was dropped. An attempt that
    /// was refused, or given up while it waited, is none.
    pub attempts: u64,
    /// Attempts after the first of a call; counted when they start.
    pub retries: u64,
    /// Attempts that reached `timeout`.
    pub timeouts: u64,
    /// Calls that reached `deadline`.
    pub deadline_exceeded: u64,
    /// Calls that were refused since their feature was off.
    pub feature_disabled: u64,
    /// Attempts that the rate limit refused.
    pub rate_limited: u64,
    /// Calls whose fallback answered.
    pub fallbacks: u64,
    /// Copies started by `hedge`.
    pub hedges: u64,
    /// How long attempts took, however they ended, where that is measured: under `hedge(percentile)`.
    pub latency: Option<Latency>,
    /// The breaker; of a keyed one, the sum over all keys and the worst state.
    pub breaker: Option<BreakerSnapshot>,
    /// The bulkhead.
    pub bulkhead: Option<BulkheadSnapshot>,
}

/// What a policy remembers of one key.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct KeySnapshot {
    /// The key, as events show it.
    pub key: KeyLabel,
    /// Its breaker.
    pub breaker: Option<BreakerSnapshot>,
    /// Attempts that its rate limit refused.
    pub rate_limited: u64,
    /// Its bulkhead.
    pub bulkhead: Option<BulkheadSnapshot>,
}

impl KeySnapshot {
    /// The one of a key, a new one where there is none yet.
    pub(crate) fn of(all: &mut HashMap<u128, Self>, id: u128, key: KeyLabel) -> &mut Self {
        all.entry(id).or_insert(Self { key, breaker: None, rate_limited: 0, bulkhead: None })
    }

    pub(crate) fn worst_first(&self, other: &Self) -> Ordering {
        let badness = |key: &Self| {
            let (breaker, bulkhead) = (key.breaker, key.bulkhead.unwrap_or_default());
            let state = breaker.map_or(0, |breaker| BreakerSnapshot::badness(breaker.state));
            let refused = breaker.map_or(0, |b| b.refused) + bulkhead.refused + key.rate_limited;
            (state, bulkhead.queued, bulkhead.running, refused)
        };
        let rate = |key: &Self| key.breaker.map_or(0.0, |breaker| breaker.failure_rate);
        let by_badness = badness(other).cmp(&badness(self));
        let by_rate = || rate(other).total_cmp(&rate(self));
        by_badness.then_with(by_rate).then_with(|| self.key.cmp(&other.key))
    }
}

/// How long attempts took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// How many were measured, older ones weighing less.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: Duration,
    /// Nine of ten took no longer.
    pub p90: Duration,
    /// Ninety-nine of a hundred took no longer.
    pub p99: Duration,
}

/// The state of a breaker and its counters since it was built.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BreakerSnapshot {
    /// The state now.
    pub state: BreakerState,
    /// Calls counted as successes.
    pub successes: u64,
    /// Calls counted as failures.
    pub failures: u64,
    /// Calls that were slow, whether they succeeded or failed.
    pub slow: u64,
    /// Calls refused.
    pub refused: u64,
    /// Results of calls that began in an earlier state: they count for nothing but this.
    pub late: u64,
    /// How often it went from closed to open.
    pub opened: u64,
    /// The same by what opened it.
    pub opened_by: OpenedBy,
    /// Share of failures in the window now; 0 where the window is empty.
    pub failure_rate: f64,
}

/// How often a breaker opened, by the rule that was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OpenedBy {
    /// `failure_threshold`: failures in a row.
    pub failures: u64,
    /// `failure_rate_threshold`: the share of failures in the window.
    pub failure_rate: u64,
    /// `slow_call_rate_threshold`: the share of slow calls in the window.
    pub slow_calls: u64,
}

impl OpenedBy {
    pub(crate) fn count(&mut self, cause: Cause) {
        match cause {
            Cause::Failures => self.failures += 1,
            Cause::FailureRate => self.failure_rate += 1,
            Cause::SlowCalls => self.slow_calls += 1,
            _ => {}
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            failures: self.failures + other.failures,
            failure_rate: self.failure_rate + other.failure_rate,
            slow_calls: self.slow_calls + other.slow_calls,
        }
    }
}

impl BreakerSnapshot {
    /// Of a breaker that has seen nothing.
    pub(crate) const NONE: Self = Self {
        state: BreakerState::Closed,
        successes: 0,
        failures: 0,
        slow: 0,
        refused: 0,
        late: 0,
        opened: 0,
        opened_by: OpenedBy { failures: 0, failure_rate: 0, slow_calls: 0 },
        failure_rate: 0.0,
    };

    fn badness(state: BreakerState) -> u8 {
        match state {
            BreakerState::Disabled => 0,
            BreakerState::Closed => 1,
            BreakerState::HalfOpen => 2,
            BreakerState::Open => 3,
            BreakerState::ForcedOpen => 4,
        }
    }

    /// The sums of two, the worse state and the higher rate.
    #[doc(hidden)]
    pub fn and(self, other: Self) -> Self {
        Self {
            state: if Self::badness(other.state) > Self::badness(self.state) {
                other.state
            } else {
                self.state
            },
            successes: self.successes + other.successes,
            failures: self.failures + other.failures,
            slow: self.slow + other.slow,
            refused: self.refused + other.refused,
            late: self.late + other.late,
            opened: self.opened + other.opened,
            opened_by: self.opened_by.and(other.opened_by),
            failure_rate: self.failure_rate.max(other.failure_rate),
        }
    }
}

/// The load of a bulkhead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BulkheadSnapshot {
    /// Calls running now.
    pub running: usize,
    /// Calls waiting now.
    pub queued: usize,
    /// Calls refused since it was built.
    pub refused: u64,
    /// Calls that may run at once; of an adaptive bulkhead now, of one by key the sum over all keys.
    pub limit: usize,
}

impl BulkheadSnapshot {
    /// The sums of two.
    #[doc(hidden)]
    pub fn and(self, other: Self) -> Self {
        Self {
            running: self.running + other.running,
            queued: self.queued + other.queued,
            refused: self.refused + other.refused,
            limit: self.limit.saturating_add(other.limit),
        }
    }
}
