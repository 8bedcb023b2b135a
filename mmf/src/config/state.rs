//! What is in force, and how another configuration takes its place: all of it, or nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError};

use mmf_runtime::resilience::configure::{SharedValue, prepare};
use mmf_runtime::resilience::registry::tell_new;
use mmf_runtime::resilience::setting::Setting;
use mmf_runtime::resilience::{Policy, PolicyName, policies};
use tracing::{error, info, warn};

use super::document::Document;
use super::mistake::{ConfigError, ConfigMistake};
use super::resolve::{Origins, Resolved, written};

/// The variable whose values are the strongest.
const VARIABLE: &str = "MMF_POLICIES";

/// A value that is another than before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Name of the policy.
    pub policy: PolicyName,
    /// Its key: `retry.max_attempts`.
    pub key: String,
    /// The value before, as one would write it; nothing where there was none.
    pub before: Option<String>,
    /// The value now.
    pub after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, key, before, after } = self;
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
        write!(f, "{policy}: {key} {} → {}", text(before), text(after))
    }
}

/// What was put in force last.
#[derive(Default)]
pub(super) struct InForce {
    /// The weakest first: what was loaded or applied, and the variable.
    documents: Vec<Document>,
    /// Whom they name.
    names: HashSet<String>,
    /// Of each policy that has values from outside, where each comes from.
    pub(super) origins: Origins,
}

/// Whoever changes something holds it. Under it are values, names and blocks of policies: wakers, subscribers and what the user
/// wrote as values run outside of it.
static IN_FORCE: LazyLock<Mutex<InForce>> = LazyLock::new(Mutex::default);

pub(super) fn in_force() -> MutexGuard<'static, InForce> {
    IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts a text in force, with the variable `MMF_POLICIES` above it, in place of what was applied or loaded before; an empty
/// one leaves what the variable says. What has changed.
///
/// # Errors
///
/// Everything that is wrong, with its place: then nothing has changed.
pub fn apply(text: &str) -> Result<Vec<Change>, ConfigError> {
    put_in_force("text", text)
}

/// Puts a file in force, as [`apply`] does a text.
///
/// # Errors
///
/// Where it cannot be read, and as [`apply`].
///
/// ```no_run
/// # fn main() -> Result<(), mmf::config::ConfigError> {
/// mmf::config::load("resilience.toml")?;
/// # Ok(()) }
/// ```
pub fn load(path: impl AsRef<Path>) -> Result<Vec<Change>, ConfigError> {
    let path = path.as_ref();
    let text = read(path).map_err(|mistake| ConfigError::of(vec![mistake]))?;
    put_in_force(&path.display().to_string(), &text)
}

/// [`check`] of a file.
///
/// # Errors
///
/// As [`check`], and where it cannot be read.
pub fn check_file(path: impl AsRef<Path>) -> Result<(), ConfigError> {
    let path = path.as_ref();
    let text = read(path).map_err(|mistake| ConfigError::of(vec![mistake]))?;
    check_of(&path.display().to_string(), &text)
}

/// Whether a text could be put in force: for a test that holds a file against the policies of the program. Nothing changes, and
/// the variable is left out.
///
/// # Errors
///
/// Everything that is wrong, with its place.
///
/// ```
/// let wrong = mmf::config::check(r#"policies."users.fecth".timeout = "3s""#).unwrap_err();
/// assert!(wrong.to_string().starts_with("text:1:10: unknown policy `users.fecth`"));
/// ```
pub fn check(text: &str) -> Result<(), ConfigError> {
    check_of("text", text)
}

/// What [`apply`] of a text would change, a line for each value, in which a value that nobody would give any more is `as in the
/// code`. Nothing changes.
///
/// # Errors
///
/// As [`apply`].
///
/// ```
/// assert!(mmf::config::preview("[defaults]").unwrap().is_empty());
/// ```
pub fn preview(text: &str) -> Result<Vec<String>, ConfigError> {
    let policies = listed();
    let (documents, wrong) = documents("text", text);
    let (names, origins) = {
        let in_force = in_force();
        (in_force.names.clone(), in_force.origins.clone())
    };
    let resolved = resolved(&documents, policies, &names, wrong)?;
    let prepared = prepare(&resolved.wanted);
    let prepared = prepared.map_err(|rejected| ConfigError::of(resolved.mistakes(&rejected)))?;
    let mut changes = Vec::new();
    for (place, (policy, own)) in resolved.wanted.iter().enumerate() {
        // What others want of something that it shares with them.
        let by_others = prepared.shared().iter().filter(|shared| shared.place == place);
        let by_others =
            by_others.map(|shared| (&shared.key, &resolved.wanted[shared.from].1[&shared.key]));
        let wanted: BTreeMap<_, _> = own.iter().chain(by_others).collect();
        let now = policy.settings();
        let released = origins.get(policy.name()).into_iter().flat_map(|own| own.keys());
        let keys: BTreeSet<_> = wanted.keys().copied().chain(released).collect();
        for key in keys {
            let before = now.iter().find(|setting| setting.key == key.as_str());
            let before =
                before.map_or_else(|| "none".to_owned(), |setting| written(&setting.value));
            let after =
                wanted.get(key).map_or_else(|| "as in the code".to_owned(), |value| written(value));
            if before != after {
                changes.push(format!("{}: {key} {before} → {after}", policy.name()));
            }
        }
    }
    Ok(changes)
}

