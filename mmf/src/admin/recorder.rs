//! The flight recorder: the last events of all policies, written only when something goes wrong.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use mmf_runtime::resilience::{
    BreakerState, CircuitBreaker, Event, FailureText, Observer, Policy, Refusal, observe, policies,
};
use serde::Serialize;
use tracing::warn;

use super::time::now;

/// The kind of what a breaker does.
const BREAKER: &str = "breaker";
/// So many are kept.
const MOST: usize = 1000;
/// Of so many policies it is known since when they are in trouble.
const MOST_TROUBLES: usize = 10_000;
/// So many are told when a breaker opens, at most once in a while.
const MOST_TOLD: usize = 20;
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// The same again within this time, in milliseconds, is one event.
const GATHERED: u64 = 10_000;

/// What went wrong, or changed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Recorded {
    /// It grows. One that is missing was gathered into a later one, or is one of those that are too many.
    pub(super) number: u64,
    /// When it happened last, in milliseconds since 1970.
    pub(super) at: u64,
    /// When the first of those happened that are gathered here.
    pub(super) since: u64,
    pub(super) policy: String,
    /// `failed`, `retry`, `exhausted`, a kind of refusal, `hedge`, `fallback`, `breaker` or `evicted`.
    pub(super) kind: &'static str,
    pub(super) text: String,
    /// How often the same came since its breaker changed, of which this is the last.
    pub(super) times: u64,
}

/// Since when something is wrong, and with what.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Trouble {
    /// When its breaker left the closed state, in milliseconds since 1970; none while it is closed.
    pub(super) since: Option<u64>,
    /// What a call failed with last.
    pub(super) error: Option<String>,
    /// When that was.
    pub(super) error_at: Option<u64>,
}

#[derive(Debug)]
struct Recorder;

#[derive(Default)]
struct Ring {
    events: BTreeMap<u64, Recorded>,
    /// By policy and kind, the number of the event that the next of its kind is gathered into.
    open: HashMap<String, HashMap<&'static str, u64>>,
    troubles: HashMap<String, Trouble>,
    number: u64,
    told: Option<Instant>,
}

/// Under its lock texts are moved and copied, and nothing else: what falls out is dropped after.
static RING: LazyLock<Mutex<Ring>> = LazyLock::new(Mutex::default);

fn ring() -> MutexGuard<'static, Ring> {
    RING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records from now on.
pub(super) fn record() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| observe(&Recorder));
}

fn is_of(event: &Recorded, of: &[&str]) -> bool {
    of.is_empty() || of.contains(&event.policy.as_str())
}

/// The first events after a number, the oldest first; of these names where there are any.
pub(super) fn after(number: u64, of: &[&str], most: usize) -> Vec<Recorded> {
    let ring = ring();
    let later = ring.events.range(number.saturating_add(1)..).map(|(_, event)| event);
    later.filter(|event| is_of(event, of)).take(most).cloned().collect()
}

/// The last events, the oldest first; of these names where there are any.
pub(super) fn last(of: &[&str], most: usize) -> Vec<Recorded> {
    let ring = ring();
    let all = ring.events.values().rev().filter(|event| is_of(event, of));
    let mut events: Vec<_> = all.take(most).cloned().collect();
    events.reverse();
    events
}

/// When the last event of each policy was.
pub(super) fn times() -> HashMap<String, u64> {
    ring().events.values().map(|event| (event.policy.clone(), event.at)).collect()
}

/// What is wrong with a policy, by these names.
pub(super) fn trouble(of: &[&str]) -> Trouble {
    let ring = ring();
    let mut all = Trouble::default();
    for trouble in of.iter().filter_map(|name| ring.troubles.get(*name)) {
        all.since = all.since.into_iter().chain(trouble.since).min();
        if trouble.error_at > all.error_at {
            all.error.clone_from(&trouble.error);
            all.error_at = trouble.error_at;
        }
    }
    all
}

/// Those that go by a breaker. One whose policies are not built yet goes by none, and is not built for this: what the user wrote
/// as values would be asked in the midst of a call.
fn going_by(breaker: &str) -> Vec<Policy> {
    let mut all = policies();
    all.retain(|policy| {
        policy.is_built()
            && policy.breaker().is_some_and(|own| CircuitBreaker::name(own) == breaker)
    });
    all
}

