//! Fields of an event or a span, rendered once, when they are recorded.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};

use super::REDACTED;
use super::escape::{Escaping, display, escape, string};

/// Keys that a line has of its own. A field of such a name becomes `field.NAME`.
const RESERVED: [&str; 7] =
    ["timestamp", "level", "service", "trace_id", "span_id", "correlation_id", "message"];

/// Fields as `,"key":value`, in the order in which their keys came first. A key that is recorded again
/// replaces its value.
#[derive(Debug, Default)]
pub(super) struct Fields {
    text: String,
    entries: Vec<(&'static str, Range<usize>)>,
}

impl Fields {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
    }

    /// Appends those whose keys are not among `keys` yet, and adds theirs.
    pub(super) fn append_to(&self, out: &mut String, keys: &mut Vec<&'static str>) {
        for (key, range) in &self.entries {
            if !keys.contains(key) {
                keys.push(key);
                out.push_str(&self.text[range.clone()]);
            }
        }
    }

    fn set(&mut self, key: &'static str, kind: Kind, value: impl FnOnce(&mut String)) {
        let start = self.text.len();
        self.text.push_str(if kind.reserved { ",\"field." } else { ",\"" });
        if kind.plain {
            self.text.push_str(key);
        } else {
            escape(key, &mut self.text);
        }
        self.text.push_str("\":");
        value(&mut self.text);
        let new = start..self.text.len();
        match self.entries.iter_mut().find(|(known, _)| *known == key) {
            None => self.entries.push((key, new)),
            Some((_, range)) => {
                let old = std::mem::replace(range, new);
                self.forget(old);
            }
        }
    }

    /// Takes a replaced value out, so that a field which is recorded for ever does not grow.
    fn forget(&mut self, old: Range<usize>) {
        self.text.replace_range(old.clone(), "");
        for (_, range) in &mut self.entries {
            if range.start >= old.end {
                *range = range.start - old.len()..range.end - old.len();
            }
        }
    }
}

/// Words of a key that keep its value out of the logs, by whole word in any case: `password` redacts
/// `Password` and `user_password`, not `passwordless`.
#[derive(Clone, Debug)]
pub(super) struct Redaction {
    words: Vec<String>,
    /// Tells the keys of this configuration from another's in the memory of a thread.
    id: u64,
}

/// What there is to know of a key.
#[derive(Clone, Copy, Debug)]
struct Kind {
    reserved: bool,
    hidden: bool,
    /// Nothing in it needs to be escaped.
    plain: bool,
}

/// Keys are few and static, so a thread remembers what it found out about them, by address: two
/// keys that fall on one place take it from each other.
const REMEMBERED: usize = 128;

#[derive(Clone, Copy)]
struct Known {
    redaction: u64,
    key: &'static str,
    kind: Kind,
}

thread_local! {
    static KEYS: [Cell<Option<Known>>; REMEMBERED] = const { [const { Cell::new(None) }; REMEMBERED] };
}

impl Redaction {
    pub(super) fn of(words: Vec<String>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: only that each number is given once matters.
        Self { words, id: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    fn kind(&self, key: &'static str) -> Kind {
        let place = (key.as_ptr() as usize ^ key.len()) % REMEMBERED;
        KEYS.with(|keys| match keys[place].get() {
            Some(known) if known.redaction == self.id && std::ptr::eq(known.key, key) => known.kind,
            _ => {
                let kind = Kind {
                    reserved: RESERVED.contains(&key),
                    hidden: self.words.iter().any(|word| is_whole_word(key, word)),
                    plain: key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
                };
                keys[place].set(Some(Known { redaction: self.id, key, kind }));
                kind
            }
        })
    }
}

fn is_whole_word(key: &str, word: &str) -> bool {
    let (key, word) = (key.as_bytes(), word.as_bytes());
    let is_boundary = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    !word.is_empty()
        && key.windows(word.len()).enumerate().any(|(at, window)| {
            window.eq_ignore_ascii_case(word)
                && is_boundary(at.checked_sub(1).and_then(|before| key.get(before)))
                && is_boundary(key.get(at + word.len()))
        })
}

/// Renders the fields of an event or a span.
pub(super) struct Recorder<'r> {
    pub(super) fields: &'r mut Fields,
    pub(super) redaction: &'r Redaction,
    /// Where the message of an event goes, escaped; a span has none.
    pub(super) message: Option<&'r mut String>,
}

impl Recorder<'_> {
    fn set(&mut self, field: &Field, value: impl FnOnce(&mut String)) {
        let name = field.name();
        let key = name.strip_prefix("r#").unwrap_or(name);
        // Where a record of the `log` crate came from, which the metadata say already.
        if key.starts_with("log.")
            && matches!(key, "log.target" | "log.module_path" | "log.file" | "log.line")
        {
            return;
        }
        let kind = self.redaction.kind(key);
        if kind.hidden {
            self.fields.set(key, kind, |out| string(REDACTED, out));
        } else {
            self.fields.set(key, kind, value);
        }
    }

    fn is_message(&self, field: &Field) -> bool {
        self.message.is_some() && field.name() == "message"
    }
}

impl Visit for Recorder<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, |out| out.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, |out| out.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.set(field, |out| out.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.set(field, |out| out.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, |out| out.push_str(if value { "true" } else { "false" }));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no number for the others: they come as text, so that they are not lost.
        self.set(field, |out| match value {
            finite if finite.is_finite() => {
                out.push_str(ryu::Buffer::new().format_finite(finite));
            }
            infinite if infinite > 0.0 => out.push_str("\"Infinity\""),
            infinite if infinite < 0.0 => out.push_str("\"-Infinity\""),
            _ => out.push_str("\"NaN\""),
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.is_message(field) {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.set(field, |out| string(value, out));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.set(field, |out| display(&Chain(value), out));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.is_message(field)
            && let Some(message) = &mut self.message
        {
            message.clear();
            let _ = write!(Escaping(message), "{value:?}");
        } else {
            self.set(field, |out| display(&format_args!("{value:?}"), out));
        }
    }
}

/// An error and what caused it, each after a colon.
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(fields: &Fields) -> String {
        let mut out = String::new();
        fields.append_to(&mut out, &mut Vec::new());
        out
    }

    #[test]
    fn a_key_recorded_again_has_its_last_value_at_its_first_place() {
        let mut fields = Fields::default();
        for (key, value) in [("a", "1"), ("b", "2"), ("a", "333"), ("c", "4"), ("a", "5")] {
            fields.set(key, Redaction::of(Vec::new()).kind(key), |out| out.push_str(value));
        }
        assert_eq!(text(&fields), ",\"a\":5,\"b\":2,\"c\":4");
        assert_eq!(fields.text.len(), text(&fields).len(), "nothing of the old values is kept");
    }

    #[test]
    fn a_reserved_key_is_moved_aside() {
        let mut fields = Fields::default();
        let kind = Redaction::of(Vec::new()).kind("level");
        fields.set("level", kind, |out| out.push('1'));
        assert_eq!(text(&fields), ",\"field.level\":1");
    }

    #[test]
    fn keys_are_redacted_by_whole_words() {
        for key in ["password", "PASSWORD", "user_password", "user.password", "password-hash"] {
            assert!(is_whole_word(key, "password"), "{key}");
        }
        for key in ["passwordless", "mypassword", "pass", ""] {
            assert!(!is_whole_word(key, "password"), "{key}");
        }
        assert!(is_whole_word("stripe_api_key", "api_key"));
    }
}
