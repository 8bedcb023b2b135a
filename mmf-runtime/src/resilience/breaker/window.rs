//! What happened lately: the last calls, or the calls of the last while.

use std::time::Duration;

use super::config;
use crate::clock;

/// One call as the window sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// The sums over a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }
}

#[derive(Debug)]
pub(super) enum Window {
    Calls(LastCalls),
    /// Boxed, as most breakers have the other kind and should not be as large.
    Time(Box<Buckets>),
}

impl Window {
    pub(super) fn new(window: config::Window) -> Self {
        match window {
            config::Window::Calls(calls) => Self::Calls(LastCalls::new(calls as usize)),
            config::Window::Time(_) => Self::Time(Box::default()),
        }
    }

    /// It by other rules. Of calls the newest are kept, of times the buckets, each by when its time was over; between
    /// the two nothing is, as calls do not know when they were.
    pub(super) fn by(&self, from: config::Window, to: config::Window, now: u64) -> Self {
        let mut new = Self::new(to);
        if let config::Window::Time(to) = to {
            new.advance(now / bucket_nanos(to));
        }
        match (self, &mut new, from, to) {
            (Self::Calls(old), Self::Calls(new), ..) => new.take_newest(old),
            (
                Self::Time(old),
                Self::Time(new),
                config::Window::Time(from),
                config::Window::Time(to),
            ) => new.take(old, bucket_nanos(from), bucket_nanos(to), now),
            _ => {}
        }
        new
    }

    pub(super) fn clear(&mut self) {
        match self {
            Self::Calls(calls) => calls.clear(),
            Self::Time(buckets) => buckets.sums = Default::default(),
        }
    }

    /// Lets time pass: buckets older than the window fall out.
    pub(super) fn advance(&mut self, tick: u64) {
        if let Self::Time(buckets) = self {
            buckets.advance(tick);
        }
    }

    pub(super) fn push(&mut self, seen: Seen) {
        match self {
            Self::Calls(calls) => calls.push(seen),
            Self::Time(buckets) => buckets.current().add(Sums {
                calls: 1,
                failures: seen.failed.into(),
                slow: seen.slow.into(),
            }),
        }
    }

    pub(super) fn push_successes(&mut self, count: u64) {
        match self {
            Self::Calls(calls) => calls.push_successes(count),
            Self::Time(buckets) => buckets.current().calls += count,
        }
    }

    pub(super) fn sums(&self) -> Sums {
        match self {
            Self::Calls(calls) => calls.sums,
            Self::Time(buckets) => buckets.sums(),
        }
    }
}

/// The last `capacity` calls, two bits each.
#[derive(Debug)]
pub(super) struct LastCalls {
    /// Failures in the even words, slow calls in the odd ones.
    bits: Box<[u64]>,
    capacity: usize,
    next: usize,
    sums: Sums,
}

impl LastCalls {
    fn new(capacity: usize) -> Self {
        let words = capacity.div_ceil(64) * 2;
        Self { bits: vec![0; words].into(), capacity, next: 0, sums: Sums::default() }
    }

    fn clear(&mut self) {
        self.bits.fill(0);
        self.next = 0;
        self.sums = Sums::default();
    }

    /// Takes as many of the newest calls of another as it has room for.
    fn take_newest(&mut self, other: &Self) {
        let count = (other.sums.calls as usize).min(self.capacity);
        for back in (1..=count).rev() {
            let place = (other.next + other.capacity - back) % other.capacity;
            let (word, mask) = (place / 64 * 2, 1_u64 << (place % 64));
            let is_set = |bits: u64| bits & mask != 0;
            self.push(Seen {
                failed: is_set(other.bits[word]),
                slow: is_set(other.bits[word + 1]),
            });
        }
    }

    fn push(&mut self, seen: Seen) {
        let (word, mask) = (self.next / 64 * 2, 1 << (self.next % 64));
        if self.sums.calls == self.capacity as u64 {
            self.sums.failures -= u64::from(self.bits[word] & mask != 0);
            self.sums.slow -= u64::from(self.bits[word + 1] & mask != 0);
        } else {
            self.sums.calls += 1;
        }
        for (bits, set) in self.bits[word..].iter_mut().zip([seen.failed, seen.slow]) {
            *bits = if set { *bits | mask } else { *bits & !mask };
        }
        self.sums.failures += u64::from(seen.failed);
        self.sums.slow += u64::from(seen.slow);
        self.next = (self.next + 1) % self.capacity;
    }

    fn push_successes(&mut self, count: u64) {
        // More than the window holds leave nothing of what was before.
        for _ in 0..count.min(self.capacity as u64) {
            self.push(Seen::default());
        }
    }
}

/// The calls of ten equal spans of time, the newest of which is number `tick`.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    tick: u64,
    sums: [Sums; Self::COUNT as usize],
}

impl Buckets {
    pub(super) const COUNT: u32 = 10;

    fn advance(&mut self, tick: u64) {
        if tick.saturating_add(u64::from(Self::COUNT)) < self.tick {
            // So far back that it is another clock: nothing here is of its time.
            *self = Self { tick, ..Self::default() };
        }
        // A clock that stands still or runs back a little changes nothing.
        let passed = tick.saturating_sub(self.tick).min(u64::from(Self::COUNT));
        self.tick = self.tick.max(tick);
        for back in 0..passed {
            self.sums[((self.tick - back) % u64::from(Self::COUNT)) as usize] = Sums::default();
        }
    }

