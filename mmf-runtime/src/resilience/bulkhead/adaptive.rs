//! A limit that is found and not given: what an adaptive bulkhead learns from its calls.
//!
//! `"gradient"` compares how long a call took with the least of the last minute: where calls wait for each other in
//! the dependency, they take longer, and the limit shrinks by that proportion; where they do not, it grows by a
//! small queue. That is Netflix's Gradient2 but for what it compares with: its long average follows an overload, so
//! that with three times the load of a capacity of 10 it settles at 41. The share by which one call moves the limit
//! falls with the limit, as a call that began before a change tells nothing of it. `"aimd"` knows failures and
//! timeouts alone: one more call for each round of successes, a tenth less for each failure (Chiu and Jain, 1989).

use std::time::Duration;

use mmf_rules::keys::{ADAPTIVE, Keys};
use mmf_rules::value::Value;

use crate::clock;
use crate::resilience::invalid::Check;
use crate::resilience::setting::{Setting, Settings};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock, try_lock};

/// Between which limits an adaptive bulkhead seeks its own, and by what.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::{AdaptiveLimit, Bulkhead, LimitAlgorithm};
///
/// let aimd = AdaptiveLimit::new().min(2).max(50).algorithm(LimitAlgorithm::Aimd);
/// let bulkhead = Bulkhead::builder("db").max_concurrent(20).adaptive(aimd).build();
/// assert_eq!(bulkhead.limit(), 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "does nothing until it is handed to a builder"]
pub struct AdaptiveLimit {
    pub(super) min: u32,
    /// Whether it was set: the default is no less than `min`.
    max: Option<u32>,
    algorithm: LimitAlgorithm,
    /// Which of them were written.
    written: Keys,
}

/// By what an adaptive bulkhead finds its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitAlgorithm {
    /// `"gradient"`: holds the latency against the least of the last minute.
    #[default]
    Gradient,
    /// `"aimd"`: by failures and timeouts alone.
    Aimd,
}

impl LimitAlgorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Gradient => "gradient",
            Self::Aimd => "aimd",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Gradient, Self::Aimd].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl AdaptiveLimit {
    /// Starts from 1 to 200 calls, by the gradient.
    pub const fn new() -> Self {
        Self { min: 1, max: None, algorithm: LimitAlgorithm::Gradient, written: Keys::NONE }
    }

    /// The least limit; 0 is invalid. Default: 1.
    pub const fn min(mut self, calls: u32) -> Self {
        self.written.insert(Keys::of(&ADAPTIVE, "min"));
        self.min = calls;
        self
    }

    /// The greatest limit; less than the least is invalid. Default: 200, or a greater least.
    pub const fn max(mut self, calls: u32) -> Self {
        self.written.insert(Keys::of(&ADAPTIVE, "max"));
        self.max = Some(calls);
        self
    }

    /// By what it is found. Default: the gradient.
    pub const fn algorithm(mut self, algorithm: LimitAlgorithm) -> Self {
        self.written.insert(Keys::of(&ADAPTIVE, "algorithm"));
        self.algorithm = algorithm;
        self
    }

    pub(super) fn mend(&mut self, begin: Option<&mut u32>, check: &mut Check) {
        check.mend(&mut self.min, |min| mmf_rules::at_least_one("min", min));
        let mut is_range = true;
        if let Some(max) = &mut self.max {
            is_range = *max >= self.min;
            check.mend(max, |max| mmf_rules::limits(self.min, max));
        }
        if let Some(begin) = begin {
            let (min, max) = (self.min, self.greatest());
            if is_range {
                check.mend(begin, |begin| mmf_rules::begin(begin, min, max));
            } else {
                // Nothing is said of what lies in a range that is none.
                *begin = (*begin).clamp(min, max);
            }
        }
    }

    /// It with the value of a key, as it is read from outside.
    pub(super) fn set(self, key: &str, value: &Value) -> Option<Self> {
        match (key, value) {
            ("adaptive.min", Value::Count(calls)) => Some(Self {
                // The default of the greatest moves up with the least only where that is written in code.
                max: Some(self.greatest()),
                ..self.min(*calls)
            }),
            ("adaptive.max", Value::Count(calls)) => Some(self.max(*calls)),
            ("adaptive.algorithm", Value::Word(name)) => {
                LimitAlgorithm::named(name).map(|algorithm| self.algorithm(algorithm))
            }
            _ => None,
        }
    }

    /// The values that a limit is found by.
    pub(super) fn settings(&self) -> Vec<Setting> {
        Settings::of(&ADAPTIVE, self.written)
            .with("bulkhead.adaptive.min", Value::Count(self.min))
            .with("bulkhead.adaptive.max", Value::Count(self.greatest()))
            .with("bulkhead.adaptive.algorithm", Value::Word(self.algorithm.name()))
            .all()
    }

    pub(super) fn greatest(self) -> u32 {
        self.max.unwrap_or_else(|| self.min.max(200))
    }
}

