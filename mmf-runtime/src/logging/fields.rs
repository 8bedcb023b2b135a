//! Fields of an event or a span, rendered once, when they are recorded.

use std::error::Error;
use std::fmt::{self, Write};
use std::ops::Range;

use tracing::field::{Field, Visit};

use super::REDACTED;
use super::config::Format;
use super::escape::{Escaping, Plain, display, string};
use super::template::{Key, Template, Use};

/// Fields as `,"key":value`, or as ` key=value` in text, in the order in which their keys came first. A
/// key that is recorded again replaces its value.
#[derive(Debug, Default)]
pub(super) struct Fields {
    text: String,
    entries: Vec<(&'static str, Range<usize>)>,
    /// The bits of all keys, which tell without looking that a key is none of them.
    bits: u64,
}

impl Fields {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
        self.bits = 0;
    }

    fn set(&mut self, key: &Key, value: impl FnOnce(&mut String)) {
        let start = self.text.len();
        self.text.push_str(&key.prefix);
        value(&mut self.text);
        if self.bits & key.bit != 0
            && let Some(place) = self.entries.iter().position(|(known, _)| *known == key.name)
        {
            return self.replace(place, start);
        }
        self.bits |= key.bit;
        self.entries.push((key.name, start..self.text.len()));
    }

    /// Puts what was rendered from `start` on in the place of an entry, so that a field which is recorded
    /// for ever does not grow.
    fn replace(&mut self, place: usize, start: usize) {
        let new = self.text.split_off(start);
        let old = self.entries[place].1.clone();
        self.text.replace_range(old.clone(), &new);
        for (_, range) in &mut self.entries {
            if range.start >= old.end {
                *range = range.start - old.len() + new.len()..range.end - old.len() + new.len();
            }
        }
        self.entries[place].1 = old.start..old.start + new.len();
    }
}

/// The keys that a line has so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    names: Vec<&'static str>,
    bits: u64,
}

impl Seen {
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.bits = 0;
    }

    /// Appends the fields whose keys are new, and remembers them.
    pub(super) fn append(&mut self, fields: &Fields, out: &mut String) {
        if self.bits & fields.bits == 0 {
            out.push_str(&fields.text);
            self.names.extend(fields.entries.iter().map(|(name, _)| name));
        } else {
            for (name, range) in &fields.entries {
                if !self.names.contains(name) {
                    self.names.push(name);
                    out.push_str(&fields.text[range.clone()]);
                }
            }
        }
        self.bits |= fields.bits;
    }
}

/// What an event has beside its fields.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The message, as the format has it.
    pub(super) message: String,
    /// Where a record of the `log` crate came from; empty for other events.
    pub(super) target: String,
}

impl Heard {
    pub(super) fn clear(&mut self) {
        self.message.clear();
        self.target.clear();
    }
}

/// Renders the fields of an event or a span.
pub(super) struct Recorder<'r> {
    pub(super) fields: &'r mut Fields,
    pub(super) template: &'r Template,
    /// Where the rest of an event goes; a span has none.
    pub(super) heard: Option<&'r mut Heard>,
}

impl Recorder<'_> {
    #[inline]
    fn set(&mut self, field: &Field, value: impl FnOnce(&mut String)) {
        let Some(key) = self.template.key(field) else { return };
        match key.used {
            Use::Shown | Use::Message => self.fields.set(key, value),
            Use::Redacted => self.fields.set(key, |out| string(REDACTED, out)),
            Use::Nowhere | Use::Target => {}
        }
    }

    /// The message of an event as `value` has it; whether this is one.
    #[inline]
    fn message(&mut self, field: &Field, value: &dyn fmt::Debug) -> bool {
        let Some(heard) = &mut self.heard else { return false };
        if !self.template.key(field).is_some_and(|key| key.used == Use::Message) {
            return false;
        }
        let out = &mut heard.message;
        out.clear();
        // A value that fails to print has written what it could.
        let _ = match self.template.format {
            Format::Text => write!(Plain(out), "{value:?}"),
            _ => write!(Escaping(out), "{value:?}"),
        };
        true
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
        self.set(field, |out| number(value, out));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(heard) = &mut self.heard
            && self.template.key(field).is_some_and(|key| key.used == Use::Target)
        {
            heard.target.push_str(value);
        } else if !self.message(field, &format_args!("{value}")) {
            self.set(field, |out| string(value, out));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.set(field, |out| display(&Chain(value), out));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !self.message(field, value) {
            self.set(field, |out| display(&format_args!("{value:?}"), out));
        }
    }
}

