//! A value as it is written, in an attribute or a file, and as what its key takes it.

use std::fmt;
use std::time::Duration;

use crate::duration;
use crate::keys::{Kind, Naming};
use crate::names::suggestion;

/// As many attempts as it takes, in numbers.
pub const UNLIMITED: u32 = u32::MAX;

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// `5`
    Whole(i128),
    /// A whole number of more digits than that has: too large for whatever it may be for.
    Huge(String),
    /// `0.5`
    Number(f64),
    /// `"2s"`
    Text(String),
    /// `true`
    Flag(bool),
    /// `["timeout", "bulkhead"]`
    List(Vec<Self>),
    /// Whatever else.
    Other,
}

/// What a key takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true`
    Flag(bool),
    /// `5`
    Count(u32),
    /// `"unlimited"`
    Unlimited,
    /// `0.5`
    Number(f64),
    /// `"2s"`
    Time(Duration),
    /// `"exponential"`
    Word(&'static str),
    /// `"timeout", "bulkhead"`
    Words(Vec<&'static str>),
}

/// As one would write it in an attribute.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Unlimited => f.write_str("\"unlimited\""),
            Self::Count(count) => count.fmt(f),
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Time(time) => write!(f, "{:?}", duration::text(*time)),
            Self::Word(word) => write!(f, "{word:?}"),
            Self::Words(words) => {
                for (place, word) in words.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{word:?}")?;
                }
                Ok(())
            }
        }
    }
}

impl Kind {
    /// Reads what is written behind `key`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to write: in the words of the attribute.
    ///
    /// ```
    /// use mmf_rules::keys::Kind;
    /// use mmf_rules::value::{Value, Written};
    ///
    /// assert_eq!(Kind::Count.read("burst", &Written::Whole(5)), Ok(Value::Count(5)));
    /// let wrong = Kind::Time.read("timeout", &Written::Whole(5)).unwrap_err();
    /// assert_eq!(wrong, "a duration needs a unit: write `timeout = \"5s\"` or `timeout = \"5ms\"`");
    /// ```
    pub fn read(self, key: &str, written: &Written) -> Result<Value, String> {
        match self {
            Self::Flag => flag(key, written).map(Value::Flag),
            Self::Count => count(key, written).map(Value::Count),
            Self::Attempts => attempts(key, written).map(|attempts| match attempts {
                UNLIMITED => Value::Unlimited,
                attempts => Value::Count(attempts),
            }),
            Self::Number => number(key, written).map(Value::Number),
            Self::Time => time(key, written).map(Value::Time),
            Self::Window => window(written),
            Self::Word(naming, words) => word(naming, words, written).map(Value::Word),
            Self::Refusals(allowed) => refusals(allowed, written).map(Value::Words),
            Self::Code => Err(format!("`{key}` is code: it stays in the attribute")),
            Self::Group(group) => {
                let example = group.keys.iter().find(|key| key.kind != Self::Code);
                let example = example.map_or("…", |key| key.name);
                Err(format!("`{key}` has keys: write `{key}.{example} = …`"))
            }
        }
    }
}

fn is_negative(written: &Written) -> bool {
    match written {
        Written::Whole(whole) => *whole < 0,
        Written::Number(number) => *number < 0.0,
        _ => false,
    }
}

/// What is said of a number below zero.
pub fn negative(key: &str) -> String {
    format!("`{key}` cannot be negative")
}

/// `true` or `false`.
///
/// # Errors
///
/// Where it is neither.
pub fn flag(key: &str, written: &Written) -> Result<bool, String> {
    match written {
        Written::Flag(flag) => Ok(*flag),
        _ => Err(format!("expected `{key} = true` or `{key} = false`")),
    }
}

/// A whole number.
///
/// # Errors
///
/// Where it is none, or too large.
pub fn count<T: Bounded>(key: &str, written: &Written) -> Result<T, String> {
    match written {
        written if is_negative(written) => Err(negative(key)),
        Written::Whole(whole) => {
            T::try_from(*whole).map_err(|_| format!("`{whole}` is too large, at most {}", T::MAX))
        }
        Written::Huge(digits) => Err(format!("`{digits}` is too large, at most {}", T::MAX)),
        _ => Err(format!("expected a whole number: `{key} = 5`")),
    }
}

/// A type of numbers that has a greatest.
pub trait Bounded: TryFrom<i128> + fmt::Display {
    /// It.
    const MAX: Self;
}

