//! What there is to measure: names, units and labels, from one table for every format.

use std::ops::Deref;

use mmf_runtime::resilience::PolicyName;

use super::histogram::Counts;

/// What kind of numbers a metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric: its name is without `_total`, which formats add to counters.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Option<&'static str>,
    pub(super) help: &'static str,
    pub(super) samples: Vec<Sample>,
}

#[derive(Debug)]
pub(super) struct Sample {
    pub(super) labels: Vec<(&'static str, Label)>,
    pub(super) value: Value,
}

/// What a label says: of thousands of samples few have a text of their own.
#[derive(Clone, Debug)]
pub(super) enum Label {
    Fixed(&'static str),
    Name(PolicyName),
    Text(Box<str>),
}

impl Deref for Label {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Name(name) => name,
            Self::Text(text) => text,
        }
    }
}

impl From<&'static str> for Label {
    fn from(text: &'static str) -> Self {
        Self::Fixed(text)
    }
}

impl From<&PolicyName> for Label {
    fn from(name: &PolicyName) -> Self {
        Self::Name(name.clone())
    }
}

impl From<Box<str>> for Label {
    fn from(text: Box<str>) -> Self {
        Self::Text(text)
    }
}

#[derive(Debug)]
pub(super) enum Value {
    Count(u64),
    Number(f64),
    Histogram(Box<Counts>),
}

impl Family {
    pub(super) fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, unit: None, help, samples: Vec::new() }
    }

    pub(super) fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { kind: Kind::Gauge, ..Self::counter(name, help) }
    }

    /// Of seconds, as its name has to say.
    pub(super) fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { kind: Kind::Histogram, unit: Some("seconds"), ..Self::counter(name, help) }
    }

    pub(super) fn add<const N: usize>(&mut self, labels: [(&'static str, Label); N], value: Value) {
        self.samples.push(Sample { labels: labels.into(), value });
    }
}
