//! The one way in which values of policies change while the program runs: prepared, all of them, and then put in force.
//!
//! What a call goes by for as long as it runs is a block of its policy's own; what belongs to all calls, such as the rules of
//! a breaker, is one of the breaker's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use mmf_rules::value::Value;

use super::breaker::CircuitBreaker;
use super::budget::RetryBudget;
use super::bulkhead::Bulkhead;
use super::error::{Refusal, Refusals};
use super::fallback::StaleValues;
use super::feature::DegradationLevel;
use super::hedge::HedgePolicy;
use super::invalid::{InvalidPolicy, Mistake};
use super::keyed::{Keyed, OfKey};
use super::rate_limit::RateLimiter;
use super::registry::{Policy, Shown};
use super::retry::RetryPolicy;
use super::setting::{Setting, Values};
use super::tuning::{Tuned, Tuning};

/// A policy, and the values that it is to have in place of those in its code, by their whole keys.
pub type Wanted = (Policy, BTreeMap<String, Value>);

/// A value that a policy cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Which of those that were wanted.
    pub place: usize,
    /// The whole key.
    pub key: String,
    /// What is wrong, and what to write.
    pub message: String,
}

/// Changes that can be put in force: nothing of it can fail.
pub struct Prepared<'w> {
    steps: Vec<Step<'w>>,
    shared: Vec<SharedValue>,
}

/// A value that a policy gets since another one wants it, with which it shares what it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedValue {
    /// Which of those that were wanted gets it.
    pub place: usize,
    /// The whole key.
    pub key: String,
    /// Which of them wants it.
    pub from: usize,
}

struct Step<'w> {
    commit: Box<dyn Fn() + 'w>,
    wake: Box<dyn Fn() + 'w>,
}

impl Prepared<'_> {
    /// Puts all of it in force. No code of the user's runs.
    pub fn commit(&self) {
        self.steps.iter().for_each(|step| (step.commit)());
    }

    /// What policies get by way of others.
    pub fn shared(&self) -> &[SharedValue] {
        &self.shared
    }

    /// Wakes those that wait for what may have come free by it: their wakers are the user's, so no lock should be held.
    pub fn wake(&self) {
        self.steps.iter().for_each(|step| (step.wake)());
    }
}

impl std::fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("steps", &self.steps.len()).finish()
    }
}

/// Prepares all of these changes.
///
/// # Errors
///
/// Everything that is wrong with them.
pub fn prepare(wanted: &[Wanted]) -> Result<Prepared<'_>, Vec<Rejected>> {
    let (mut steps, mut rejected) = (Vec::new(), Vec::new());
    let mut shared = Shared::default();
    for (place, (policy, values)) in wanted.iter().enumerate() {
        let reject = |(key, message): (String, String)| Rejected { place, key, message };
        let wrong: Vec<_> = values
            .keys()
            .filter_map(|key| Some((key.clone(), policy.accepts(key).err()?)))
            .map(reject)
            .collect();
        if !wrong.is_empty() {
            rejected.extend(wrong);
            continue;
        }
        let shown = policy.shown();
        match tuning(&shown, values) {
            Ok(tuning) => {
                let (live, tuning) = (&shown.tuning.live, tuning.map(Arc::new));
                let commit = Box::new(move || live.set(tuning.clone()));
                steps.push(Step { commit, wake: Box::new(|| {}) });
            }
            Err(wrong) => rejected.extend(wrong.into_iter().map(|m| reject((m.key, m.message)))),
        }
        let own = || shown.tuning.budget.get().map(Arc::as_ref);
        shared.add(place, "retry", shown.retry.and_then(RetryPolicy::budget).or_else(own), values);
        shared.add(place, "hedge", shown.hedge.map(HedgePolicy::budget), values);
        shared.add(place, "breaker", shown.breaker, values);
        shared.add(place, "breaker", shown.breakers, values);
        shared.add(place, "rate_limit", shown.rate_limit, values);
        shared.add(place, "rate_limit", shown.rate_limits, values);
        shared.add(place, "bulkhead", shown.bulkhead, values);
        shared.add(place, "bulkhead", shown.bulkheads, values);
        shared.add(place, "fallback", shown.stale, values);
        if let Some(gate) = shown.feature {
            let level = values.get("disable_at").and_then(|value| match value {
                Value::Word(word) => word.parse::<DegradationLevel>().ok(),
                _ => None,
            });
            let commit = Box::new(move || gate.go_by(level));
            steps.push(Step { commit, wake: Box::new(|| {}) });
        }
    }
    let shared = shared.prepare(wanted, &mut steps, &mut rejected);
    if rejected.is_empty() { Ok(Prepared { steps, shared }) } else { Err(rejected) }
}