impl Default for AdaptiveLimit {
    fn default() -> Self {
        Self::new()
    }
}

/// How a call ended, for the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
    /// By a timeout: the sign of an overload, however long it was.
    OutOfTime,
}

/// Finds the limit of one bulkhead.
#[derive(Debug)]
pub(super) struct Finder {
    /// Under its lock there is arithmetic alone. A success does not wait for it: where another call is being learned
    /// from, it teaches nothing.
    state: Mutex<State>,
    /// Counts the calls that begin while the limit is not felt.
    unfelt: AtomicU64,
}

#[derive(Debug)]
struct State {
    range: AdaptiveLimit,
    limit: f64,
    least: [Least; SPANS as usize],
}

/// The least latency within a span of time.
#[derive(Clone, Copy, Debug, Default)]
struct Least {
    /// The number of the span.
    span: u64,
    nanos: u64,
}

/// The last minute, in so many spans.
const SPANS: u64 = 6;
const SPAN: Duration = Duration::from_secs(10);

/// So much longer than the least is not yet a queue.
const TOLERANCE: f64 = 1.1;
/// Calls that may wait in the dependency.
const QUEUE: f64 = 0.5;
/// The most that one call moves the limit by, and what is spread over the calls of one round.
const MOST_SHARE: f64 = 0.2;
const SHARE_OF_ROUND: f64 = 2.0;
/// What a failure leaves of the limit.
const BACKOFF: f64 = 0.9;

impl Finder {
    pub(super) fn new(range: AdaptiveLimit, begin: u32) -> Self {
        let state =
            State { range, limit: f64::from(begin), least: [Least::default(); SPANS as usize] };
        Self { state: Mutex::new(state), unfelt: AtomicU64::new(0) }
    }

    /// Goes on within another range, from `begin` where that is said anew.
    pub(super) fn within(&self, range: AdaptiveLimit, begin: Option<u32>, limit: &AtomicU64) {
        let mut state = lock(&self.state);
        state.range = range;
        let found = begin.map_or(state.limit, f64::from);
        self.set(&mut state, found, limit);
    }

    /// When a call began that is to be measured, by [`clock::nanos`], else 0: those that run while the limit is
    /// felt, and each eighth of the others, so that the least is known.
    #[inline]
    pub(super) fn begin(&self, range: AdaptiveLimit, running: u32, limit: u32) -> u64 {
        if range.algorithm == LimitAlgorithm::Aimd {
            return 0;
        }
        if !is_felt(running, limit) {
            // Relaxed, and no exchange: one that two threads count at once is one measured more or less.
            let unfelt = self.unfelt.load(Ordering::Relaxed);
            self.unfelt.store(unfelt.wrapping_add(1), Ordering::Relaxed);
            if !unfelt.is_multiple_of(8) {
                return 0;
            }
        }
        clock::nanos().max(1)
    }