/// What was loaded or applied last: the file, or `text`, and what stands in it.
///
/// ```
/// mmf::config::apply("[defaults]").unwrap();
/// let (source, text) = mmf::config::applied().unwrap();
/// assert_eq!((source.as_str(), &*text), ("text", "[defaults]"));
/// ```
pub fn applied() -> Option<(String, Arc<str>)> {
    let in_force = in_force();
    let given = in_force.documents.iter().find(|document| document.source != VARIABLE);
    given.map(|document| (document.source.clone(), Arc::clone(&document.text)))
}

fn check_of(source: &str, text: &str) -> Result<(), ConfigError> {
    let policies = listed();
    let (document, wrong) = Document::read(source, text);
    let documents = [document];
    let resolved = resolved(&documents, policies, &HashSet::new(), wrong)?;
    match prepare(&resolved.wanted) {
        Ok(_) => Ok(()),
        Err(rejected) => Err(ConfigError::of(resolved.mistakes(&rejected))),
    }
}

pub(super) fn read(path: &Path) -> Result<String, ConfigMistake> {
    let wrong = |message: String| ConfigMistake::new(&path.display().to_string(), (0, 0), message);
    // What has no end would hold who waits for it: a pipe, a device.
    match std::fs::metadata(path) {
        Ok(about) if !about.is_file() => return Err(wrong("is no file".into())),
        _ => {}
    }
    let bytes = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|_| wrong("is no UTF-8 text".into()))
}

/// The policies, each with what the user wrote as values evaluated, for which no lock may be held; but for those that this thread
/// is evaluating just now.
pub(super) fn listed() -> Vec<Policy> {
    let mut policies = policies();
    policies.retain(|policy| !policy.is_being_built());
    // By its name it is built.
    for policy in &policies {
        let _ = policy.name();
    }
    policies
}

pub(super) fn put_in_force(source: &str, text: &str) -> Result<Vec<Change>, ConfigError> {
    static NEW_ONES: Once = Once::new();
    NEW_ONES.call_once(|| tell_new(configure_new));

    let (documents, wrong) = documents(source, text);
    let (changes, left_on) = enforce(Some((documents, wrong)))?;
    tell(source, &changes, &left_on);
    Ok(changes)
}

/// Puts documents in force, or those that are once more; what has changed, and what was to be turned off and cannot.
fn enforce(
    new: Option<(Vec<Document>, Vec<ConfigMistake>)>,
) -> Result<(Vec<Change>, Vec<String>), ConfigError> {
    // Before the lock is taken.
    let _evaluated = listed();
    // Handles of pipelines that came meanwhile. Held until the lock is free, as the last of a pipeline drops what is the user's.
    let held: Vec<Policy>;
    let mut in_force = in_force();
    held = policies().into_iter().filter(|policy| !policy.is_being_built()).collect();
    let (documents, wrong) = new.unwrap_or_else(|| (in_force.documents.clone(), Vec::new()));
    let resolved = resolved(&documents, held.clone(), &in_force.names, wrong)?;
    let prepared = prepare(&resolved.wanted).map_err(|r| ConfigError::of(resolved.mistakes(&r)))?;
    let mut origins = resolved.origins();
    let name = |place: usize| PolicyName::from(resolved.wanted[place].0.name().to_owned());
    for SharedValue { place, key, from } in prepared.shared() {
        let origin = resolved.found[*from][key.as_str()].origin();
        origins.entry(name(*place)).or_default().insert(key.clone(), origin);
    }
    let touched: Vec<&Policy> = resolved
        .wanted
        .iter()
        .map(|(policy, _)| policy)
        .filter(|p| origins.contains_key(p.name()) || in_force.origins.contains_key(p.name()))
        .collect();
    let before: Vec<_> = touched.iter().map(|policy| policy.settings()).collect();
    prepared.commit();
    let changes: Vec<Change> = touched
        .iter()
        .zip(before)
        .flat_map(|(policy, before)| changes(policy.name(), &before, &policy.settings()))
        .collect();
    let names = documents.iter().flat_map(Document::names).map(str::to_owned).collect();
    *in_force = InForce { documents: documents.clone(), names, origins };
    drop(in_force);
    prepared.wake();
    Ok((changes, resolved.left_on.clone()))
}

