//! What is said of a key that is none where it stands: words of other libraries, and keys of another place.

use syn::{Expr, ExprLit, Lit};

use crate::common::errors::suggestion;
use crate::common::keys::{Item, ItemBody};
use crate::common::source::source;

/// Where a key stands: beside the groups, or in one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Top,
    Group(&'static str),
}

/// Every key, by where it stands.
pub(super) struct Vocabulary {
    pub(super) top: &'static [&'static str],
    /// The groups, and the keys of each.
    pub(super) groups: [(&'static str, &'static [&'static str]); 8],
}

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

impl Vocabulary {
    /// Whether it is a key of any place.
    pub(super) fn has(&self, word: &str) -> bool {
        self.top.contains(&word) || self.groups.iter().any(|(_, keys)| keys.contains(&word))
    }

    /// What to say of a key that is none of `keys` here.
    pub(super) fn unknown(&self, item: &Item, place: Place, keys: &[&str]) -> String {
        let wrong = source(&item.path);
        let known = retries(&wrong, item, place)
            .or_else(|| cache(&wrong))
            .or_else(|| synonym(&wrong, place))
            .or_else(|| self.elsewhere(&wrong, place));
        known.unwrap_or_else(|| format!("unknown key `{wrong}`{}", suggestion(&wrong, keys)))
    }

    /// A key that stands in another place.
    fn elsewhere(&self, wrong: &str, place: Place) -> Option<String> {
        if let Place::Group(here) = place
            && self.top.contains(&wrong)
        {
            return Some(if self.groups.iter().any(|(group, _)| *group == wrong) {
                format!("`{wrong}` is a group of its own, beside `{here}`")
            } else {
                format!("`{wrong}` stands beside `{here}`, not in it")
            });
        }
        let homes: Vec<_> = self
            .groups
            .into_iter()
            .filter(|(_, keys)| keys.contains(&wrong))
            .map(|(group, _)| match group {
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
}

/// `max_retries` counts without the first attempt.
fn retries(wrong: &str, item: &Item, place: Place) -> Option<String> {
    if !matches!(wrong, "max_retries" | "max_retry_attempts") {
        return None;
    }
    let attempts = match &item.body {
        ItemBody::Value(value) => match &**value {
            Expr::Lit(ExprLit { lit: Lit::Int(retries), .. }) => {
                let retries = retries.base10_parse::<u32>().ok()?;
                retries.saturating_add(1).to_string()
            }
            _ => "…".into(),
        },
        _ => "…".into(),
    };
    let key = format!("max_attempts = {attempts}");
    let write = if place == Place::Group("retry") { key } else { format!("retry({key})") };
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

fn synonym(wrong: &str, place: Place) -> Option<String> {
    let meant = |group: &str| match place {
        Place::Top => true,
        Place::Group(here) => group == here,
    };
    let (_, group, key) =
        SYNONYMS.into_iter().find(|(word, group, _)| *word == wrong && meant(group))?;
    let write = match place {
        Place::Top if !group.is_empty() => format!("{group}({key} = …)"),
        _ => key.into(),
    };
    Some(format!("unknown key `{wrong}`, did you mean `{write}`?"))
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use crate::common::errors::Errors;
    use proc_macro2::TokenStream;
    use quote::quote;

    fn message(tokens: TokenStream) -> String {
        let mut errors = Errors::default();
        Args::read(tokens, &mut errors);
        errors.messages().join("; ")
    }

    #[test]
    fn each_word_is_said_where_it_belongs() {
        for (attribute, words) in [
            (quote!(max_attempts = 3), "`max_attempts` belongs in `retry(…)`"),
            (quote!(max_wait = "1s"), "belongs in `rate_limit(…)` or `bulkhead(…)`"),
            (quote!(on_refusal("timeout")), "in `retry(…)`, `breaker(…)` or `fallback(…)`"),
            (quote!(max_age = "1s"), "belongs in `fallback(stale(…))`"),
            (
                quote!(retry(breaker(failure_threshold = 3))),
                "`breaker` is a group of its own, beside `retry`",
            ),
            (quote!(retry(timeout = "1s")), "`timeout` stands beside `retry`, not in it"),
            (quote!(hedge(base_delay = "1s")), "`base_delay` belongs in `retry(…)`"),
            (quote!(circuit_breaker(failure_threshold = 3)), "did you mean `breaker`?"),
            (quote!(throttle(permits = 3)), "did you mean `rate_limit`?"),
            (quote!(attempts = 3), "did you mean `retry(max_attempts = …)`?"),
            (quote!(retry(attempts = 3)), "did you mean `max_attempts`?"),
            (quote!(retry(delay = "1s")), "did you mean `base_delay`?"),
            (quote!(limiter(permits = 3)), "did you mean `rate_limit`?"),
            (quote!(rate_limit(permits = 3, by(id))), "did you mean `key`?"),
            (quote!(bulkhead(by(id))), "did you mean `key`?"),
            (quote!(rate_limit(rps = 3)), "did you mean `permits`?"),
            (quote!(bulkhead(maximum = 3)), "did you mean `max_concurrent`?"),
            (quote!(bulkhead(adaptive(maximum = 3))), "did you mean `max`?"),
            (quote!(max_retries = 3), "write `retry(max_attempts = 4)`"),
            (quote!(retry(max_retries = 3)), "write `max_attempts = 4`"),
            (quote!(cache(id)), "did you mean `fallback(stale(key(…)))`"),
            (quote!(zzz), "unknown key `zzz`, expected one of `name`"),
        ] {
            let message = message(attribute.clone());
            assert!(message.contains(words), "{attribute}: {message}");
        }
    }
}
