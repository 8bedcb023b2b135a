//! What the page shows of policies, the worst first.

use std::cmp::Reverse;

use mmf_runtime::resilience::{
    BreakerState, CircuitBreaker, KeySnapshot, Policy, PolicyName, PolicySnapshot, policies,
};
use serde::Serialize;

use super::health::Health;
use super::latency::latencies;
use super::recorder::{self, Recorded};
use crate::config::{EffectiveValue, effective};

/// A policy in the list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: PolicyName,
    /// How bad it is: 0 is well.
    pub(super) badness: u32,
    /// Why, in a word: `open`, `half_open`, `forced_open`, `disabled`, `failing`, `full` or `well`.
    pub(super) state: &'static str,
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) refusals: u64,
    pub(super) retries: u64,
    pub(super) failure_rate: f64,
    /// Half of its last calls took at most so many seconds, where that is measured: while a page is open.
    pub(super) p50: Option<f64>,
    /// The same of ninety-nine of a hundred.
    pub(super) p99: Option<f64>,
    /// When its last event was, in milliseconds since 1970.
    pub(super) changed: Option<u64>,
}

/// What the page shows each second.
#[derive(Debug, Serialize)]
pub(super) struct Live {
    policies: List,
    health: Health,
}

impl Live {
    /// The first hundred policies, and how the process is.
    pub(super) fn now() -> Self {
        Self { policies: list("", 0, 100), health: Health::now() }
    }
}

/// A page of the list.
#[derive(Debug, Serialize)]
pub(super) struct List {
    pub(super) total: usize,
    pub(super) rows: Vec<Row>,
}

/// One policy.
#[derive(Debug, Serialize)]
pub(super) struct Details {
    pub(super) row: Row,
    pub(super) location: String,
    pub(super) snapshot: PolicySnapshot,
    pub(super) values: Vec<EffectiveValue>,
    /// The worst first.
    pub(super) keys: Vec<KeySnapshot>,
    /// The last first.
    pub(super) events: Vec<Recorded>,
    /// Whether it has a breaker that can be switched by hand.
    pub(super) has_switch: bool,
}

/// Those whose names have a text in them, from one place on.
pub(super) fn list(search: &str, from: usize, most: usize) -> List {
    let search = search.to_lowercase();
    let last = recorder::last();
    let all =
        policies().into_iter().filter(|policy| policy.name().to_lowercase().contains(&search));
    let mut rows: Vec<_> = all
        .map(|policy| {
            let changed = names(&policy).iter().filter_map(|name| last.get(*name)).max().copied();
            row(&policy.snapshot(), changed)
        })
        .collect();
    rows.sort_by(|one, other| {
        let rank = |row: &Row| Reverse(row.badness);
        rank(one).cmp(&rank(other)).then_with(|| one.name.cmp(&other.name))
    });
    let total = rows.len();
    let mut rows: Vec<_> = rows.into_iter().skip(from).take(most).collect();
    measured(&mut rows);
    List { total, rows }
}

/// Adds how long calls take.
fn measured(rows: &mut [Row]) {
    let latencies = latencies();
    for row in rows {
        row.p50 = latencies.at_most(&row.name, 0.5);
        row.p99 = latencies.at_most(&row.name, 0.99);
    }
}

/// Under which its events are told: its own, and that of its breaker, which others may have as well.
fn names(policy: &Policy) -> Vec<&str> {
    let breaker = policy.breaker().map(CircuitBreaker::name);
    let other = breaker.filter(|name| *name != policy.name());
    std::iter::once(policy.name()).chain(other).collect()
}

fn row(snapshot: &PolicySnapshot, changed: Option<u64>) -> Row {
    let breaker = snapshot.breaker.as_ref();
    let bulkhead = snapshot.bulkhead.as_ref();
    let failure_rate = match breaker {
        Some(breaker) if breaker.state == BreakerState::Closed => breaker.failure_rate,
        _ => snapshot.failures as f64 / snapshot.calls.max(1) as f64,
    };
    let is_full = bulkhead.is_some_and(|bulkhead| bulkhead.running >= bulkhead.limit);
    let (badness, state) = match breaker.map(|breaker| breaker.state) {
        Some(BreakerState::Open) => (100, "open"),
        Some(BreakerState::ForcedOpen) => (90, "forced_open"),
        Some(BreakerState::HalfOpen) => (80, "half_open"),
        Some(BreakerState::Disabled) => (70, "disabled"),
        _ if failure_rate >= 0.1 => (60, "failing"),
        _ if is_full => (50, "full"),
        _ if failure_rate > 0.0 => (10, "well"),
        _ => (0, "well"),
    };
    Row {
        name: snapshot.name.clone(),
        badness,
        state,
        calls: snapshot.calls,
        failures: snapshot.failures,
        refusals: breaker.map_or(0, |breaker| breaker.refused)
            + bulkhead.map_or(0, |bulkhead| bulkhead.refused)
            + snapshot.rate_limited
            + snapshot.timeouts
            + snapshot.deadline_exceeded
            + snapshot.feature_disabled,
        retries: snapshot.retries,
        failure_rate,
        p50: None,
        p99: None,
        changed,
    }
}

/// All of one policy.
pub(super) fn details(policy: &Policy) -> Details {
    const MOST_EVENTS: usize = 50;
    const MOST_KEYS: usize = 100;
    let snapshot = policy.snapshot();
    let mut events = recorder::after(0, &names(policy), MOST_EVENTS);
    events.reverse();
    let mut keys = policy.keys();
    keys.truncate(MOST_KEYS);
    let mut row = row(&snapshot, events.first().map(|event| event.at));
    measured(std::slice::from_mut(&mut row));
    Details {
        row,
        location: policy.location(),
        values: effective::of(std::slice::from_ref(policy)),
        has_switch: policy.breaker().is_some(),
        snapshot,
        keys,
        events,
    }
}