/// What belongs to all calls of a policy, and perhaps to those of several.
trait Configured {
    type Block: Clone;
    fn prepare(&self, values: &Values<'_>) -> Result<Self::Block, InvalidPolicy>;
    fn go_by(&self, block: Option<Self::Block>);
    fn wake(&self) {}
}

macro_rules! configured {
    ($($policy:ty: $block:ty $(, $wake:ident)?;)*) => {
        $(impl Configured for $policy {
            type Block = Arc<$block>;

            fn prepare(&self, values: &Values<'_>) -> Result<Self::Block, InvalidPolicy> {
                <$policy>::prepare(self, values)
            }

            fn go_by(&self, block: Option<Self::Block>) {
                <$policy>::go_by(self, block);
            }

            $(fn wake(&self) {
                self.$wake();
            })?
        })*
    };
}

configured! {
    CircuitBreaker: super::breaker::Config;
    RateLimiter: super::rate_limit::Limits, wake_waiting;
    Bulkhead: super::bulkhead::Sizes, admit_waiting;
    RetryBudget: u64;
    StaleValues: super::fallback::Bounds;
}

impl<P: OfKey> Configured for Keyed<P> {
    type Block = super::keyed::ByTemplate<P>;

    fn prepare(&self, values: &Values<'_>) -> Result<Self::Block, InvalidPolicy> {
        Self::prepare(self, values)
    }

    fn go_by(&self, block: Option<Self::Block>) {
        self.reconfigure(block.as_ref());
    }

    fn wake(&self) {
        self.wake_waiting();
    }
}

/// What several policies may share, each once, with who has it.
#[derive(Default)]
struct Shared<'w> {
    places: HashMap<usize, usize>,
    all: Vec<Object<'w>>,
}

type Prepare<'w> = dyn Fn(&Values<'_>) -> Result<Step<'w>, InvalidPolicy> + 'w;

struct Object<'w> {
    group: &'static str,
    users: Vec<usize>,
    /// Each value, and who wants it.
    values: BTreeMap<&'w str, (&'w Value, usize)>,
    /// Two that want another one.
    conflicts: Vec<(&'w str, usize, usize)>,
    prepare: Box<Prepare<'w>>,
}

impl<'w> Shared<'w> {
    fn add<P: Configured>(
        &mut self,
        place: usize,
        group: &'static str,
        policy: Option<&'w P>,
        values: &'w BTreeMap<String, Value>,
    ) {
        let Some(policy) = policy else { return };
        let address = std::ptr::from_ref(policy) as usize;
        let at = *self.places.entry(address).or_insert(self.all.len());
        if at == self.all.len() {
            let prepare = move |values: &Values<'_>| {
                let block = if values.is_empty() { None } else { Some(policy.prepare(values)?) };
                let commit = Box::new(move || policy.go_by(block.clone()));
                Ok(Step { commit, wake: Box::new(|| policy.wake()) })
            };
            self.all.push(Object {
                group,
                users: Vec::new(),
                values: BTreeMap::new(),
                conflicts: Vec::new(),
                prepare: Box::new(prepare),
            });
        }
        let object = &mut self.all[at];
        object.users.push(place);
        for (key, value) in values.iter().filter(|(key, _)| is_shared(group, key)) {
            match object.values.get(key.as_str()) {
                Some((other, first)) if *other != value => {
                    object.conflicts.push((key, *first, place));
                }
                Some(_) => {}
                None => {
                    object.values.insert(key, (value, place));
                }
            }
        }
    }

    fn prepare(
        self,
        wanted: &[Wanted],
        steps: &mut Vec<Step<'w>>,
        rejected: &mut Vec<Rejected>,
    ) -> Vec<SharedValue> {
        let mut shared = Vec::new();
        for object in self.all {
            let group = object.group;
            for (key, first, second) in object.conflicts {
                let (one, other) = (wanted[first].0.name(), wanted[second].0.name());
                let what = if matches!(group, "retry" | "hedge") { "budget" } else { group };
                let message = format!(
                    "`{one}` and `{other}` share one {what}: give both the same `{key}`, or one of them none"
                );
                rejected.push(Rejected { place: second, key: key.into(), message });
            }
            for (key, (_, from)) in &object.values {
                let others = object.users.iter().filter(|place| **place != *from);
                let getting = others.filter(|place| !wanted[**place].1.contains_key(*key));
                shared.extend(getting.map(|place| SharedValue {
                    place: *place,
                    key: (*key).to_owned(),
                    from: *from,
                }));
            }
            let values =
                Values::of(group, object.values.iter().map(|(key, (value, _))| (*key, *value)));
            match (object.prepare)(&values) {
                Ok(step) => steps.push(step),
                Err(invalid) => rejected.extend(invalid.mistakes().iter().map(|mistake| {
                    let key = whole(group, &mistake.key);
                    let of_key = object.values.get(key.as_str()).map(|(_, place)| *place);
                    let first = object.values.values().map(|(_, place)| *place).next();
                    let place = of_key.or(first).unwrap_or(object.users[0]);
                    Rejected { place, key, message: mistake.message.clone() }
                })),
            }
        }
        shared
    }
}