    /// Learns from a call that began so and ended while so many were running, itself included. Where that finds another
    /// limit it is in `limit`, by what was learned last.
    #[inline]
    pub(super) fn learn(
        &self,
        range: AdaptiveLimit,
        began: u64,
        ended: Ended,
        running: u32,
        limit: &AtomicU64,
    ) -> Option<u32> {
        let felt = is_felt(running, limit.load(Ordering::Relaxed) as u32);
        match (range.algorithm, ended) {
            (LimitAlgorithm::Gradient, Ended::OutOfTime)
            | (LimitAlgorithm::Aimd, Ended::OutOfTime | Ended::Badly) => {
                self.back_off(lock(&self.state), limit)
            }
            (LimitAlgorithm::Aimd, Ended::Well) if felt => {
                let mut state = try_lock(&self.state)?;
                let grown = state.limit + 1.0 / state.limit;
                self.set(&mut state, grown, limit)
            }
            (LimitAlgorithm::Gradient, Ended::Well | Ended::Badly) if began != 0 => {
                let now = clock::nanos();
                // A clock that ran back measured nothing.
                let latency = now.checked_sub(began)?;
                let mut state = try_lock(&self.state)?;
                let new = state.gradient(latency, now, ended, felt)?;
                self.set(&mut state, new, limit)
            }
            _ => None,
        }
    }

    #[cold]
    fn back_off(&self, mut state: MutexGuard<'_, State>, limit: &AtomicU64) -> Option<u32> {
        let less = state.limit * BACKOFF;
        self.set(&mut state, less, limit)
    }

    /// Under the lock, so that what is published is what was found last.
    fn set(&self, state: &mut State, found: f64, limit: &AtomicU64) -> Option<u32> {
        let before = state.limit as u32;
        state.limit = found.clamp(f64::from(state.range.min), f64::from(state.range.greatest()));
        let after = state.limit as u32;
        (after != before).then(|| {
            limit.store(u64::from(after), Ordering::Relaxed);
            after
        })
    }
}

/// Whether so many running calls say something of the limit: with fewer, nobody asks for more.
fn is_felt(running: u32, limit: u32) -> bool {
    u64::from(running) * 2 >= u64::from(limit)
}

impl State {
    /// The limit after a call that took so long.
    fn gradient(&mut self, latency: u64, now: u64, ended: Ended, felt: bool) -> Option<f64> {
        let least = self.least(latency, now, ended)?;
        let slope = (TOLERANCE * least as f64 / latency.max(1) as f64).clamp(0.5, 1.0);
        let goal = self.limit * slope + QUEUE;
        // What fails may do so faster than what works; and without demand there is nothing to find.
        if goal > self.limit && (ended != Ended::Well || !felt) {
            return None;
        }
        let share = (SHARE_OF_ROUND / self.limit).min(MOST_SHARE);
        Some(self.limit + (goal - self.limit) * share)
    }