impl Ring {
    /// Adds an event, gathered with others of its policy and kind; what falls out.
    fn add(&mut self, mut new: Recorded) -> Option<Recorded> {
        self.number += 1;
        new.number = self.number;
        let open = self.open.get(&new.policy).and_then(|own| own.get(new.kind).copied());
        let same = open.filter(|_| new.kind != BREAKER);
        let same = same.and_then(|number| self.events.get(&number));
        let gathered = same.filter(|same| new.at.saturating_sub(same.at) < GATHERED);
        // An open breaker refuses a thousand calls a second: that would push out why it opened.
        let gone = match gathered.map(|same| same.number) {
            Some(number) => {
                let same = self.events.remove(&number);
                if let Some(same) = &same {
                    new.times += same.times;
                    new.since = same.since;
                }
                same
            }
            None if self.events.len() >= MOST => {
                let first = self.events.pop_first().map(|(_, event)| event);
                if let Some(first) = &first
                    && let Some(own) = self.open.get_mut(&first.policy)
                {
                    own.retain(|_, number| *number != first.number);
                    if own.is_empty() {
                        self.open.remove(&first.policy);
                    }
                }
                first
            }
            None => None,
        };
        if new.kind != BREAKER {
            self.open.entry(new.policy.clone()).or_default().insert(new.kind, new.number);
        }
        self.events.insert(new.number, new);
        gone
    }

    fn trouble_of(&mut self, policy: &str) -> Option<&mut Trouble> {
        if !self.troubles.contains_key(policy) {
            if self.troubles.len() >= MOST_TROUBLES {
                return None;
            }
            self.troubles.insert(policy.to_owned(), Trouble::default());
        }
        self.troubles.get_mut(policy)
    }

    fn error(&mut self, policy: &str, text: &str, at: u64) {
        if let Some(trouble) = self.trouble_of(policy) {
            trouble.error = Some(text.to_owned());
            trouble.error_at = Some(at);
        }
    }
}

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        let mut error = None;
        let (policy, kind, text) = match event {
            Event::Failed { policy, error: failed, .. } => {
                let text = text_of(failed);
                error = Some(text.clone());
                (*policy, "failed", text)
            }
            Event::Retry { policy, attempt, delay, error: failed, .. } => {
                let text = text_of(failed);
                let told = format!(
                    "attempt {attempt} failed, the next in {} ms: {text}",
                    delay.as_millis()
                );
                error = Some(text);
                (*policy, "retry", told)
            }
            Event::Exhausted { policy, attempt, reason, error: failed, .. } => {
                let text = text_of(failed);
                let told = format!("attempt {attempt} was the last, by {reason}: {text}");
                error = Some(text);
                (*policy, "exhausted", told)
            }
            Event::Refused { refusal, .. } => {
                let kind = refused_by(refusal.refusal());
                let text = refusal.to_string();
                let own =
                    text.strip_prefix(refusal.policy()).and_then(|own| own.strip_prefix(": "));
                // How long it is until then is another each time.
                let own = own.unwrap_or(&text).split(", retry after").next().unwrap_or_default();
                if matches!(refusal.refusal(), Refusal::Timeout | Refusal::Deadline) {
                    error = Some(own.to_owned());
                }
                (refusal.policy(), kind, own.to_owned())
            }
            Event::Hedge { policy, copy, .. } => (*policy, "hedge", format!("copy {copy}")),
            Event::Fallback { policy, error, .. } => {
                (*policy, "fallback", format!("it answers for: {}", text_of(error)))
            }
            Event::BreakerChanged { policy, key, from, to, cause, .. } => {
                let key = key.map(|key| format!("[{key}] ")).unwrap_or_default();
                (*policy, BREAKER, format!("{key}{from} → {to}: {cause}"))
            }
            Event::Evicted { policy, key, .. } => (*policy, "evicted", format!("key {key}")),
            _ => return,
        };
        let at = now();
        let policy_name = policy.to_owned();
        let new = Recorded { number: 0, at, since: at, policy: policy_name, kind, text, times: 1 };
        let Event::BreakerChanged { key, to, .. } = event else {
            let mut ring = ring();
            let gone = ring.add(new);
            if let Some(error) = error {
                ring.error(policy, &error, at);
            }
            drop(ring);
            drop(gone);
            return;
        };
        let users = going_by(policy);
        let names: Vec<_> = users.iter().map(Policy::name).chain([policy]).collect();
        let mut ring = ring();
        let gone = ring.add(new);
        // What came before it stays before it.
        let closed: Vec<_> = names.iter().filter_map(|name| ring.open.remove(*name)).collect();
        if key.is_none()
            && let Some(trouble) = ring.trouble_of(policy)
        {
            let is_well = matches!(to, BreakerState::Closed);
            trouble.since = if is_well { None } else { trouble.since.or(Some(at)) };
        }
        let tells = matches!(to, BreakerState::Open)
            && ring.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
        if tells {
            ring.told = Some(Instant::now());
        }
        drop(ring);
        drop((gone, closed));
        if tells {
            let last = last(&names, MOST_TOLD);
            let texts = last.iter().map(|event| {
                let Recorded { kind, text, times, .. } = event;
                format!("{times} × {kind}: {text}")
            });
            let events = texts.collect::<Vec<_>>().join("; ");
            warn!(target: "mmf::admin", policy, events, "a breaker opened: what came before");
        }
    }
}

