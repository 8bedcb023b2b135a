//! How long things took: counts by bounds of time, each thread its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The upper bounds, in seconds; above them there is one more.
pub(super) const BOUNDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const NANOS: [u64; BOUNDS.len()] = {
    let mut nanos = [0; BOUNDS.len()];
    let mut place = 0;
    while place < BOUNDS.len() {
        nanos[place] = (BOUNDS[place] * 1e9) as u64;
        place += 1;
    }
    nanos
};

/// What was counted: by bound, not summed up, and all of the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    pub(super) nanos: u64,
}

impl Counts {
    /// Nothing.
    #[cfg(all(test, feature = "admin"))]
    pub(crate) const NONE: Self = Self { buckets: [0; BOUNDS.len() + 1], nanos: 0 };

    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What was counted since it was as in another.
    #[cfg(feature = "admin")]
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            buckets: std::array::from_fn(|place| {
                self.buckets[place].saturating_sub(before.buckets[place])
            }),
            nanos: self.nanos.saturating_sub(before.nanos),
        }
    }

    /// A time that this share of all did not go beyond, in seconds: the upper bound of where the share ends, so never too little.
    /// Infinite where some took longer than the last bound; none where nothing was counted.
    #[cfg(feature = "admin")]
    pub(crate) fn at_most(&self, share: f64) -> Option<f64> {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let mut below = 0;
        let reached = |count: &u64| {
            below += count;
            below >= wanted.max(1)
        };
        let place = self.buckets.iter().position(reached)?;
        Some(BOUNDS.get(place).copied().unwrap_or(f64::INFINITY))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (own, other) in self.buckets.iter_mut().zip(other.buckets) {
            *own += other;
        }
        self.nanos = self.nanos.saturating_add(other.nanos);
    }

    pub(crate) fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)] += 1;
        self.nanos = self.nanos.saturating_add(nanos);
    }
}

fn bucket(nanos: u64) -> usize {
    NANOS.partition_point(|bound| *bound < nanos)
}

/// The same, written by one thread and read by others.
#[derive(Debug, Default)]
struct Cells {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Cells {
    /// Relaxed, and a load with a store: nobody else writes, and who reads sees one sooner or later.
    fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let add = |word: &AtomicU64, more: u64| {
            word.store(word.load(Ordering::Relaxed).saturating_add(more), Ordering::Relaxed);
        };
        add(&self.buckets[bucket(nanos)], 1);
        add(&self.nanos, nanos);
    }

    fn read(&self) -> Counts {
        Counts {
            buckets: std::array::from_fn(|place| self.buckets[place].load(Ordering::Relaxed)),
            nanos: self.nanos.load(Ordering::Relaxed),
        }
    }
}

/// What is told apart, by its labels.
pub(super) type Labels = [Box<str>; 4];

/// One kind of things that take time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    /// Policy and outcome.
    Call,
    /// Protocol, method, route and status.
    Request,
}

/// So many of a kind are told apart; those beyond have this in place of their names.
pub(super) const OTHER: &str = "other";

struct Series {
    /// Of threads that have ended.
    ended: Counts,
    threads: Vec<Arc<Cells>>,
}

#[derive(Default)]
struct All {
    series: HashMap<(Of, Labels), Series>,
    most: HashMap<Of, usize>,
    /// How many of a kind there are, but for what is `other`.
    counts: HashMap<Of, usize>,
}

/// Under its lock there are values alone.
static ALL: LazyLock<Mutex<All>> = LazyLock::new(Mutex::default);
static HASHES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

fn all() -> MutexGuard<'static, All> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many of a kind are told apart from now on; each has a few labels, and each of these a series of its own.
pub(super) fn set_most(of: Of, most: usize) {
    all().most.insert(of, most);
}

/// What one thread counts.
struct Own {
    /// By a hash of what it is.
    series: HashMap<u64, Vec<OwnSeries>>,
    /// Of policies that were called of late, by where their names stand: found without a hash of the text.
    recent: [Option<Recent>; RECENT],
}

/// So many; a power of two.
const RECENT: usize = 64;

struct Recent {
    at: *const u8,
    name: Box<str>,
    outcomes: [Option<Arc<Cells>>; OUTCOMES.len()],
}

/// How a call may end.
pub(super) const OUTCOMES: [&str; 3] = ["success", "failure", "cancelled"];

impl Default for Own {
    fn default() -> Self {
        Self { series: HashMap::new(), recent: [const { None }; RECENT] }
    }
}

struct OwnSeries {
    of: Of,
    labels: Labels,
    cells: Arc<Cells>,
}

