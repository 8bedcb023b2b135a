//! A value of a policy by its key: as it is shown, and as it is changed from outside.

use mmf_rules::keys::{Group, Keys};
use mmf_rules::value::Value;

/// A value that a policy goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its key: `timeout`, `retry.max_attempts`, `bulkhead.adaptive.max`.
    pub key: &'static str,
    /// The value.
    pub value: Value,
    /// Whether it was written, in an attribute or to a builder; otherwise it is the default.
    pub is_written: bool,
}

/// The values of a group, of which some were written.
pub(super) struct Settings {
    group: &'static Group,
    written: Keys,
    all: Vec<Setting>,
}

impl Settings {
    pub(super) fn of(group: &'static Group, written: Keys) -> Self {
        Self { group, written, all: Vec::new() }
    }

    /// Adds a value; `key` is the whole of it.
    pub(super) fn with(mut self, key: &'static str, value: Value) -> Self {
        let own = key.rsplit('.').next().unwrap_or(key);
        let is_written = self.written.has(self.group, own);
        self.all.push(Setting { key, value, is_written });
        self
    }

    /// Adds a value where there is one.
    pub(super) fn maybe(self, key: &'static str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub(super) fn all(self) -> Vec<Setting> {
        self.all
    }
}

/// Values from outside for a group, by their keys within it.
pub struct Values<'v>(Vec<(&'v str, &'v Value)>);

impl<'v> Values<'v> {
    /// Those of a group.
    pub(super) fn of(group: &str, all: impl IntoIterator<Item = (&'v str, &'v Value)>) -> Self {
        let own = all.into_iter().filter_map(|(key, value)| {
            let key = key.strip_prefix(group)?.strip_prefix('.')?;
            Some((key, value))
        });
        Self(own.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'v str> {
        self.0.iter().map(|(key, _)| *key)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&'v Value> {
        self.0.iter().find(|(other, _)| *other == key).map(|(_, value)| *value)
    }

    /// What a builder makes of them, one after the other.
    pub(super) fn set<B>(&self, builder: B, set: impl Fn(B, &str, &Value) -> B) -> B {
        self.0.iter().fold(builder, |builder, (key, value)| set(builder, key, value))
    }
}

/// The values of a group as one would write them in the attribute.
pub(super) fn describe(group: &str, settings: &[Setting]) -> String {
    let (mut own, mut inner) = (Vec::new(), Vec::new());
    for Setting { key, value, .. } in settings {
        let key = key.strip_prefix(group).and_then(|key| key.strip_prefix('.')).unwrap_or(key);
        match key.split_once('.') {
            None => own.push(format!("{key} = {value}")),
            Some((_, key)) => inner.push(format!("{key} = {value}")),
        }
    }
    if !inner.is_empty() {
        own.push(format!("adaptive({})", inner.join(", ")));
    }
    format!("{group}({})", own.join(", "))
}