/// What something failed with, as far as it goes on a line.
fn text_of(error: &FailureText<'_>) -> String {
    const MOST_BYTES: usize = 500;
    let mut text = Cut { text: String::new(), left: MOST_BYTES, is_cut: false };
    // It fails where it is cut, or by what the user wrote: what there is by then is told.
    let written = catch_unwind(AssertUnwindSafe(|| write!(text, "{error}")));
    if written.is_err() {
        text.text.push_str(" (its text panicked)");
    } else if text.is_cut {
        text.text.push('…');
    }
    text.text
}

/// Takes so many bytes of a text, and no more of it is made.
struct Cut {
    text: String,
    left: usize,
    is_cut: bool,
}

impl Write for Cut {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.is_cut {
            return Err(fmt::Error);
        }
        let taken = &more[..more.floor_char_boundary(self.left)];
        self.text.push_str(taken);
        self.left -= taken.len();
        self.is_cut = taken.len() < more.len();
        if self.is_cut { Err(fmt::Error) } else { Ok(()) }
    }
}

/// A refusal by an open breaker is another kind than a change of it.
fn refused_by(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Breaker => "refused",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(policy: &str, kind: &'static str, at: u64) -> Recorded {
        let (policy, text) = (policy.to_owned(), format!("at {at}"));
        Recorded { number: 0, at, since: at, policy, kind, text, times: 1 }
    }

    #[test]
    fn the_same_again_is_one_however_many_others_come_between() {
        let mut ring = Ring::default();
        for at in 0..50 {
            for policy in 0..300 {
                ring.add(event(&format!("p{policy}"), "refused", at));
            }
        }
        assert_eq!(ring.events.len(), 300);
        let first = ring.events.values().next().unwrap();
        assert_eq!((first.times, first.since, first.at), (50, 0, 49));
        // After a while it is another one.
        ring.add(event("p0", "refused", 49 + GATHERED));
        assert_eq!(ring.events.len(), 301);
        // What a breaker does is told one by one.
        (0..3).for_each(|at| drop(ring.add(event("p0", BREAKER, at))));
        assert_eq!(ring.events.len(), 304);
    }

    #[test]
    fn a_thousand_are_kept_and_those_that_are_gone_are_forgotten() {
        let mut ring = Ring::default();
        let gone = (0..1500).filter_map(|at| ring.add(event(&format!("p{at}"), "failed", at)));
        assert_eq!(gone.count(), 500);
        assert_eq!((ring.events.len(), ring.open.len()), (MOST, MOST));
        assert_eq!(ring.events.keys().next(), Some(&501));
    }

    #[test]
    fn a_text_is_cut_where_it_is_long_and_one_that_panics_is_told() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                while f.write_str("ä is two bytes; ").is_ok() {}
                // One that does not mind.
                let _ = f.write_str("and more");
                Ok(())
            }
        }
        struct Panicking;
        impl fmt::Display for Panicking {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no")?;
                panic!("a text");
            }
        }
        let of = |text: &dyn fmt::Display| {
            let mut cut = Cut { text: String::new(), left: 500, is_cut: false };
            let written = catch_unwind(AssertUnwindSafe(|| write!(cut, "{text}")));
            (cut, written.is_ok())
        };
        let (cut, _) = of(&Endless);
        assert!(cut.is_cut && (499..=500).contains(&cut.text.len()) && !cut.text.contains("more"));
        let (cut, is_ok) = of(&Panicking);
        assert_eq!((cut.text.as_str(), is_ok), ("no", false));
        let (cut, is_ok) = of(&"x".repeat(500));
        assert!(!cut.is_cut && is_ok, "it just fits");
    }
}
