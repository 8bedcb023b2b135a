//! The table of all metrics, filled when somebody asks.

use mmf_runtime::logging::{unwritten_lines, written_lines};
use mmf_runtime::resilience::{BreakerState, Policy, PolicyName, PolicySnapshot, policies};

use super::family::{Family, Value};
use super::histogram::{OTHER, Of, read};

/// The families that have something to tell; so many policies by name.
pub(super) fn families(max_policies: usize) -> Vec<Family> {
    let mut families = all(max_policies);
    families.retain(|family| !family.samples.is_empty());
    families
}

/// All families, in the order they are told.
pub(super) fn all(max_policies: usize) -> Vec<Family> {
    let mut families = of_policies(max_policies);
    families.extend(of_latencies());
    #[cfg(feature = "health")]
    families.extend(of_health());
    families.extend(of_process());
    families
}

const STATES: [(BreakerState, &str); 5] = [
    (BreakerState::Closed, "closed"),
    (BreakerState::Open, "open"),
    (BreakerState::HalfOpen, "half_open"),
    (BreakerState::ForcedOpen, "forced_open"),
    (BreakerState::Disabled, "disabled"),
];

fn of_policies(most: usize) -> Vec<Family> {
    let mut calls = Family::counter("mmf_policy_calls", "Calls that ended, by how they did.");
    let mut attempts =
        Family::counter("mmf_policy_attempts", "Runs of the function or request itself.");
    let mut retries = Family::counter("mmf_policy_retries", "Attempts after the first of a call.");
    let mut hedges = Family::counter("mmf_policy_hedges", "Copies of slow attempts.");
    let mut fallbacks = Family::counter("mmf_policy_fallbacks", "Calls that a fallback answered.");
    let mut refusals = Family::counter(
        "mmf_policy_refusals",
        "Attempts and calls that were refused or cut short.",
    );
    let mut state = Family::gauge("mmf_breaker_state", "1 for the state that a breaker is in.");
    let mut ratio = Family::gauge("mmf_breaker_failure_ratio", "Share of failures in the window.");
    let mut opened = Family::counter("mmf_breaker_opened", "Times that a breaker has opened.");
    let mut running = Family::gauge("mmf_bulkhead_running", "Calls that run now.");
    let mut queued = Family::gauge("mmf_bulkhead_queued", "Calls that wait for room now.");
    let mut limit = Family::gauge("mmf_bulkhead_limit", "Calls that may run at once.");
    let count = |family: &mut Family, name: &PolicyName, count: u64| {
        family.add([("policy", name.into())], Value::Count(count));
    };
    let number = |family: &mut Family, name: &PolicyName, number: f64| {
        family.add([("policy", name.into())], Value::Number(number));
    };
    let shown = shown(policies().iter().filter_map(Policy::try_snapshot).collect(), most);
    for policy in &shown {
        let name = &policy.name;
        for (outcome, count) in [
            ("success", policy.successes),
            ("failure", policy.failures),
            ("cancelled", policy.cancelled),
        ] {
            calls.add([("policy", name.into()), ("outcome", outcome.into())], Value::Count(count));
        }
        count(&mut attempts, name, policy.attempts);
        count(&mut retries, name, policy.retries);
        count(&mut hedges, name, policy.hedges);
        count(&mut fallbacks, name, policy.fallbacks);
        for (reason, count) in reasons(policy) {
            refusals.add([("policy", name.into()), ("reason", reason.into())], Value::Count(count));
        }
        if let Some(breaker) = &policy.breaker {
            for (known, word) in STATES {
                let is_in = f64::from(u8::from(known == breaker.state));
                let labels = [("policy", name.into()), ("state", word.into())];
                state.add(labels, Value::Number(is_in));
            }
            number(&mut ratio, name, breaker.failure_rate);
            count(&mut opened, name, breaker.opened);
        }
        if let Some(bulkhead) = &policy.bulkhead {
            number(&mut running, name, bulkhead.running as f64);
            number(&mut queued, name, bulkhead.queued as f64);
            number(&mut limit, name, bulkhead.limit as f64);
        }
    }
    vec![
        calls, attempts, retries, hedges, fallbacks, refusals, state, ratio, opened, running,
        queued, limit,
    ]
}