    /// The least latency of the last minute, this one included where it was one of a call that worked.
    fn least(&mut self, latency: u64, now: u64, ended: Ended) -> Option<u64> {
        let span = now / clock::saturating_nanos(SPAN);
        if ended == Ended::Well {
            let own = &mut self.least[(span % SPANS) as usize];
            if own.span == span {
                own.nanos = own.nanos.min(latency);
            } else {
                *own = Least { span, nanos: latency };
            }
        }
        let lately = self.least.iter().filter(|least| span.saturating_sub(least.span) < SPANS);
        lately.map(|least| least.nanos.max(1)).min()
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use crate::clock::paused;
    use tokio::time::advance;

    /// A finder and its range.
    struct Within(Finder, AdaptiveLimit);

    impl Within {
        fn begin(&self, running: u32, limit: u32) -> u64 {
            self.0.begin(self.1, running, limit)
        }
    }

    fn finder(range: AdaptiveLimit, begin: u32) -> Within {
        Within(Finder::new(range, begin), range)
    }

    /// A call of so many milliseconds beside `running - 1` others.
    async fn call(
        finder: &Within,
        millis: u64,
        ended: Ended,
        running: u32,
        limit: u32,
    ) -> Option<u32> {
        let began = finder.begin(running, limit);
        advance(Duration::from_millis(millis)).await;
        finder.0.learn(finder.1, began, ended, running, &AtomicU64::new(u64::from(limit)))
    }

    #[test]
    fn calls_as_fast_as_ever_raise_the_limit_and_slow_ones_lower_it() {
        paused(async {
            let finder = finder(AdaptiveLimit::new(), 10);
            let mut limit = 10;
            for _ in 0..100 {
                limit = call(&finder, 10, Ended::Well, limit, limit).await.unwrap_or(limit);
            }
            let risen = limit;
            assert!(risen > 12, "{risen}");
            for _ in 0..100 {
                limit = call(&finder, 40, Ended::Well, limit, limit).await.unwrap_or(limit);
            }
            assert!(limit < risen / 2, "{risen} {limit}");
        });
    }

    #[test]
    fn without_demand_nothing_is_found() {
        paused(async {
            let finder = finder(AdaptiveLimit::new(), 10);
            for _ in 0..1000 {
                assert_eq!(call(&finder, 10, Ended::Well, 1, 10).await, None);
            }
            advance(Duration::from_secs(3600)).await;
            assert_eq!(call(&finder, 10, Ended::Well, 1, 10).await, None);
        });
    }

    #[test]
    fn what_is_slow_now_is_compared_with_the_last_minute_only() {
        paused(async {
            let finder = finder(AdaptiveLimit::new(), 10);
            call(&finder, 10, Ended::Well, 10, 10).await;
            assert_eq!(call(&finder, 100, Ended::Well, 10, 10).await, Some(9));
            advance(Duration::from_secs(70)).await;
            let mut limit = 9;
            for _ in 0..30 {
                limit = call(&finder, 100, Ended::Well, limit, limit).await.unwrap_or(limit);
            }
            assert!(limit > 9, "100 ms are the least now: {limit}");
        });
    }

    #[test]
    fn timeouts_lead_to_the_least_limit() {
        for algorithm in [LimitAlgorithm::Gradient, LimitAlgorithm::Aimd] {
            paused(async {
                let range = AdaptiveLimit::new().min(3).algorithm(algorithm);
                let finder = finder(range, 100);
                let mut limit = 100;
                for _ in 0..100 {
                    let learned = call(&finder, 1000, Ended::OutOfTime, limit, limit).await;
                    limit = learned.unwrap_or(limit);
                }
                assert_eq!(limit, 3, "{algorithm:?}");
            });
        }
    }

    #[test]
    fn fast_failures_do_not_raise_what_goes_by_latency_and_lower_what_goes_by_failures() {
        paused(async {
            let gradient = finder(AdaptiveLimit::new(), 10);
            call(&gradient, 10, Ended::Well, 10, 10).await;
            for _ in 0..100 {
                assert_eq!(call(&gradient, 1, Ended::Badly, 10, 10).await, None);
            }
            assert_eq!(call(&gradient, 10, Ended::Well, 10, 10).await, None, "still the least");
            assert_eq!(call(&gradient, 100, Ended::Badly, 10, 10).await, Some(9));
            let aimd = AdaptiveLimit::new().algorithm(LimitAlgorithm::Aimd);
            assert_eq!(call(&finder(aimd, 10), 1, Ended::Badly, 10, 10).await, Some(9));
        });
    }

    #[test]
    fn by_failures_a_round_of_successes_is_one_more() {
        paused(async {
            let aimd = finder(AdaptiveLimit::new().max(12).algorithm(LimitAlgorithm::Aimd), 10);
            let mut limit = 10;
            for _ in 0..11 {
                limit = call(&aimd, 0, Ended::Well, 10, limit).await.unwrap_or(limit);
            }
            assert_eq!(limit, 11);
            for _ in 0..100 {
                limit = call(&aimd, 0, Ended::Well, 10, limit).await.unwrap_or(limit);
            }
            assert_eq!(limit, 12, "the greatest");
        });
    }

    #[test]
    fn of_calls_that_do_not_feel_the_limit_one_in_eight_is_measured() {
        paused(async {
            let finder = finder(AdaptiveLimit::new(), 10);
            assert_eq!((0..80).filter(|_| finder.begin(1, 10) != 0).count(), 10);
            assert!((0..80).all(|_| finder.begin(5, 10) != 0));
        });
    }
}