impl Bounded for u32 {
    const MAX: Self = Self::MAX;
}

impl Bounded for u64 {
    const MAX: Self = Self::MAX;
}

/// A whole number, or `"unlimited"`.
///
/// # Errors
///
/// Where it is neither.
pub fn attempts(key: &str, written: &Written) -> Result<u32, String> {
    match written {
        Written::Text(text) if text == "unlimited" => Ok(UNLIMITED),
        Written::Text(_) => Err(format!("expected a whole number or `\"unlimited\"`: `{key} = 5`")),
        _ => count(key, written),
    }
}

/// A number.
///
/// # Errors
///
/// Where it is none.
pub fn number(key: &str, written: &Written) -> Result<f64, String> {
    match written {
        written if is_negative(written) => Err(negative(key)),
        Written::Number(number) => Ok(*number),
        Written::Whole(whole) => Ok(*whole as f64),
        Written::Huge(digits) => Err(format!("`{digits}` is too large")),
        _ => Err(format!("expected a number: `{key} = 0.5`")),
    }
}

/// A duration.
///
/// # Errors
///
/// Where it is none, or has no unit.
pub fn time(key: &str, written: &Written) -> Result<Duration, String> {
    match written {
        written if is_negative(written) => Err(negative(key)),
        Written::Text(text) => duration::parse(text),
        Written::Whole(whole) => Err(format!(
            "a duration needs a unit: write `{key} = \"{whole}s\"` or `{key} = \"{whole}ms\"`"
        )),
        _ => Err(format!("expected a duration: `{key} = \"2s\"`")),
    }
}

/// A number of calls, or a duration.
///
/// # Errors
///
/// Where it is neither.
pub fn window(written: &Written) -> Result<Value, String> {
    match written {
        Written::Whole(_) | Written::Huge(_) => count("window", written).map(Value::Count),
        Written::Text(_) => time("window", written).map(Value::Time),
        _ => {
            Err("expected a number of calls or a duration: `window = 100` or `window = \"60s\"`"
                .into())
        }
    }
}

/// One of these words.
///
/// # Errors
///
/// Where it is none of them.
pub fn word(
    naming: Naming,
    words: &'static [&'static str],
    written: &Written,
) -> Result<&'static str, String> {
    let (what, example) = match naming {
        Naming::Backoff => ("back-off", "a back-off: `backoff = \"exponential\"`"),
        Naming::Algorithm => {
            ("algorithm", "an algorithm: `algorithm = \"gradient\"` or `\"aimd\"`")
        }
        Naming::Level => ("level", "a level: `disable_at = \"severe\"`"),
    };
    let Written::Text(text) = written else {
        return Err(format!("expected the name of {example}"));
    };
    let known = words.iter().find(|word| *word == text).copied();
    known.ok_or_else(|| format!("unknown {what} `{text}`{}", suggestion(text, words)))
}

/// One name of a list of so many.
///
/// # Errors
///
/// Where it is no refusal that can stand there.
pub fn refusal(
    name: &str,
    listed: usize,
    allowed: &'static [&'static str],
) -> Result<&'static str, String> {
    let known = allowed.iter().find(|known| **known == name).copied();
    match known {
        None => Err(format!("unknown refusal `{name}`{}", suggestion(name, allowed))),
        Some("all" | "none") if listed > 1 => {
            Err(format!("`\"{name}\"` stands alone in `on_refusal`"))
        }
        Some(known) => Ok(known),
    }
}

