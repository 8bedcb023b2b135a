//! What was injected.

use std::collections::BTreeMap;
use std::time::Duration;

use super::kind::ChaosKind;

/// One injection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Injection {
    /// The point.
    pub point: &'static str,
    /// The call at that point, from 1, within the experiment.
    pub call: u64,
    /// What was injected.
    pub kind: ChaosKind,
    /// How late it made the call.
    pub delay: Option<Duration>,
}

/// So many injections are remembered one by one; more are counted.
const REMEMBERED: usize = 100_000;

/// What an experiment did.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) injections: Vec<Injection>,
    pub(super) counts: BTreeMap<(&'static str, ChaosKind), u64>,
    /// Faults that a point could not carry, and how often they were due.
    pub(super) unable: BTreeMap<(&'static str, ChaosKind), u64>,
}

impl History {
    pub(super) fn add(&mut self, injection: Injection) {
        *self.counts.entry((injection.point, injection.kind)).or_default() += 1;
        if self.injections.len() < REMEMBERED {
            self.injections.push(injection);
        }
    }

    /// Takes an injection back that could not be; whether it is the first of its kind at the point.
    pub(super) fn withdraw(&mut self, point: &'static str, kind: ChaosKind, call: u64) -> bool {
        if let Some(count) = self.counts.get_mut(&(point, kind)) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&(point, kind));
            }
        }
        self.injections.retain(|injection| {
            (injection.point, injection.kind, injection.call) != (point, kind, call)
        });
        let unable = self.unable.entry((point, kind)).or_default();
        *unable += 1;
        *unable == 1
    }
}
