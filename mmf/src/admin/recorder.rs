//! The flight recorder: the last events of all policies, written only when something goes wrong.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use mmf_runtime::resilience::{
    BreakerState, Event, FailureText, Observer, Policy, Refusal, observe, policies,
};
use serde::Serialize;
use tracing::warn;

/// The kind of what a breaker does.
const BREAKER: &str = "breaker";
/// So many are kept.
const MOST: usize = 1000;
/// So many are told when a breaker opens, at most once in a while.
const MOST_TOLD: usize = 20;
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What went wrong, or changed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Recorded {
    /// From 1, without a gap: who has seen one asks for those after it.
    pub(super) number: u64,
    /// Milliseconds since 1970.
    pub(super) at: u64,
    pub(super) policy: String,
    /// `failed`, `retry`, `exhausted`, a kind of refusal, `hedge`, `fallback`, `breaker` or `evicted`.
    pub(super) kind: &'static str,
    pub(super) text: String,
    /// How often the same came in a row, of which this is the last.
    pub(super) times: u64,
}

#[derive(Debug)]
struct Recorder;

struct Ring {
    events: VecDeque<Recorded>,
    number: u64,
    told: Option<Instant>,
}

impl Ring {
    /// Where an event of the same policy and kind is that is not long ago, and after which its breaker has not changed.
    fn last_of(&self, new: &Recorded) -> Option<usize> {
        const MOST_LOOKS: usize = 64;
        const GATHERED: u64 = 10_000;
        let last = self.events.iter().enumerate().rev().take(MOST_LOOKS);
        let own = last.filter(|(_, event)| event.policy == new.policy);
        // What a breaker does and when it does it is told one by one.
        let mut since = own.take_while(|(_, event)| event.kind != BREAKER);
        let (place, last) = since.find(|(_, event)| event.kind == new.kind)?;
        let is_gathered = new.kind != BREAKER && new.at.saturating_sub(last.at) < GATHERED;
        is_gathered.then_some(place)
    }
}

/// Under its lock texts are moved and copied, and nothing else: what falls out is dropped after.
static RING: Mutex<Ring> = Mutex::new(Ring { events: VecDeque::new(), number: 0, told: None });

fn ring() -> MutexGuard<'static, Ring> {
    RING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records from now on.
pub(super) fn record() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| observe(&Recorder));
}

/// The events after a number, the oldest first; of these names where there are any.
pub(super) fn after(number: u64, of: &[&str], most: usize) -> Vec<Recorded> {
    let ring = ring();
    let fitting = ring.events.iter().rev().take_while(|event| event.number > number);
    let fitting = fitting.filter(|event| of.is_empty() || of.contains(&event.policy.as_str()));
    let mut events: Vec<_> = fitting.take(most).cloned().collect();
    events.reverse();
    events
}

/// When the last event of each policy was.
pub(super) fn last() -> HashMap<String, u64> {
    let ring = ring();
    ring.events.iter().map(|event| (event.policy.clone(), event.at)).collect()
}

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        let (policy, kind, text) = match event {
            Event::Failed { policy, error, .. } => (*policy, "failed", text_of(error)),
            Event::Retry { policy, attempt, delay, error, .. } => {
                let error = text_of(error);
                (
                    *policy,
                    "retry",
                    format!("attempt {attempt} failed, the next in {delay:?}: {error}"),
                )
            }
            Event::Exhausted { policy, attempt, reason, error, .. } => {
                let error = text_of(error);
                (
                    *policy,
                    "exhausted",
                    format!("attempt {attempt} was the last, by {reason}: {error}"),
                )
            }
            Event::Refused { refusal, .. } => {
                (refusal.policy(), refused_by(refusal.refusal()), refusal.to_string())
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
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let mut new = Recorded { number: 0, at, policy: policy.to_owned(), kind, text, times: 1 };
        let mut ring = ring();
        ring.number += 1;
        new.number = ring.number;
        // An open breaker refuses a thousand calls a second: that would push out why it opened.
        let gone = match ring.last_of(&new) {
            Some(place) => {
                new.times += ring.events[place].times;
                ring.events.remove(place)
            }
            None if ring.events.len() >= MOST => ring.events.pop_front(),
            None => None,
        };
        ring.events.push_back(new);
        let opened = matches!(event, Event::BreakerChanged { to: BreakerState::Open, .. });
        let tells = opened && ring.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
        if tells {
            ring.told = Some(Instant::now());
        }
        drop(ring);
        drop(gone);
        if tells {
            let all = policies();
            let having = all.iter().filter(|own| own.breaker().is_some_and(|b| b.name() == policy));
            let names: Vec<_> = having.map(Policy::name).chain([policy]).collect();
            let last = after(0, &names, MOST_TOLD);
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
    let _ = write!(text, "{error}");
    if text.is_cut {
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