/// Why it refused, how often.
fn reasons(policy: &PolicySnapshot) -> [(&'static str, u64); 6] {
    [
        ("circuit_open", policy.breaker.map_or(0, |breaker| breaker.refused)),
        ("timeout", policy.timeouts),
        ("deadline_exceeded", policy.deadline_exceeded),
        ("bulkhead_full", policy.bulkhead.map_or(0, |bulkhead| bulkhead.refused)),
        ("rate_limited", policy.rate_limited),
        ("feature_disabled", policy.feature_disabled),
    ]
}

/// The policies up to so many by name, and the counts of the rest in one; a policy of that very name is among them.
fn shown(policies: Vec<PolicySnapshot>, most: usize) -> Vec<PolicySnapshot> {
    if policies.len() <= most {
        return policies;
    }
    let (rest, mut shown): (Vec<_>, Vec<_>) =
        policies.into_iter().partition(|policy| *policy.name == *OTHER);
    let more = shown.split_off(most.min(shown.len()));
    let mut other = PolicySnapshot::default();
    other.name = OTHER.into();
    for policy in rest.into_iter().chain(more) {
        other.successes += policy.successes;
        other.failures += policy.failures;
        other.cancelled += policy.cancelled;
        other.attempts += policy.attempts;
        other.retries += policy.retries;
        other.hedges += policy.hedges;
        other.fallbacks += policy.fallbacks;
        other.timeouts += policy.timeouts;
        other.deadline_exceeded += policy.deadline_exceeded;
        other.rate_limited += policy.rate_limited;
        other.feature_disabled += policy.feature_disabled;
        other.breaker = match (other.breaker, policy.breaker) {
            (Some(one), Some(more)) => Some(one.and(more)),
            (one, more) => one.or(more),
        };
        other.bulkhead = match (other.bulkhead, policy.bulkhead) {
            (Some(one), Some(more)) => Some(one.and(more)),
            (one, more) => one.or(more),
        };
    }
    shown.push(other);
    shown
}

fn of_latencies() -> Vec<Family> {
    let mut calls =
        Family::histogram("mmf_policy_call_duration_seconds", "How long calls took, with retries.");
    for ([policy, outcome, ..], counts) in read(Of::Call) {
        let labels = [("policy", policy.into()), ("outcome", outcome.into())];
        calls.add(labels, Value::Histogram(Box::new(counts)));
    }
    let mut requests = Family::counter("mmf_requests", "Requests that ended.");
    let mut durations =
        Family::histogram("mmf_request_duration_seconds", "How long requests took.");
    for ([protocol, method, route, status], counts) in read(Of::Request) {
        let labels = [
            ("protocol", protocol.into()),
            ("method", method.into()),
            ("route", route.into()),
            ("status", status.into()),
        ];
        requests.add(labels.clone(), Value::Count(counts.count()));
        durations.add(labels, Value::Histogram(Box::new(counts)));
    }
    vec![calls, requests, durations]
}

#[cfg(feature = "health")]
fn of_health() -> Vec<Family> {
    let mut up =
        Family::gauge("mmf_health_check_up", "1 for a check that is up, 0 for one that is not.");
    for check in crate::health::checks() {
        let is_up = f64::from(u8::from(check.is_up == Some(true)));
        up.add([("check", check.name.into_boxed_str().into())], Value::Number(is_up));
    }
    let mut score = Family::gauge("mmf_health_score", "How well the process is, from 1 to 0.");
    score.add([], Value::Number(crate::health::score()));
    vec![up, score]
}

fn of_process() -> Vec<Family> {
    let mut level = Family::gauge("mmf_degradation_level", "0 for none, up to 4 for critical.");
    level.add([], Value::Number(f64::from(mmf_runtime::degradation::level() as u8)));
    let mut written = Family::counter("mmf_log_lines", "Log lines that were written.");
    for (level, count) in written_lines() {
        written.add([("level", level.as_str().into())], Value::Count(count));
    }
    let mut lost = Family::counter(
        "mmf_log_lines_lost",
        "Log lines that were dropped or could not be written.",
    );
    lost.add([], Value::Count(unwritten_lines()));
    vec![level, written, lost]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_their_words() {
        for (state, word) in STATES {
            assert_eq!(state.to_string(), word);
        }
    }

    #[test]
    fn policies_beyond_the_most_are_one_other() {
        let policies = (1..=5).map(|number| {
            let mut policy = PolicySnapshot::default();
            (policy.name, policy.successes) = (format!("p{number}").into(), number);
            policy
        });
        let shown = shown(policies.collect(), 3);
        let names: Vec<_> = shown.iter().map(|policy| &*policy.name).collect();
        assert_eq!(names, ["p1", "p2", "p3", "other"]);
        assert_eq!(shown[3].successes, 9);
        let mut named = PolicySnapshot::default();
        (named.name, named.successes) = (OTHER.into(), 7);
        let shown = self::shown(vec![named, shown[0].clone(), shown[1].clone()], 1);
        let names: Vec<_> = shown.iter().map(|policy| (&*policy.name, policy.successes)).collect();
        assert_eq!(names, [("p1", 1), ("other", 9)], "no name twice");
    }
}