thread_local! {
    static OWN: RefCell<Own> = RefCell::default();
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut all = all();
        for own in self.series.values().flatten() {
            if let Some(series) = all.series.get_mut(&(own.of, own.labels.clone())) {
                series.ended.add(&own.cells.read());
                series.threads.retain(|cells| !Arc::ptr_eq(cells, &own.cells));
            }
        }
    }
}

/// Counts how long a call took, that ended as the outcome of this place.
pub(super) fn record_call(policy: &str, outcome: usize, took: Duration) {
    let recorded = OWN.try_with(|own| {
        let Ok(mut own) = own.try_borrow_mut() else { return false };
        own.record_call(policy, outcome, took);
        true
    });
    if recorded != Ok(true) {
        record_at_the_end(Of::Call, [policy, OUTCOMES[outcome], "", ""], took);
    }
}

/// Counts how long something took.
#[cfg(any(feature = "axum", feature = "tonic", test))]
pub(super) fn record(of: Of, labels: [&str; 4], took: Duration) {
    let recorded = OWN.try_with(|own| {
        let Ok(mut own) = own.try_borrow_mut() else { return false };
        own.cells(of, labels).record(took);
        true
    });
    if recorded != Ok(true) {
        record_at_the_end(of, labels, took);
    }
}

/// The thread is ending, and has no place of its own any more.
#[cold]
fn record_at_the_end(of: Of, labels: [&str; 4], took: Duration) {
    let mut all = all();
    let shown = shown(&all, of, labels);
    all.of(shown).ended.record(took);
}

impl Own {
    #[inline]
    fn record_call(&mut self, policy: &str, outcome: usize, took: Duration) {
        let at = policy.as_ptr();
        let place = (at as usize >> 4) % RECENT;
        if let Some(recent) = &self.recent[place]
            && recent.at == at
            // Another text may stand there by now.
            && *recent.name == *policy
            && let Some(cells) = &recent.outcomes[outcome]
        {
            return cells.record(took);
        }
        self.record_new_call(place, policy, outcome, took);
    }

    #[cold]
    fn record_new_call(&mut self, place: usize, policy: &str, outcome: usize, took: Duration) {
        let cells = self.cells(Of::Call, [policy, OUTCOMES[outcome], "", ""]);
        cells.record(took);
        let at = policy.as_ptr();
        let new = || Recent { at, name: policy.into(), outcomes: [const { None }; OUTCOMES.len()] };
        let known = self.recent[place].take();
        let known = known.filter(|recent| recent.at == at && *recent.name == *policy);
        let mut recent = known.unwrap_or_else(new);
        recent.outcomes[outcome] = Some(cells);
        self.recent[place] = Some(recent);
    }

    /// The cells of a series in this thread. One too many is `other` and has none of its own, so that a thread keeps no more than
    /// there is to see.
    fn cells(&mut self, of: Of, labels: [&str; 4]) -> Arc<Cells> {
        if let Some(cells) = self.known(of, labels) {
            return cells;
        }
        let (_, shown) = shown(&all(), of, labels);
        let shown: [&str; 4] = std::array::from_fn(|place| &*shown[place]);
        if let Some(cells) = self.known(of, shown) {
            return cells;
        }
        let cells = share(of, shown);
        let same = self.series.entry(HASHES.hash_one((of, shown))).or_default();
        same.push(OwnSeries { of, labels: shown.map(Box::from), cells: Arc::clone(&cells) });
        cells
    }

    fn known(&self, of: Of, labels: [&str; 4]) -> Option<Arc<Cells>> {
        let same = self.series.get(&HASHES.hash_one((of, labels)))?;
        let known = same.iter().find(|own| {
            own.of == of && own.labels.iter().zip(labels).all(|(own, label)| **own == *label)
        });
        known.map(|own| Arc::clone(&own.cells))
    }
}

impl All {
    /// The series of these labels, a new one where there is none.
    fn of(&mut self, shown: (Of, Labels)) -> &mut Series {
        let Self { series, counts, .. } = self;
        let of = shown.0;
        series.entry(shown).or_insert_with(|| {
            *counts.entry(of).or_default() += 1;
            Series { ended: Counts::default(), threads: Vec::new() }
        })
    }
}

/// Cells of this thread that others see.
#[cold]
fn share(of: Of, labels: [&str; 4]) -> Arc<Cells> {
    let cells = Arc::<Cells>::default();
    all().of((of, labels.map(Box::from))).threads.push(Arc::clone(&cells));
    cells
}

