//! What is said of a key that is none where it stands.

use mmf_rules::keys::Group;
use mmf_rules::words;
use syn::{Expr, ExprLit, Lit};

use crate::common::keys::{Item, ItemBody, ungrouped};
use crate::common::source::source;

/// What to say of a key that is none of `keys`, which may stand here.
pub(super) fn unknown(item: &Item, here: &Group, keys: &[&str]) -> String {
    let number = match &item.body {
        ItemBody::Value(value) => match ungrouped(value) {
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    };
    words::unknown(&source(&item.path), number, here, keys)
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
