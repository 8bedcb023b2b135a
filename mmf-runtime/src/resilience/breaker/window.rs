//! What happened lately: the last calls, or the calls of the last while.

use super::config;

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

/// Buckets of a time window.
pub(super) const BUCKETS: u32 = Buckets::COUNT;

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