    /// Takes the buckets of another, whose spans are of another length.
    fn take(&mut self, other: &Self, from: u64, to: u64, now: u64) {
        for back in 0..u64::from(Self::COUNT).min(other.tick + 1) {
            let tick = other.tick - back;
            let last = tick.saturating_add(1).saturating_mul(from).saturating_sub(1).min(now);
            let age = self.tick - last / to;
            if age < u64::from(Self::COUNT) {
                let place = (last / to % u64::from(Self::COUNT)) as usize;
                self.sums[place].add(other.sums[(tick % u64::from(Self::COUNT)) as usize]);
            }
        }
    }

    fn current(&mut self) -> &mut Sums {
        &mut self.sums[(self.tick % u64::from(Self::COUNT)) as usize]
    }

    fn sums(&self) -> Sums {
        let mut all = Sums::default();
        for bucket in self.sums {
            all.add(bucket);
        }
        all
    }
}

/// The span of one bucket of a time window.
pub(super) fn bucket_nanos(window: Duration) -> u64 {
    (clock::saturating_nanos(window) / u64::from(Buckets::COUNT)).max(1)
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn the_bits_agree_with_a_list_of_the_last_calls(
            capacity in 1_usize..200,
            calls in prop::collection::vec((any::<bool>(), any::<bool>(), 0_u64..5), 0..600),
        ) {
            let mut window = LastCalls::new(capacity);
            let mut list = VecDeque::new();
            for (failed, slow, successes) in calls {
                window.push(Seen { failed, slow });
                window.push_successes(successes);
                list.push_back((failed, slow));
                list.extend((0..successes).map(|_| (false, false)));
                while list.len() > capacity {
                    list.pop_front();
                }
                prop_assert_eq!(window.sums, Sums {
                    calls: list.len() as u64,
                    failures: list.iter().filter(|(failed, _)| *failed).count() as u64,
                    slow: list.iter().filter(|(_, slow)| *slow).count() as u64,
                });
            }
        }
    }

    #[test]
    fn other_rules_keep_the_newest_calls_in_their_order() {
        let mut window = Window::new(config::Window::Calls(70));
        for call in 0..100 {
            window.push(Seen { failed: call % 3 == 0, slow: call >= 98 });
        }
        let resized = |to| window.by(config::Window::Calls(70), config::Window::Calls(to), 0);
        assert_eq!(resized(4).sums(), Sums { calls: 4, failures: 2, slow: 2 });
        assert_eq!(resized(200).sums(), window.sums());
        let mut smaller = resized(3);
        // The calls 97, 98, 99 are in there: the oldest goes first.
        for (calls, failures, slow) in [(3, 1, 2), (3, 1, 1), (3, 0, 0)] {
            smaller.push_successes(1);
            assert_eq!(smaller.sums(), Sums { calls, failures, slow });
        }
        let timed = window.by(config::Window::Calls(70), config::Window::Time(SECOND), 0);
        assert_eq!(timed.sums(), Sums::default());
        let now = clock::saturating_nanos(SECOND * 100);
        let mut timed = window.by(config::Window::Calls(70), config::Window::Time(SECOND), now);
        timed.push_successes(3);
        timed.advance(now / (clock::saturating_nanos(SECOND) / 10));
        assert_eq!(timed.sums().calls, 3, "it is of the time when it was made");
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn other_rules_keep_what_happened_within_their_time() {
        let second = clock::saturating_nanos(SECOND);
        let (ten, five) = (config::Window::Time(SECOND * 10), config::Window::Time(SECOND * 5));
        let mut window = Window::new(ten);
        // A failure in each of the seconds 100 to 109, seen at the end of the last.
        for tick in 100..110 {
            window.advance(tick);
            window.push(Seen { failed: true, slow: false });
        }
        let now = 110 * second - 1;
        let mut shorter = window.by(ten, five, now);
        assert_eq!(shorter.sums().failures, 5);
        shorter.advance(now / (second / 2) + 5);
        assert_eq!(shorter.sums().failures, 3, "each falls out in its time");
        let longer = window.by(ten, config::Window::Time(SECOND * 100), now);
        assert_eq!(longer.sums().failures, 10);
    }

    #[test]
    fn a_bucket_falls_out_after_ten_ticks_and_not_before() {
        let mut window = Window::new(config::Window::Time(std::time::Duration::from_secs(10)));
        window.advance(100);
        window.push(Seen { failed: true, slow: false });
        window.advance(109);
        window.push_successes(3);
        assert_eq!(window.sums(), Sums { calls: 4, failures: 1, slow: 0 });
        window.advance(110);
        assert_eq!(window.sums(), Sums { calls: 3, failures: 0, slow: 0 });
        window.advance(105);
        assert_eq!(window.sums().calls, 3, "a clock that runs back empties nothing");
        window.push_successes(2);
        window.advance(90);
        assert_eq!(window.sums(), Sums::default(), "another clock begins anew");
        window.push_successes(2);
        window.advance(100_000);
        assert_eq!(window.sums(), Sums::default());
    }
}