/// Whether a value belongs to the object that the group stands for, and not to each call.
fn is_shared(group: &str, key: &str) -> bool {
    let own = key.strip_prefix(group).and_then(|key| key.strip_prefix('.'));
    own.is_some_and(|own| match group {
        "retry" | "hedge" => own == "budget",
        _ => !matches!(own, "enabled" | "on_refusal"),
    })
}

/// The whole key of one that a rule names.
fn whole(group: &str, key: &str) -> String {
    match (group, key) {
        ("bulkhead", "min" | "max" | "algorithm") => format!("bulkhead.adaptive.{key}"),
        ("fallback", "max_age" | "capacity") => format!("fallback.stale.{key}"),
        _ => format!("{group}.{key}"),
    }
}

/// What calls are to go by, where anything of that is changed.
fn tuning(
    shown: &Shown<'_>,
    values: &BTreeMap<String, Value>,
) -> Result<Option<Tuning>, Vec<Mistake>> {
    let own = |key: &str| match key.split_once('.') {
        None => key != "disable_at",
        Some(("retry" | "hedge", _)) => true,
        Some((_, key)) => matches!(key, "enabled" | "on_refusal"),
    };
    let own: Vec<_> = values.iter().filter(|(key, _)| own(key)).collect();
    if own.is_empty() {
        return Ok(None);
    }
    let mut wrong = Vec::new();
    let is_off = |group: &str| {
        let key = if group.is_empty() { "enabled".to_owned() } else { format!("{group}.enabled") };
        matches!(values.get(&key), Some(Value::Flag(false)))
    };
    let time = |key: &str| match values.get(key) {
        Some(Value::Time(time)) => Some(*time),
        _ => None,
    };
    let refusals = |group: &str| match values.get(&format!("{group}.on_refusal")) {
        Some(Value::Words(words)) => Some(Refusals::of_words(words)),
        _ => None,
    };
    if is_off("") && !shown.carries_refusals {
        let [.., answered] = shown.refusals;
        let answered = refusals("fallback").or(answered).unwrap_or(Refusals::ALL);
        if is_off("fallback") || !answered.contains(Refusal::Feature) {
            let message = "a policy without its fallback cannot be turned off where its error carries no refusal: a call that \
                           is not made could neither be refused nor answered";
            wrong.push(Mistake::new("enabled", message));
        }
    }
    wrong.extend(limits(shown, time("deadline"), time("timeout")));
    let of = |group: &str| Values::of(group, own.iter().map(|(k, v)| (k.as_str(), *v)));
    let retry = shown
        .retry
        .map(|built| changed(&of("retry"), |own| built.prepare(own, &shown.tuning.budget)))
        .transpose();
    let hedge = shown
        .hedge
        .map(|built| changed(&of("hedge"), |own| built.prepare(own, &shown.tuning.latency)))
        .transpose();
    for (group, invalid) in [("retry", retry.as_ref().err()), ("hedge", hedge.as_ref().err())] {
        let mistakes = invalid.into_iter().flat_map(InvalidPolicy::mistakes);
        wrong.extend(mistakes.map(|m| Mistake::new(whole(group, &m.key), m.message.clone())));
    }
    let (true, Ok(retry), Ok(hedge)) = (wrong.is_empty(), retry, hedge) else {
        return Err(wrong);
    };
    Ok(Some(Tuning {
        values: own.iter().map(|(key, value)| ((*key).clone(), (*value).clone())).collect(),
        is_off: is_off(""),
        deadline: time("deadline"),
        timeout: time("timeout"),
        retry: if is_off("retry") { Tuned::Off } else { retry.unwrap_or_default() },
        hedge: if is_off("hedge") { Tuned::Off } else { hedge.unwrap_or_default() },
        without_breaker: is_off("breaker"),
        without_rate_limit: is_off("rate_limit"),
        without_bulkhead: is_off("bulkhead"),
        without_fallback: is_off("fallback"),
        retried: refusals("retry"),
        failures: refusals("breaker"),
        answered: refusals("fallback"),
    }))
}

