//! What is said of a key that is none where it stands: words of other libraries, and keys of another place.

use crate::keys::{GROUPS, Group, Kind, TOP};
use crate::names::suggestion;

/// What others call it, the group it is a key of, and its name; without a group it is one itself.
const SYNONYMS: [(&str, &str, &str); 32] = [
    ("circuit_breaker", "", "breaker"),
    ("throttle", "", "rate_limit"),
    ("rate_limiter", "", "rate_limit"),
    ("ratelimit", "", "rate_limit"),
    ("limiter", "", "rate_limit"),
    ("concurrency", "", "bulkhead"),
    ("concurrency_limit", "", "bulkhead"),
    ("semaphore", "", "bulkhead"),
    ("retries", "", "retry"),
    ("time_limit", "", "timeout"),
    ("time_limiter", "", "timeout"),
    ("attempts", "retry", "max_attempts"),
    ("tries", "retry", "max_attempts"),
    ("delay", "retry", "base_delay"),
    ("initial_delay", "retry", "base_delay"),
    ("initial_interval", "retry", "base_delay"),
    ("wait_duration", "retry", "base_delay"),
    ("factor", "retry", "multiplier"),
    ("strategy", "retry", "backoff"),
    ("failures", "breaker", "failure_threshold"),
    ("request_volume_threshold", "breaker", "minimum_throughput"),
    ("reset_timeout", "breaker", "recovery_timeout"),
    ("wait_duration_in_open_state", "breaker", "recovery_timeout"),
    ("limit", "rate_limit", "permits"),
    ("rps", "rate_limit", "permits"),
    ("per", "rate_limit", "key"),
    ("by", "rate_limit", "key"),
    ("by", "bulkhead", "key"),
    ("by", "breaker", "key"),
    ("max_concurrent_calls", "bulkhead", "max_concurrent"),
    ("maximum", "bulkhead", "max_concurrent"),
    ("maximum", "adaptive", "max"),
];

/// Whether it is a key of any place.
pub fn is_key(word: &str) -> bool {
    TOP.key(word).is_some() || GROUPS.iter().any(|group| group.key(word).is_some())
}

/// What to say of a key that is none of these, which may stand here: in a group, or beside the groups. `number` is what was
/// written behind it, where that is a whole number.
///
/// ```
/// use mmf_rules::keys::RETRY;
/// let said = mmf_rules::words::unknown("max_attemps", None, &RETRY, &["max_attempts"]);
/// assert_eq!(said, "unknown key `max_attemps`, did you mean `max_attempts`?");
/// ```
pub fn unknown(wrong: &str, number: Option<u32>, here: &Group, keys: &[&str]) -> String {
    let known = retries(wrong, number, here)
        .or_else(|| cache(wrong))
        .or_else(|| synonym(wrong, here))
        .or_else(|| elsewhere(wrong, here));
    known.unwrap_or_else(|| format!("unknown key `{wrong}`{}", suggestion(wrong, keys)))
}

/// A key that stands in another place.
fn elsewhere(wrong: &str, here: &Group) -> Option<String> {
    if !here.name.is_empty()
        && let Some(key) = TOP.key(wrong)
    {
        let here = here.name;
        return Some(if matches!(key.kind, Kind::Group(_)) {
            format!("`{wrong}` is a group of its own, beside `{here}`")
        } else {
            format!("`{wrong}` stands beside `{here}`, not in it")
        });
    }
    let homes: Vec<_> = GROUPS
        .into_iter()
        .filter(|group| group.key(wrong).is_some())
        .map(|group| match group.name {
            "stale" => "`fallback(stale(…))`".to_owned(),
            "adaptive" => "`bulkhead(adaptive(…))`".to_owned(),
            group => format!("`{group}(…)`"),
        })
        .collect();
    let (last, others) = homes.split_last()?;
    Some(if others.is_empty() {
        format!("`{wrong}` belongs in {last}")
    } else {
        format!("`{wrong}` belongs in {} or {last}", others.join(", "))
    })
}

/// `max_retries` counts without the first attempt.
fn retries(wrong: &str, number: Option<u32>, here: &Group) -> Option<String> {
    if !matches!(wrong, "max_retries" | "max_retry_attempts") {
        return None;
    }
    let attempts = number.map_or_else(|| "…".into(), |n| n.saturating_add(1).to_string());
    let key = format!("max_attempts = {attempts}");
    let write = if here.name == "retry" { key } else { format!("retry({key})") };
    Some(format!(
        "unknown key `{wrong}`: attempts are counted, the first included; write `{write}`"
    ))
}

fn cache(wrong: &str) -> Option<String> {
    matches!(wrong, "cache" | "cached").then(|| {
        format!(
            "unknown key `{wrong}`, did you mean `fallback(stale(key(…)))`, the last good value?"
        )
    })
}

fn synonym(wrong: &str, here: &Group) -> Option<String> {
    let is_top = here.name.is_empty();
    let meant = |group: &str| is_top || group == here.name;
    let (_, group, key) =
        SYNONYMS.into_iter().find(|(word, group, _)| *word == wrong && meant(group))?;
    let write =
        if is_top && !group.is_empty() { format!("{group}({key} = …)") } else { key.into() };
    Some(format!("unknown key `{wrong}`, did you mean `{write}`?"))
}
