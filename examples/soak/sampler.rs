//! A thread that looks at all counters ten times a second: none may ever go back.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mmf::resilience::BreakerSnapshot;

use crate::functions::{BREAKER, DIRECT, SUBJECTS};
use crate::subject::Subject;

pub(crate) struct Sampler {
    /// Dropped to end it.
    going_on: Sender<()>,
    thread: JoinHandle<Vec<String>>,
}

impl Sampler {
    pub(crate) fn start() -> Self {
        let (going_on, is_going_on) = mpsc::channel();
        Self { going_on, thread: thread::spawn(move || watch(&is_going_on)) }
    }

    /// Looks once more; what went back.
    pub(crate) fn end(self) -> Vec<String> {
        drop(self.going_on);
        self.thread.join().unwrap_or_else(|_| vec!["the sampler panicked".to_owned()])
    }
}

fn watch(is_going_on: &Receiver<()>) -> Vec<String> {
    const ENOUGH: usize = 100;
    let period = Duration::from_millis(100);
    let mut went_back = Vec::new();
    let mut last = counters();
    loop {
        let goes_on = is_going_on.recv_timeout(period) == Err(RecvTimeoutError::Timeout);
        let now = counters();
        for ((name, before), (_, after)) in last.iter().zip(&now) {
            if after < before && went_back.len() < ENOUGH {
                went_back.push(format!("{name} from {before} to {after}"));
            }
        }
        last = now;
        if !goes_on {
            return went_back;
        }
    }
}

/// All counters by name, always in the same order.
fn counters() -> Vec<(String, u64)> {
    let mut counters = Vec::new();
    for subject in SUBJECTS {
        let Some(snapshot) = subject.snapshot() else { continue };
        let named = [
            ("calls", snapshot.calls),
            ("successes", snapshot.successes),
            ("failures", snapshot.failures),
            ("cancelled", snapshot.cancelled),
            ("attempts", snapshot.attempts),
            ("retries", snapshot.retries),
            ("timeouts", snapshot.timeouts),
            ("deadline_exceeded", snapshot.deadline_exceeded),
            ("rate_limited", snapshot.rate_limited),
            ("fallbacks", snapshot.fallbacks),
            ("hedges", snapshot.hedges),
            ("bulkhead.refused", snapshot.bulkhead.map_or(0, |bulkhead| bulkhead.refused)),
        ];
        counters.extend(named.map(|(name, count)| (format!("{}: {name}", subject.name), count)));
        counters.extend(snapshot.breaker.into_iter().flat_map(|breaker| of(subject, breaker)));
    }
    counters.extend(of(&DIRECT, BREAKER.snapshot()));
    counters
}

fn of(subject: &Subject, breaker: BreakerSnapshot) -> [(String, u64); 6] {
    let named = [
        ("successes", breaker.successes),
        ("failures", breaker.failures),
        ("slow", breaker.slow),
        ("refused", breaker.refused),
        ("opened", breaker.opened),
        ("late", breaker.late),
    ];
    named.map(|(name, count)| (format!("{}: breaker.{name}", subject.name), count))
}

/// The memory that the process has, in KiB; Linux alone tells.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