/// The documents, the weakest first.
fn documents(source: &str, text: &str) -> (Vec<Document>, Vec<ConfigMistake>) {
    let (document, mut wrong) = Document::read(source, text);
    let mut documents = vec![document];
    match std::env::var(VARIABLE) {
        Ok(text) => {
            let (document, more) = Document::read(VARIABLE, &text);
            documents.push(document);
            wrong.extend(more);
        }
        Err(std::env::VarError::NotPresent) => {}
        Err(std::env::VarError::NotUnicode(_)) => {
            wrong.push(ConfigMistake::new(VARIABLE, (0, 0), "is no UTF-8 text"));
        }
    }
    (documents, wrong)
}

/// What could be read, held against the policies, where nothing is wrong with either.
fn resolved<'d>(
    documents: &'d [Document],
    policies: Vec<Policy>,
    once: &HashSet<String>,
    mut wrong: Vec<ConfigMistake>,
) -> Result<Resolved<'d>, ConfigError> {
    match Resolved::of(documents, policies, once) {
        Ok(resolved) if wrong.is_empty() => Ok(resolved),
        Ok(_) => Err(ConfigError::of(wrong)),
        Err(more) => {
            wrong.extend(more);
            Err(ConfigError::of(wrong))
        }
    }
}

/// A pipeline that was built after its values were put in force gets them as well; where it cannot have them, that is told, and
/// it stays as it was built.
fn configure_new(policy: &Policy) {
    // What others want of something that it shares with them concerns it as well.
    let is_empty = in_force().documents.iter().all(|document| document.entries.is_empty());
    let done = if policy.may_share() && !is_empty {
        enforce(None).map(drop)
    } else {
        configure_alone(policy)
    };
    if let Err(error) = done {
        let (policy, error) = (policy.name(), error.to_string());
        error!(target: "mmf::config", policy, error, "configuration refused, and this pipeline stays as it was built");
    }
}

fn configure_alone(policy: &Policy) -> Result<(), ConfigError> {
    let mut in_force = in_force();
    // Of one of the same name that is gone.
    in_force.origins.remove(policy.name());
    // Names and globs are of other policies here.
    let documents: Vec<_> = in_force
        .documents
        .iter()
        .map(|document| Document { tables: Vec::new(), ..document.clone() })
        .collect();
    let resolved = resolved(&documents, vec![policy.clone()], &HashSet::new(), Vec::new())?;
    let prepared = prepare(&resolved.wanted).map_err(|r| ConfigError::of(resolved.mistakes(&r)))?;
    prepared.commit();
    in_force.origins.extend(resolved.origins());
    drop(in_force);
    prepared.wake();
    Ok(())
}

fn changes(policy: &str, before: &[Setting], after: &[Setting]) -> Vec<Change> {
    let value = |settings: &[Setting], key: &str| {
        let setting = settings.iter().find(|setting| setting.key == key)?;
        Some(setting.value.clone())
    };
    let gone = before.iter().filter(|setting| value(after, setting.key).is_none());
    let mut keys: Vec<_> = after.iter().chain(gone).map(|setting| setting.key).collect();
    keys.sort_unstable();
    let change = |key: &'static str| {
        let (before, after) = (value(before, key), value(after, key));
        (before != after).then(|| Change {
            policy: policy.to_owned().into(),
            key: key.to_owned(),
            before: before.as_ref().map(written),
            after: after.as_ref().map(written),
        })
    };
    keys.into_iter().filter_map(change).collect()
}

/// One event with what has changed: of very many, the first ones and how many more there are. What a glob or the defaults were to
/// turn off and could not is another.
fn tell(source: &str, changes: &[Change], left_on: &[String]) {
    if !left_on.is_empty() {
        let policies = some_of(left_on);
        warn!(target: "mmf::config", source, policies, "these policies cannot be turned off and stay on");
    }
    if !changes.is_empty() {
        let (count, changes) = (changes.len(), some_of(changes));
        info!(target: "mmf::config", source, count, changes, "configuration changed");
    }
}

fn some_of(all: &[impl fmt::Display]) -> String {
    const MOST_TOLD: usize = 100;
    let mut text: Vec<_> = all.iter().take(MOST_TOLD).map(ToString::to_string).collect();
    if all.len() > MOST_TOLD {
        text.push(format!("and {} more", all.len() - MOST_TOLD));
    }
    text.join("; ")
}
