//! Which values are in force for which policy: of several for one key, the strongest.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use mmf_rules::names;
use mmf_rules::value::Value;
use mmf_runtime::glob;
use mmf_runtime::resilience::configure::{Rejected, Wanted};
use mmf_runtime::resilience::{Policy, PolicyName};
use serde::Serialize;

use super::document::{Document, Entry, For};
use super::mistake::ConfigMistake;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// Nobody wrote it.
    Default,
    /// The attribute or the builder.
    #[non_exhaustive]
    Code {
        /// File and line.
        location: String,
    },
    /// A configuration.
    #[non_exhaustive]
    Configured {
        /// The file, `MMF_POLICIES`, or `text`.
        source: String,
        /// Whom it is for there.
        scope: Scope,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
    },
}

/// Whom a value of a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// Every policy that has the group.
    Defaults,
    /// Those whose names a glob matches.
    Glob,
    /// One policy.
    Policy,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Code { location } => f.write_str(location),
            Self::Configured { source, line, column, .. } => write!(f, "{source}:{line}:{column}"),
        }
    }
}

/// The values of one policy and where each was written.
pub(super) type Found<'d> = BTreeMap<&'d str, Source<'d>>;

/// Of each policy that has values from outside, where each comes from.
pub(super) type Origins = BTreeMap<PolicyName, BTreeMap<String, Origin>>;

/// Where a value was written.
#[derive(Clone, Copy)]
pub(super) struct Source<'d> {
    pub(super) document: &'d Document,
    pub(super) entry: &'d Entry,
}

impl Source<'_> {
    pub(super) fn origin(self) -> Origin {
        let (line, column) = self.entry.place;
        let scope = match self.entry.whom {
            For::All => Scope::Defaults,
            For::Glob(_) => Scope::Glob,
            For::Policy(_) => Scope::Policy,
        };
        Origin::Configured { source: self.document.source.clone(), scope, line, column }
    }

    fn mistake(self, message: impl AsRef<str>) -> ConfigMistake {
        ConfigMistake::new(&self.document.source, self.entry.place, message)
    }
}

/// What all policies are to have.
pub(super) struct Resolved<'d> {
    pub(super) wanted: Vec<Wanted>,
    pub(super) found: Vec<Found<'d>>,
    /// What defaults and globs were to turn off, and cannot.
    pub(super) left_on: Vec<String>,
}

impl<'d> Resolved<'d> {
    /// Holds documents, the weakest first, against policies; `once` are names of such as there were.
    ///
    /// # Errors
    ///
    /// Names of no policy, values for what a policy does not have, and globs of which none is the stronger.
    pub(super) fn of(
        documents: &'d [Document],
        policies: Vec<Policy>,
        once: &HashSet<String>,
    ) -> Result<Self, Vec<ConfigMistake>> {
        let mut mistakes = unknown(documents, &policies, once);
        // Of globs, which entry has found a policy that takes it, and what was said of it otherwise.
        let mut taken = HashSet::new();
        let mut refused: HashMap<*const Entry, ConfigMistake> = HashMap::new();
        let mut found = Vec::new();
        let mut left_on = Vec::new();
        for policy in &policies {
            let mut own = Found::new();
            for document in documents {
                let mut fitting: Vec<_> = document
                    .entries
                    .iter()
                    .filter(|entry| fits(&entry.whom, policy.name()))
                    .map(|entry| Source { document, entry })
                    .collect();
                fitting.sort_by(|one, other| strength(&one.entry.whom, &other.entry.whom));
                mistakes.extend(ties(&fitting, policy));
                for source in fitting {
                    let entry: *const Entry = source.entry;
                    match policy.accepts(&source.entry.key) {
                        Ok(()) => {
                            taken.insert(entry);
                            stronger(&mut own, source);
                        }
                        Err(message) => match source.entry.whom {
                            For::All => left_on.extend(left(policy, source)),
                            For::Glob(_) => {
                                left_on.extend(left(policy, source));
                                refused.entry(entry).or_insert_with(|| source.mistake(message));
                            }
                            For::Policy(_) => mistakes.push(source.mistake(message)),
                        },
                    }
                }
            }
            found.push(own);
        }
        let by_none = refused.into_iter().filter(|(entry, _)| !taken.contains(entry));
        mistakes.extend(by_none.map(|(_, mistake)| mistake));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let wanted = policies.into_iter().zip(&found).map(|(policy, own)| (policy, values(own)));
        Ok(Self { wanted: wanted.collect(), found, left_on })
    }

    pub(super) fn origins(&self) -> Origins {
        let all = self.wanted.iter().zip(&self.found).filter(|(_, found)| !found.is_empty());
        let origins = all.map(|((policy, _), found)| {
            let own = found.iter().map(|(key, source)| ((*key).to_owned(), source.origin()));
            (PolicyName::from(policy.name().to_owned()), own.collect())
        });
        origins.collect()
    }

