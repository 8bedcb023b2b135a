//! The flight recorder: the last events of all policies, written only when something goes wrong.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use mmf_runtime::resilience::{BreakerState, Event, Observer, Refusal, observe};
use serde::Serialize;
use tracing::warn;

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
    /// `retry`, `exhausted`, a kind of refusal, `hedge`, `fallback`, `breaker` or `evicted`.
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
    /// Where the last event of this one's policy is, where it is of the same kind and not long ago.
    fn last_of(&self, new: &Recorded) -> Option<usize> {
        const MOST_LOOKS: usize = 64;
        const GATHERED: u64 = 10_000;
        let last = self.events.iter().enumerate().rev().take(MOST_LOOKS);
        let (place, last) = last.into_iter().find(|(_, event)| event.policy == new.policy)?;
        // What a breaker does and when it does it is told one by one.
        let is_gathered = new.kind == last.kind && !new.text.contains('→');
        (is_gathered && new.at.saturating_sub(last.at) < GATHERED).then_some(place)
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

/// The events after a number, the oldest first; of one policy where it is named.
pub(super) fn after(number: u64, policy: Option<&str>, most: usize) -> Vec<Recorded> {
    let ring = ring();
    let fitting = ring.events.iter().rev().take_while(|event| event.number > number);
    let fitting = fitting.filter(|event| policy.is_none_or(|policy| event.policy == policy));
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
            Event::Retry { policy, attempt, delay, .. } => {
                (*policy, "retry", format!("attempt {attempt} failed, the next in {delay:?}"))
            }
            Event::Exhausted { policy, attempt, reason, .. } => {
                (*policy, "exhausted", format!("attempt {attempt} was the last: {reason}"))
            }
            Event::Refused { refusal, .. } => {
                (refusal.policy(), refused_by(refusal.refusal()), refusal.to_string())
            }
            Event::Hedge { policy, copy, .. } => (*policy, "hedge", format!("copy {copy}")),
            Event::Fallback { policy, .. } => (*policy, "fallback", "it answers".to_owned()),
            Event::BreakerChanged { policy, key, from, to, cause, .. } => {
                let key = key.map(|key| format!("[{key}] ")).unwrap_or_default();
                (*policy, "breaker", format!("{key}{from} → {to}: {cause}"))
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
            let last = after(0, Some(policy), MOST_TOLD);
            let texts = last.iter().map(|event| {
                let Recorded { kind, text, times, .. } = event;
                format!("{times} × {kind}: {text}")
            });
            let events = texts.collect::<Vec<_>>().join("; ");
            warn!(target: "mmf::admin", policy, events, "a breaker opened: what came before");
        }
    }
}

/// A refusal by an open breaker is another kind than a change of it.
fn refused_by(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Breaker => "refused",
        other => other.as_str(),
    }
}
