//! What is not printed: values of keys that have certain words, which `words` knows, text that matches certain
//! patterns, and what a program marks itself.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use regex::Regex;

pub(super) use crate::words::{Named, WORDS, Words};

/// What is printed in place of a redacted value.
pub(super) const REDACTED: &str = crate::words::REDACTED;

/// A value that logs print as `[redacted]`, whatever its key is.
///
/// ```
/// # use mmf_runtime as mmf;
/// let token = mmf::logging::Redacted("s3cr3t");
/// assert_eq!(format!("{token} {token:?}"), "[redacted] [redacted]");
/// assert_eq!(token.0, "s3cr3t");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Redacted<T>(pub T);

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Patterns of text that is not printed.
#[derive(Clone, Debug)]
pub(super) struct Patterns(Arc<[Regex]>);

impl Patterns {
    pub(super) fn new(patterns: &[Regex]) -> Self {
        Self(patterns.into())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without what matches. Every pattern sees the text as it was; where matches overlap, one mark
    /// stands for all of them.
    pub(super) fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.0.iter().flat_map(|pattern| pattern.find_iter(text));
        let mut found: Vec<_> =
            found.map(|found| found.range()).filter(|range| !range.is_empty()).collect();
        if found.is_empty() {
            return text.into();
        }
        found.sort_unstable_by_key(|range| range.start);
        let (mut redacted, mut end) = (String::with_capacity(text.len()), 0);
        for range in found {
            if range.start >= end {
                redacted.push_str(&text[end..range.start]);
                redacted.push_str(REDACTED);
            }
            end = end.max(range.end);
        }
        redacted.push_str(&text[end..]);
        redacted.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_match_of_a_pattern_is_redacted_once() {
        let patterns =
            [r"\d{4}", "ab+c", "c1234", "x*"].map(|pattern| Regex::new(pattern).unwrap());
        let patterns = Patterns::new(&patterns);
        for (text, expected) in [
            ("nothing", "nothing"),
            ("", ""),
            ("12345678", "[redacted][redacted]"),
            ("é 1234 é", "é [redacted] é"),
            ("<abbc1234>", "<[redacted]>"),
        ] {
            assert_eq!(patterns.redact(text), expected);
        }
        assert!(matches!(patterns.redact("nothing"), Cow::Borrowed(_)));
    }
}