    /// What was refused, at the place of the value that it is about: where that is none of these, of the next of kin.
    pub(super) fn mistakes(&self, rejected: &[Rejected]) -> Vec<ConfigMistake> {
        let mut told: Vec<(ConfigMistake, Vec<&str>)> = Vec::new();
        for Rejected { place, key, message } in rejected {
            let own = &self.found[*place];
            let group = key.split('.').next().unwrap_or(key);
            let kin = || own.iter().find(|(other, _)| other.split('.').next() == Some(group));
            let limit = || own.get("timeout").or_else(|| own.get("deadline"));
            let source = own.get(key.as_str()).or_else(|| kin().map(|(_, source)| source));
            let Some(source) = source.or_else(limit).or_else(|| own.values().next()) else {
                continue;
            };
            let (mistake, name) = (source.mistake(message), self.wanted[*place].0.name());
            if matches!(source.entry.whom, For::Policy(_)) {
                told.push((mistake, Vec::new()));
                continue;
            }
            match told.iter_mut().find(|(other, names)| !names.is_empty() && *other == mistake) {
                Some((_, names)) => names.push(name),
                None => told.push((mistake, vec![name])),
            }
        }
        let told = told.into_iter().map(|(mut mistake, names)| {
            if let [first, others @ ..] = &names[..] {
                let more = match others.len() {
                    0 => String::new(),
                    others => format!(" and {others} more"),
                };
                mistake.message = format!("{} (`{first}`{more})", mistake.message);
            }
            mistake
        });
        told.collect()
    }
}

/// A value as one would write it in a file.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::Words(words) if words.len() > 1 => format!("[{value}]"),
        _ => value.to_string(),
    }
}

/// The name of a policy that was to be turned off as a whole.
fn left(policy: &Policy, source: Source<'_>) -> Option<String> {
    let is_off = source.entry.key == "enabled" && source.entry.value == Value::Flag(false);
    is_off.then(|| policy.name().to_owned())
}

/// The values alone.
pub(super) fn values(found: &Found<'_>) -> BTreeMap<String, Value> {
    found.iter().map(|(key, source)| ((*key).to_owned(), source.entry.value.clone())).collect()
}

fn fits(whom: &For, name: &str) -> bool {
    match whom {
        For::All => true,
        For::Glob(pattern) => glob::matches(pattern, name),
        For::Policy(policy) => policy == name,
    }
}

/// Of two that fit a name, the weaker is less: defaults, then globs by the text before their first `*` and by their
/// length, then the name.
fn strength(one: &For, other: &For) -> Ordering {
    let rank = |whom: &For| match whom {
        For::All => (0, 0, 0),
        For::Glob(glob) => {
            let before = glob.chars().take_while(|letter| *letter != '*').count();
            (1, before, glob.chars().count())
        }
        For::Policy(_) => (2, 0, 0),
    };
    rank(one).cmp(&rank(other))
}

/// Globs of which neither is the stronger, and which give one policy the same key; its own name would say what it gets.
fn ties(fitting: &[Source<'_>], policy: &Policy) -> Vec<ConfigMistake> {
    let mut mistakes = Vec::new();
    for (place, other) in fitting.iter().enumerate() {
        let For::Glob(second) = &other.entry.whom else { continue };
        let key = &other.entry.key;
        let same = |source: &&Source<'_>| {
            source.entry.key == *key || excluded(&source.entry.key) == Some(key)
        };
        if fitting.iter().filter(same).any(|own| matches!(own.entry.whom, For::Policy(_))) {
            continue;
        }
        for one in fitting[..place].iter().filter(same) {
            let For::Glob(first) = &one.entry.whom else { continue };
            if first != second && strength(&one.entry.whom, &other.entry.whom) == Ordering::Equal {
                mistakes.push(other.mistake(format!(
                    "`{first}` and `{second}` both match `{}`, and neither is the more exact: write its `{key}` under \
                     its own name",
                    policy.name()
                )));
            }
        }
    }
    mistakes
}

/// The key that cannot stand beside this one: a hedge has a delay or a percentile.
fn excluded(key: &str) -> Option<&'static str> {
    match key {
        "hedge.delay" => Some("hedge.percentile"),
        "hedge.percentile" => Some("hedge.delay"),
        _ => None,
    }
}

/// Puts a value in the place of a weaker one, and of one that it excludes.
fn stronger<'d>(own: &mut Found<'d>, source: Source<'d>) {
    if let Some(excluded) = excluded(&source.entry.key)
        && own.get(excluded).is_some_and(|other| {
            !std::ptr::eq(other.document, source.document) || other.entry.whom != source.entry.whom
        })
    {
        own.remove(excluded);
    }
    own.insert(&source.entry.key, source);
}

/// Names that no policy has, and globs that match none.
fn unknown(
    documents: &[Document],
    policies: &[Policy],
    once: &HashSet<String>,
) -> Vec<ConfigMistake> {
    const MOST_LISTED: usize = 8;
    let known: Vec<&str> = policies.iter().map(Policy::name).collect();
    let tables = documents
        .iter()
        .flat_map(|document| document.tables.iter().map(move |table| (document, table)));
    let unmatched = tables.filter_map(|(document, table)| {
        if known.iter().any(|name| fits(&table.whom, name)) {
            return None;
        }
        let message = match &table.whom {
            For::All => return None,
            // A pipeline that is gone may come again.
            For::Glob(name) | For::Policy(name) if once.contains(name) => return None,
            For::Glob(glob) => format!("no policy is called `{glob}`"),
            For::Policy(name) => match names::nearest(name, known.iter().copied()) {
                Some(nearest) => format!("unknown policy `{name}`, did you mean `{nearest}`?"),
                None => {
                    let which = match known.len() {
                        0 => ": there is none yet".to_owned(),
                        1..=MOST_LISTED => names::suggestion(name, &known),
                        count => format!(", none of the {count} that there are"),
                    };
                    format!("unknown policy `{name}`{which}; a pipeline is one from its `build` on")
                }
            },
        };
        Some(ConfigMistake::new(&document.source, table.place, message))
    });
    unmatched.collect()
}