fn refusals(
    allowed: &'static [&'static str],
    written: &Written,
) -> Result<Vec<&'static str>, String> {
    let names = match written {
        Written::List(names) => names.as_slice(),
        one => std::slice::from_ref(one),
    };
    let example = || format!("expected names of refusals: `on_refusal = [\"{}\"]`", allowed[0]);
    if names.is_empty() {
        return Err("`on_refusal` is empty: for none of them write `on_refusal = \"none\"`".into());
    }
    let read = |name: &Written| match name {
        Written::Text(name) => refusal(name, names.len(), allowed),
        _ => Err(example()),
    };
    let mut known: Vec<&str> = names.iter().map(read).collect::<Result<_, _>>()?;
    known.sort_by_key(|name| allowed.iter().position(|other| other == name));
    known.dedup();
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{self, BACKOFFS, LEVELS, RETRIED};

    fn text(text: &str) -> Written {
        Written::Text(text.into())
    }

    #[test]
    fn each_kind_takes_its_values_and_says_what_it_takes() {
        let second = Value::Time(Duration::from_secs(1));
        for (kind, written, value) in [
            (Kind::Flag, Written::Flag(false), Value::Flag(false)),
            (Kind::Count, Written::Whole(5), Value::Count(5)),
            (Kind::Attempts, Written::Whole(5), Value::Count(5)),
            (Kind::Attempts, text("unlimited"), Value::Unlimited),
            (Kind::Number, Written::Whole(1), Value::Number(1.0)),
            (Kind::Number, Written::Number(0.5), Value::Number(0.5)),
            (Kind::Time, text("1s"), second.clone()),
            (Kind::Window, Written::Whole(5), Value::Count(5)),
            (Kind::Window, text("1s"), second),
            (Kind::Word(Naming::Backoff, BACKOFFS), text("linear"), Value::Word("linear")),
            (Kind::Refusals(RETRIED), text("all"), Value::Words(vec!["all"])),
            (
                Kind::Refusals(RETRIED),
                Written::List(vec![text("breaker"), text("timeout"), text("breaker")]),
                Value::Words(vec!["timeout", "breaker"]),
            ),
        ] {
            assert_eq!(kind.read("k", &written), Ok(value), "{kind:?} {written:?}");
        }
        for (kind, written, words) in [
            (Kind::Flag, Written::Whole(1), "expected `k = true` or `k = false`"),
            (Kind::Count, Written::Whole(-1), "`k` cannot be negative"),
            (Kind::Count, Written::Whole(1 << 32), "is too large, at most 4294967295"),
            (Kind::Count, Written::Huge("9".into()), "`9` is too large, at most 4294967295"),
            (Kind::Number, Written::Huge("9".into()), "`9` is too large"),
            (Kind::Window, Written::Huge("9".into()), "`9` is too large, at most 4294967295"),
            (Kind::Count, Written::Number(1.0), "expected a whole number: `k = 5`"),
            (Kind::Attempts, text("many"), "or `\"unlimited\"`: `k = 5`"),
            (Kind::Number, Written::Number(-0.5), "`k` cannot be negative"),
            (Kind::Number, text("much"), "expected a number: `k = 0.5`"),
            (Kind::Time, Written::Whole(-5), "`k` cannot be negative"),
            (Kind::Time, Written::Whole(5), "write `k = \"5s\"` or `k = \"5ms\"`"),
            (Kind::Time, Written::Flag(true), "expected a duration: `k = \"2s\"`"),
            (Kind::Window, Written::Flag(true), "a number of calls or a duration"),
            (Kind::Word(Naming::Backoff, BACKOFFS), text("linea"), "did you mean `linear`?"),
            (Kind::Word(Naming::Level, LEVELS), text("none"), "unknown level `none`"),
            (
                Kind::Word(Naming::Algorithm, keys::ALGORITHMS),
                Written::Whole(1),
                "the name of an algorithm",
            ),
            (Kind::Refusals(RETRIED), text("timeuot"), "did you mean `timeout`?"),
            (Kind::Refusals(RETRIED), Written::List(Vec::new()), "write `on_refusal = \"none\"`"),
            (Kind::Refusals(RETRIED), Written::Whole(1), "expected names of refusals"),
            (
                Kind::Refusals(RETRIED),
                Written::List(vec![text("all"), text("timeout")]),
                "stands alone",
            ),
            (Kind::Code, text("x"), "`k` is code: it stays in the attribute"),
            (Kind::Group(&keys::STALE), text("x"), "write `k.max_age = …`"),
        ] {
            let message = kind.read("k", &written).unwrap_err();
            assert!(message.contains(words), "{kind:?} {written:?}: {message}");
        }
    }

    #[test]
    fn a_value_is_told_as_one_would_write_it() {
        for (value, told) in [
            (Value::Unlimited, "\"unlimited\""),
            (Value::Count(u32::MAX), "4294967295"),
            (Value::Number(2.0), "2.0"),
            (Value::Time(Duration::from_secs(90)), "\"1m30s\""),
            (Value::Word("linear"), "\"linear\""),
            (Value::Words(vec!["timeout", "breaker"]), "\"timeout\", \"breaker\""),
            (Value::Flag(true), "true"),
        ] {
            assert_eq!(value.to_string(), told);
        }
    }
}
