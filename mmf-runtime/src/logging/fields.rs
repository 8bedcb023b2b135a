//! Fields of an event or a span, rendered once, when they are recorded.

use std::error::Error;
use std::fmt::{self, Write};
use std::ops::Range;

use tracing::Metadata;
use tracing::field::{Field, Visit};

use super::escape::{Escaping, Notation, escape, string};
use super::redaction::REDACTED;
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

    /// All of them, as they stand in a line.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn set(&mut self, key: &Key, value: impl FnOnce(&mut String)) {
        let start = self.text.len();
        self.text.push_str(&key.prefix);
        value(&mut self.text);
        if self.bits & key.bit == 0 {
            self.bits |= key.bit;
            self.entries.push((key.name, start..self.text.len()));
        } else {
            self.place(key.name, start);
        }
    }

    /// Takes over what was rendered elsewhere, each field in the place of the one of its key.
    pub(super) fn take_over(&mut self, others: &Self) {
        for (name, range) in &others.entries {
            let start = self.text.len();
            self.text.push_str(&others.text[range.clone()]);
            self.place(name, start);
        }
        self.bits |= others.bits;
    }

    /// Puts what was rendered from `start` on in the place of its key.
    fn place(&mut self, name: &'static str, start: usize) {
        match self.entries.iter().position(|(known, _)| *known == name) {
            Some(place) => self.replace(place, start),
            None => self.entries.push((name, start..self.text.len())),
        }
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
    /// The target of a record of the `log` crate; empty for other events.
    pub(super) target: String,
    /// The file that such a record names, where lines tell it.
    pub(super) file: String,
    /// Its line in that.
    pub(super) line: Option<u64>,
}

impl Heard {
    pub(super) fn clear(&mut self) {
        self.message.clear();
        self.target.clear();
        self.file.clear();
        self.line = None;
    }

    /// Where the event stands in the code: as a record of the `log` crate says, or else as the place does.
    pub(super) fn source<'h>(
        &'h self,
        metadata: &'static Metadata<'static>,
    ) -> Option<(&'h str, u32)> {
        let of_record = self.line.and_then(|line| u32::try_from(line).ok());
        match of_record {
            Some(line) if !self.file.is_empty() => Some((self.file.as_str(), line)),
            _ => metadata.file().zip(metadata.line()),
        }
    }
}

/// Renders the fields of an event or a span.
pub(super) struct Recorder<'r> {
    pub(super) fields: &'r mut Fields,
    pub(super) template: &'r Template,
    /// Where the rest of an event goes; a span has none.
    pub(super) heard: Option<&'r mut Heard>,
}

impl<'r> Recorder<'r> {
    #[inline]
    fn key(&self, field: &Field) -> Option<&'r Key> {
        self.template.key(field)
    }

    /// A number, or what is as harmless.
    #[inline]
    fn number(&mut self, field: &Field, value: impl FnOnce(&mut String)) {
        if let Some(key) = self.key(field) {
            self.set(key, true, value);
        }
    }

    /// A value that is text.
    #[inline]
    fn text(&mut self, key: &Key, value: impl FnOnce(&mut String)) {
        self.set(key, false, |out| {
            out.push('"');
            value(out);
            out.push('"');
        });
    }

    #[inline]
    fn set(&mut self, key: &Key, is_number: bool, value: impl FnOnce(&mut String)) {
        let is_shown = match key.used {
            Use::Shown | Use::Message | Use::Component => true,
            Use::Count => is_number,
            Use::Redacted => false,
            Use::Target | Use::File | Use::Line | Use::Nowhere => return,
        };
        if is_shown {
            self.fields.set(key, value);
        } else {
            self.fields.set(key, |out| string(REDACTED, out));
        }
    }
}

impl Visit for Recorder<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, |out| out.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let Some(key) = self.key(field) else { return };
        match self.heard.as_deref_mut() {
            Some(heard) if key.used == Use::Line => heard.line = Some(value),
            _ => self.set(key, true, |out| out.push_str(itoa::Buffer::new().format(value))),
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.number(field, |out| out.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.number(field, |out| out.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, |out| out.push_str(if value { "true" } else { "false" }));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no number for the others: they come as text, so that they are not lost.
        self.number(field, |out| number(value, out));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let (template, Some(key)) = (self.template, self.key(field)) else { return };
        match (self.heard.as_deref_mut(), key.used) {
            (Some(heard), Use::Message) => {
                heard.message.clear();
                text(template, template.message, value, &mut heard.message);
            }
            (_, Use::Component) if *value == *template.service => {}
            (Some(heard), Use::Target) => heard.target.push_str(value),
            (Some(heard), Use::File) => heard.file.push_str(value),
            _ => self.text(key, |out| text(template, template.value, value, out)),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let (template, Some(key)) = (self.template, self.key(field)) else { return };
        let value = Chain(value);
        self.text(key, |out| display(template, template.value, format_args!("{value}"), out));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let (template, Some(key)) = (self.template, self.key(field)) else { return };
        match self.heard.as_deref_mut() {
            Some(heard) if key.used == Use::Message => {
                heard.message.clear();
                display(template, template.message, format_args!("{value:?}"), &mut heard.message);
            }
            _ => self.text(key, |out| {
                display(template, template.value, format_args!("{value:?}"), out);
            }),
        }
    }
}

/// Appends text, without what is redacted of it.
fn text(template: &Template, notation: Notation, text: &str, out: &mut String) {
    if template.patterns.is_empty() {
        escape(notation, text, out);
    } else {
        escape(notation, &template.patterns.redact(text), out);
    }
}

/// The same of what is displayed. A value that fails to print has written what it could.
fn display(template: &Template, notation: Notation, value: fmt::Arguments<'_>, out: &mut String) {
    if template.patterns.is_empty() {
        let _ = Escaping(notation, out).write_fmt(value);
    } else {
        // A pattern may match across the pieces in which a value is written.
        let mut whole = String::new();
        let _ = whole.write_fmt(value);
        text(template, notation, &whole, out);
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
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn Error + 'e));

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
