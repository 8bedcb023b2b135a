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
use super::setting::Values;
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

impl<'w> Step<'w> {
    /// One after which nobody is to be woken.
    fn quiet(commit: impl Fn() + 'w) -> Self {
        Self { commit: Box::new(commit), wake: Box::new(|| {}) }
    }
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
                steps.push(Step::quiet(move || live.set(tuning.clone())));
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
            steps.push(Step::quiet(move || gate.go_by(level)));
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