/// Appends the shortest text that is read as the same number. JSON has none for infinities and NaN: they
/// come as text, so that they are not lost.
fn number(value: f64, out: &mut String) {
    // Most measured values have few decimals. Where a thousandth part of a whole number is the value, the
    // digits of that number are its shortest text: of up to 15 digits no two are read as the same value.
    let thousandths = value * 1000.0;
    if thousandths.abs() < 1e15 {
        let whole = thousandths as i64;
        if whole as f64 / 1000.0 == value && (whole != 0 || value.is_sign_positive()) {
            return decimal(whole, out);
        }
    }
    match value {
        finite if finite.is_finite() => out.push_str(zmij::Buffer::new().format_finite(finite)),
        infinite if infinite > 0.0 => out.push_str("\"Infinity\""),
        infinite if infinite < 0.0 => out.push_str("\"-Infinity\""),
        _ => out.push_str("\"NaN\""),
    }
}

/// Appends thousandths as a number with as many decimals as it needs, one at least.
fn decimal(thousandths: i64, out: &mut String) {
    if thousandths < 0 {
        out.push('-');
    }
    let (whole, rest) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
    out.push_str(itoa::Buffer::new().format(whole));
    let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
    let kept = if digits[2] != b'0' {
        3
    } else if digits[1] != b'0' {
        2
    } else {
        1
    };
    out.push('.');
    out.extend(digits[..kept].iter().map(|digit| char::from(*digit)));
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

    fn key(name: &'static str) -> Key {
        Key { name, prefix: format!(",\"{name}\":").into(), bit: 1, used: Use::Shown }
    }

    #[test]
    fn a_key_recorded_again_has_its_last_value_at_its_first_place() {
        let mut fields = Fields::default();
        for (name, value) in [("a", "1"), ("b", "2"), ("a", "333"), ("c", "4"), ("a", "5")] {
            fields.set(&key(name), |out| out.push_str(value));
        }
        let mut out = String::new();
        Seen::default().append(&fields, &mut out);
        assert_eq!(out, ",\"a\":5,\"b\":2,\"c\":4");
        assert_eq!(fields.text.len(), out.len(), "nothing of the old values is kept");
    }

    proptest::proptest! {
        #[test]
        fn a_number_is_read_as_it_was(value: f64, thousandths in -1_000_000_i64..1_000_000) {
            for value in [value, thousandths as f64 / 1000.0, thousandths as f64 / 10.0] {
                let (mut ours, mut shortest) = (String::new(), zmij::Buffer::new());
                number(value, &mut ours);
                if value.is_finite() {
                    proptest::prop_assert_eq!(ours.parse::<f64>().unwrap().to_bits(), value.to_bits());
                    proptest::prop_assert!(ours.len() <= shortest.format(value).len());
                }
            }
        }
    }

    #[test]
    fn keys_that_share_a_bit_are_told_apart_by_name() {
        let (mut inner, mut outer) = (Fields::default(), Fields::default());
        inner.set(&key("a"), |out| out.push('1'));
        outer.set(&key("b"), |out| out.push('2'));
        outer.set(&key("a"), |out| out.push('3'));
        let (mut seen, mut out) = (Seen::default(), String::new());
        seen.append(&inner, &mut out);
        seen.append(&outer, &mut out);
        assert_eq!(out, ",\"a\":1,\"b\":2");
    }
}