/// What is wrong with the limits of calls and attempts.
fn limits(
    shown: &Shown<'_>,
    deadline: Option<Duration>,
    timeout: Option<Duration>,
) -> Vec<Mistake> {
    let given = [("deadline", deadline), ("timeout", timeout)];
    let none = given.into_iter().filter_map(|(key, time)| mmf_rules::positive(key, time?).err());
    let mut broken: Vec<_> = none.collect();
    if let (true, Some(deadline), Some(timeout)) =
        (broken.is_empty(), deadline.or(shown.deadline), timeout.or(shown.timeout))
    {
        broken.extend(mmf_rules::timeout(timeout, deadline).err());
    }
    broken.into_iter().map(|broken| Mistake::new(broken.key, broken.message)).collect()
}

/// What a call goes by, where one of its values is another.
fn changed<P>(
    values: &Values<'_>,
    prepare: impl FnOnce(&Values<'_>) -> Result<P, InvalidPolicy>,
) -> Result<Tuned<P>, InvalidPolicy> {
    if values.keys().any(|key| !matches!(key, "enabled" | "on_refusal")) {
        prepare(values).map(Tuned::By)
    } else {
        Ok(Tuned::AsBuilt)
    }
}

impl Policy {
    /// Whether it has something that this key, as a whole, sets from outside; otherwise, what to write in its code.
    pub fn accepts(&self, key: &str) -> Result<(), String> {
        let (shown, name) = (self.shown(), self.name());
        let (group, own) = key.split_once('.').unwrap_or((key, ""));
        if shown.local.contains(&group) && !matches!(own, "enabled" | "on_refusal") {
            return Err(format!(
                "the `{group}` of `{name}` depends on each call, so that it can be changed in the code alone ({})",
                self.location()
            ));
        }
        let is_local = shown.local.contains(&group);
        let has = match group {
            "enabled" if shown.carries_refusals || shown.has_value => true,
            "enabled" => return Err(self.cannot_stop()),
            "deadline" => shown.deadline.is_some(),
            "timeout" => shown.timeout.is_some(),
            "retry" => is_local || shown.retry.is_some(),
            "hedge" => is_local || shown.hedge.is_some(),
            "breaker" => is_local || shown.breaker.is_some() || shown.breakers.is_some(),
            "rate_limit" => is_local || shown.rate_limit.is_some() || shown.rate_limits.is_some(),
            "bulkhead" => is_local || shown.bulkhead.is_some() || shown.bulkheads.is_some(),
            "fallback" => shown.has_fallback,
            "disable_at" if shown.feature.is_some() => true,
            "disable_at" => {
                let write = "feature = \"recommendations\", disable_at = …";
                return Err(self.lacks("feature", write));
            }
            _ => false,
        };
        if !has {
            return Err(self.has_no(group, own));
        }
        let by_key = match group {
            "breaker" => shown.breakers.is_some(),
            "rate_limit" => shown.rate_limits.is_some(),
            "bulkhead" => shown.bulkheads.is_some(),
            _ => true,
        };
        if own == "max_keys" && !by_key {
            return Err("`max_keys` does nothing without `key(…)`".into());
        }
        let inner = match own.split_once('.') {
            Some(("adaptive", _)) => Some(("bulkhead(adaptive)", self.is_adaptive())),
            Some(("stale", _)) => Some(("fallback(stale(key(…)))", shown.stale.is_some())),
            _ => None,
        };
        match inner {
            Some((write, false)) => Err(self.lacks(own.split('.').next().unwrap_or(own), write)),
            _ => Ok(()),
        }
    }

    fn cannot_stop(&self) -> String {
        format!(
            "`{}` cannot be turned off, as a call that is not made could neither be refused nor answered: none of its policies \
             refuses, so write `refused(…)` in its attribute, which says how a refusal becomes an error, or a \
             `fallback(value(…))` ({})",
            self.name(),
            self.location()
        )
    }

    fn is_adaptive(&self) -> bool {
        self.settings().iter().any(|setting| setting.key.starts_with("bulkhead.adaptive."))
    }

    fn has_no(&self, group: &str, own: &str) -> String {
        let write = if own.is_empty() || own == "enabled" {
            if own.is_empty() { format!("{group} = …") } else { group.to_owned() }
        } else {
            format!("{group}({own} = …)")
        };
        self.lacks(group, &write)
    }

    fn lacks(&self, group: &str, write: &str) -> String {
        let (name, location) = (self.name(), self.location());
        if self.is_pipeline() {
            let hint = match group {
                "fallback" | "stale" => "a pipeline's fallback is said at each call".to_owned(),
                group => format!("call `.{group}(…)` on its builder"),
            };
            return format!("`{name}` has no `{group}`: {hint} ({location})");
        }
        format!("`{name}` has no `{group}`: write `{write}` in its attribute ({location})")
    }

    /// Every value that it goes by now.
    ///
    /// ```
    /// # use mmf_runtime as mmf;
    /// use std::time::Duration;
    /// use mmf::resilience::Pipeline;
    ///
    /// let users = Pipeline::builder("users.settings").timeout(Duration::from_secs(2)).build();
    /// let [timeout] = &users.policy().settings()[..] else { panic!() };
    /// assert_eq!((timeout.key, timeout.value.to_string()), ("timeout", "\"2s\"".into()));
    /// ```
    pub fn settings(&self) -> Vec<Setting> {
        let shown = self.shown();
        let tuning = shown.tuning.get();
        let mut settings = Vec::new();
        let off = |group: &str| -> Option<Setting> {
            let key = OFF.into_iter().find(|key| key.strip_suffix("enabled") == Some(group))?;
            let values = tuning.map(|tuning| tuning.values.as_slice()).unwrap_or_default();
            let (_, value) = values.iter().find(|(other, _)| other == key)?;
            Some(Setting { key, value: value.clone(), is_written: true })
        };
        settings.extend(off(""));
        let limit = |key, built: Option<Duration>, tuned: Option<Duration>| {
            let value = Value::Time(tuned.or(built)?);
            Some(Setting { key, value, is_written: true })
        };
        settings.extend(limit("deadline", shown.deadline, tuning.and_then(|t| t.deadline)));
        settings.extend(limit("timeout", shown.timeout, tuning.and_then(|t| t.timeout)));
        let [retried, failures, answered] = shown.refusals;
        let refusals =
            |key, written: Option<Refusals>, tuned: Option<Refusals>, default: Refusals| {
                let value = Value::Words(tuned.or(written).unwrap_or(default).words());
                Setting { key, value, is_written: written.is_some() }
            };
        if shown.retry.is_some() || shown.local.contains(&"retry") {
            settings.extend(off("retry."));
            let now = shown.retry.map(|built| match tuning.map(|tuning| &tuning.retry) {
                Some(Tuned::By(policy)) => policy.settings(),
                _ => built.settings(),
            });
            settings.extend(now.unwrap_or_default());
            let tuned = tuning.and_then(|tuning| tuning.retried);
            settings.push(refusals("retry.on_refusal", retried, tuned, Refusals::RETRIED));
        }
        if shown.breaker.is_some() || shown.breakers.is_some() || shown.local.contains(&"breaker") {
            settings.extend(off("breaker."));
            settings.extend(shown.breaker.map(CircuitBreaker::settings).unwrap_or_default());
            settings.extend(shown.breakers.map(Keyed::settings).unwrap_or_default());
            let tuned = tuning.and_then(|tuning| tuning.failures);
            settings.push(refusals("breaker.on_refusal", failures, tuned, Refusals::FAILURES));
        }
        settings.extend(off("rate_limit."));
        settings.extend(shown.rate_limit.map(RateLimiter::settings).unwrap_or_default());
        settings.extend(shown.rate_limits.map(Keyed::settings).unwrap_or_default());
        settings.extend(off("bulkhead."));
        settings.extend(shown.bulkhead.map(Bulkhead::settings).unwrap_or_default());
        settings.extend(shown.bulkheads.map(Keyed::settings).unwrap_or_default());
        settings.extend(off("hedge."));
        let now = shown.hedge.map(|built| match tuning.map(|tuning| &tuning.hedge) {
            Some(Tuned::By(policy)) => policy.settings(),
            _ => built.settings(),
        });
        settings.extend(now.unwrap_or_default());
        if shown.has_fallback {
            settings.extend(off("fallback."));
            settings.extend(shown.stale.map(StaleValues::settings).into_iter().flatten());
            let tuned = tuning.and_then(|tuning| tuning.answered);
            settings.push(refusals("fallback.on_refusal", answered, tuned, Refusals::ALL));
        }
        settings.extend(shown.feature.and_then(super::feature::Gate::setting));
        settings
    }
}

/// What is turned off, where it is.
const OFF: [&str; 7] = [
    "enabled",
    "retry.enabled",
    "breaker.enabled",
    "rate_limit.enabled",
    "bulkhead.enabled",
    "hedge.enabled",
    "fallback.enabled",
];