/// Under which labels it is seen: what is one too many is `other`.
fn shown(all: &All, of: Of, labels: [&str; 4]) -> (Of, Labels) {
    let own = (of, labels.map(Box::from));
    let most = all.most.get(&of).copied().unwrap_or(match of {
        // Each policy has three outcomes.
        Of::Call => 3000,
        Of::Request => 1000,
    });
    let is_known = all.series.contains_key(&own);
    if is_known || all.counts.get(&of).copied().unwrap_or_default() < most {
        return own;
    }
    let [first, second, third, fourth] = labels;
    let labels = match of {
        Of::Call => [OTHER, second, third, fourth],
        Of::Request => [first, OTHER, OTHER, fourth],
    };
    (of, labels.map(Box::from))
}

/// All of a kind, by their labels.
pub(super) fn read(of: Of) -> Vec<(Labels, Counts)> {
    let all = all();
    let mut found: Vec<_> = all
        .series
        .iter()
        .filter(|((other, _), _)| *other == of)
        .map(|((_, labels), series)| {
            let mut counts = series.ended.clone();
            series.threads.iter().for_each(|cells| counts.add(&cells.read()));
            (labels.clone(), counts)
        })
        .collect();
    drop(all);
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_bucket_of_the_least_bound_that_is_not_below_it() {
        for (nanos, place) in [(0, 0), (1_000_000, 0), (1_000_001, 1), (60_000_000_000, 14)] {
            assert_eq!(bucket(nanos), place, "{nanos}");
        }
        assert_eq!(bucket(60_000_000_001), BOUNDS.len());
    }

    #[cfg(feature = "admin")]
    #[test]
    fn a_share_of_what_was_counted_took_at_most_so_long() {
        let mut counts = Counts::default();
        assert_eq!(counts.at_most(0.5), None);
        for millis in [1, 1, 3, 200] {
            counts.record(Duration::from_millis(millis));
        }
        let shares = [0.0, 0.5, 0.51, 0.75, 0.76, 1.0].map(|share| counts.at_most(share).unwrap());
        assert_eq!(shares, [0.001, 0.001, 0.005, 0.005, 0.25, 0.25]);
        let before = counts.clone();
        counts.record(Duration::from_secs(61));
        let since = counts.since(&before);
        assert_eq!((since.count(), since.at_most(0.99)), (1, Some(f64::INFINITY)));
    }

    fn counted(of: Of, first: &str) -> Counts {
        let all = read(of).into_iter().filter(|(labels, _)| &*labels[0] == first);
        all.fold(Counts::default(), |mut sum, (_, counts)| {
            sum.add(&counts);
            sum
        })
    }

    #[test]
    fn calls_are_found_by_where_their_name_stands_and_by_its_text() {
        let of = |name: &str| counted(Of::Call, name).count();
        // One place, and two names after the other.
        let mut name = String::from("recent.one");
        (0..5).for_each(|_| record_call(&name, 0, Duration::ZERO));
        name.replace_range(7.., "two");
        (0..3).for_each(|_| record_call(&name, 1, Duration::ZERO));
        record_call(&name, 2, Duration::ZERO);
        assert_eq!((of("recent.one"), of("recent.two")), (5, 4));
        let failures = read(Of::Call)
            .into_iter()
            .find(|(labels, _)| (&*labels[0], &*labels[1]) == ("recent.two", "failure"));
        assert_eq!(failures.unwrap().1.count(), 3);
    }

    #[test]
    fn what_threads_have_counted_stays_when_they_end() {
        let labels = ["threads", "success", "", ""];
        record(Of::Call, labels, Duration::from_millis(2));
        for _ in 0..3 {
            std::thread::spawn(move || {
                (0..5).for_each(|_| record(Of::Call, labels, Duration::from_millis(20)));
            })
            .join()
            .unwrap();
        }
        let counts = counted(Of::Call, "threads");
        assert_eq!((counts.count(), counts.nanos), (16, 302_000_000));
        assert_eq!((counts.buckets[1], counts.buckets[4]), (1, 15));
        let threads = all().series[&(Of::Call, labels.map(Box::from))].threads.len();
        assert_eq!(threads, 1, "only those that live");
    }

    #[test]
    fn what_is_one_too_many_is_other() {
        set_most(Of::Request, 3);
        for number in 0..9 {
            let route = format!("/{number}");
            record(Of::Request, ["http", "GET", &route, "200"], Duration::ZERO);
        }
        let found = read(Of::Request);
        assert_eq!(found.len(), 4);
        let other: Labels = ["http", OTHER, OTHER, "200"].map(Box::from);
        let counts = found.iter().find(|(labels, _)| *labels == other).unwrap();
        assert_eq!(counts.1.count(), 6);
    }
}
