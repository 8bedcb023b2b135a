//! What the page shows of policies, the worst first.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mmf_runtime::resilience::{
    BreakerState, CircuitBreaker, KeySnapshot, Policy, PolicySnapshot, policies,
};
use serde::Serialize;

use super::health::Health;
use super::latency::latencies;
use super::process::Process;
use super::recorder::{self, Recorded, Trouble};
use crate::config::{EffectiveValue, effective};

/// A policy in the list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    /// How bad it is: 0 is well.
    pub(super) badness: u32,
    /// Why, in a word: `open`, `forced_open`, `half_open`, `disabled`, `unreadable`, `failing`, `full` or `well`.
    pub(super) state: &'static str,
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) refusals: u64,
    pub(super) retries: u64,
    /// The share of calls that failed: while a page is open, of those of the last half to whole minute, where there were any; else of the
    /// breaker's window while it is closed, or of all since the program began.
    pub(super) failure_rate: f64,
    /// Half of its last calls took at most so many seconds, where that is measured: while a page is open.
    pub(super) p50: Option<f64>,
    /// The same of ninety-nine of a hundred.
    pub(super) p99: Option<f64>,
    /// When its last event was, in milliseconds since 1970.
    pub(super) changed: Option<u64>,
    #[serde(flatten)]
    pub(super) trouble: Trouble,
}

/// What the page shows each second.
#[derive(Debug, Serialize)]
pub(super) struct Live {
    process: Process,
    policies: List,
    health: Health,
}

impl Live {
    /// The first hundred policies, and how the process is.
    pub(super) fn now() -> Self {
        Self { process: Process::this(), policies: list("", 0, 100), health: Health::now() }
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
    let times = recorder::times();
    let all = policies();
    let found = all.iter().filter(|policy| policy.listed_as().to_lowercase().contains(&search));
    let mut rows: Vec<_> = found.map(|policy| row(policy, &times)).collect();
    rows.sort_by(|one, other| {
        let rank = |row: &Row| Reverse(row.badness);
        rank(one).cmp(&rank(other)).then_with(|| one.name.cmp(&other.name))
    });
    let total = rows.len();
    List { total, rows: rows.into_iter().skip(from).take(most).collect() }
}

/// Under which its events are told: its own, and that of its breaker, which others may have as well.
fn names(policy: &Policy) -> Vec<&str> {
    let breaker = policy.breaker().map(CircuitBreaker::name);
    let other = breaker.filter(|name| *name != policy.name());
    std::iter::once(policy.name()).chain(other).collect()
}

fn row(policy: &Policy, times: &HashMap<String, u64>) -> Row {
    let read = catch_unwind(AssertUnwindSafe(|| {
        let names = names(policy);
        let changed = names.iter().filter_map(|name| times.get(*name)).max().copied();
        row_of(&policy.snapshot(), changed, recorder::trouble(&names))
    }));
    // What the user wrote as values is asked when its policies are built, and may panic.
    read.unwrap_or_else(|_| Row {
        badness: 65,
        state: "unreadable",
        trouble: Trouble { error: Some("its values panic".into()), ..Trouble::default() },
        ..row_of(&nothing(policy.listed_as()), None, Trouble::default())
    })
}

/// What is known of a policy of which nothing can be read.
fn nothing(name: &str) -> PolicySnapshot {
    let mut snapshot = PolicySnapshot::default();
    snapshot.name = name.to_owned().into();
    snapshot
}

fn row_of(snapshot: &PolicySnapshot, changed: Option<u64>, trouble: Trouble) -> Row {
    let breaker = snapshot.breaker.as_ref();
    let bulkhead = snapshot.bulkhead.as_ref();
    let lately = latencies().of(&snapshot.name);
    let failure_rate = match (&lately, breaker) {
        (Some(lately), _) => lately.failing,
        (None, Some(breaker)) if breaker.state == BreakerState::Closed => breaker.failure_rate,
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
        name: snapshot.name.to_string(),
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
        p50: lately.as_ref().and_then(|lately| lately.p50),
        p99: lately.as_ref().and_then(|lately| lately.p99),
        changed,
        trouble,
    }
}

/// All of one policy.
pub(super) fn details(policy: &Policy) -> Details {
    const MOST_EVENTS: usize = 50;
    const MOST_KEYS: usize = 100;
    let snapshot = policy.snapshot();
    let names = names(policy);
    let mut events = recorder::last(&names, MOST_EVENTS);
    events.reverse();
    let mut keys = policy.keys();
    keys.truncate(MOST_KEYS);
    let changed = events.first().map(|event| event.at);
    Details {
        row: row_of(&snapshot, changed, recorder::trouble(&names)),
        location: policy.location(),
        values: effective::of(std::slice::from_ref(policy)),
        has_switch: policy.breaker().is_some(),
        snapshot,
        keys,
        events,
    }
}
