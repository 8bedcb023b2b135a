//! Time, by `tokio::time`, so that `#[tokio::test(start_paused = true)]` drives every policy.
//!
//! What reads the clock on every call reads the processor's counter instead (quanta), at less than
//! half the price. Where tokio's clock can be paused, which is where its feature `test-util` is on,
//! only that one counts.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quanta::Clock;
use tokio::time::Instant;

/// Where [`nanos`] begins to count, in the middle of its range: a paused clock may stand before the
/// instant at which this process first asked.
const ORIGIN: u64 = 1 << 62;

/// The instant at which this process first asked.
static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The processor's counter, and where it stood at an instant by tokio's clock.
struct Counter {
    clock: Clock,
    ticks: u64,
    nanos: u64,
}

static COUNTER: LazyLock<Counter> = LazyLock::new(|| {
    let clock = Clock::new();
    Counter { ticks: clock.raw(), nanos: nanos_by_tokio(), clock }
});

/// The counter ran back once, as it may where the system slept: it is not asked any more.
static COUNTER_RAN_BACK: AtomicBool = AtomicBool::new(false);

/// The current instant.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The current instant as nanoseconds on a scale of this process, for keeping in an atomic.
#[inline]
pub(crate) fn nanos() -> u64 {
    // Relaxed: whoever misses the change finds out by itself.
    if PAUSABLE || COUNTER_RAN_BACK.load(Ordering::Relaxed) {
        nanos_by_tokio()
    } else {
        nanos_by_counter()
    }
}

fn nanos_by_tokio() -> u64 {
    let first = *FIRST;
    let now = now();
    match now.checked_duration_since(first) {
        Some(since) => ORIGIN.saturating_add(saturating_nanos(since)),
        None => ORIGIN.saturating_sub(saturating_nanos(first.duration_since(now))),
    }
}

#[inline]
fn nanos_by_counter() -> u64 {
    let Counter { clock, ticks, nanos } = &*COUNTER;
    nanos.saturating_add(clock.delta_as_nanos(*ticks, clock.raw()))
}

/// Told by whoever finds an instant of [`nanos`] further ahead than it can have been set: gives the
/// counter up where it fell behind.
#[cold]
pub(crate) fn suspect() {
    const MOST_DRIFT: u64 = 1_000_000_000;
    if !PAUSABLE && nanos_by_tokio().saturating_sub(nanos_by_counter()) > MOST_DRIFT {
        // Relaxed: see `nanos`.
        COUNTER_RAN_BACK.store(true, Ordering::Relaxed);
    }
}

/// Whether an instant of [`nanos`] that was kept lies so far ahead of now that the clock has run back since, or
/// is another one: the paused clock of an earlier test. Clocks of two threads are never so far apart.
#[inline]
pub(crate) fn ran_back(kept: u64, now: u64) -> bool {
    kept > now.saturating_add(1_000_000_000)
}

/// A clock of its own for what counts on it in each call and never shows its times: by the processor's counter
/// as it is, unscaled, since intervals can be scaled once. Where tokio's clock can be paused, by that.
pub(crate) struct Ticker {
    /// None where tokio's clock counts.
    counter: Option<Clock>,
    /// Ticks that are left out, so that many bits are free above the rest.
    base: u64,
    /// Of [`SPAN`](Self::SPAN) ticks.
    nanos: u64,
}

impl Ticker {
    const SPAN: u64 = 1 << 40;
    /// It begins so far after zero: a paused clock may stand before the instant at which it was made, and another
    /// core's counter a little behind.
    const BEGIN: u64 = 1 << 54;

    pub(crate) fn new() -> Self {
        if PAUSABLE {
            return Self { counter: None, base: ORIGIN - Self::BEGIN, nanos: Self::SPAN };
        }
        let counter = Clock::new();
        let nanos = counter.delta_as_nanos(0, Self::SPAN).max(1);
        let base = counter.raw().wrapping_sub(Self::BEGIN);
        Self { counter: Some(counter), base, nanos }
    }

    #[inline]
    pub(crate) fn now(&self) -> u64 {
        let now = match &self.counter {
            Some(counter) => counter.raw(),
            None => nanos_by_tokio(),
        };
        now.wrapping_sub(self.base)
    }

    /// So many nanoseconds in ticks, `1 << bits` of them in each, rounded up.
    pub(crate) fn ticks(&self, nanos: u128, bits: u32) -> u128 {
        nanos.saturating_mul(u128::from(Self::SPAN) << bits).div_ceil(u128::from(self.nanos))
    }

    /// So many ticks, of which `1 << bits` are one, as a duration that is rounded up.
    pub(crate) fn duration(&self, ticks: u64, bits: u32) -> Duration {
        let nanos = u128::from(ticks) * u128::from(self.nanos);
        let nanos = nanos.div_ceil(u128::from(Self::SPAN) << bits);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A duration in whole nanoseconds; one above 584 years becomes 584 years.
pub(crate) fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `instant + duration`, or about thirty years ahead where that is out of range.
pub fn later(instant: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
    instant.checked_add(duration.min(FAR)).unwrap_or(instant)
}

/// Whether tokio is built with `test-util`.
pub(crate) const PAUSABLE: bool = {
    // In the inner scope, the name is tokio's function where that exists, and the one of the module
    // below where it does not.
    #[allow(unused_imports, reason = "one of the two imports is")]
    use not_pausable::*;
    {
        #[allow(unused_imports, reason = "one of the two imports is")]
        use tokio::time::*;
        not_pausable::is_tokios(pause)
    }
};

mod not_pausable {
    pub(super) struct Absent;

    #[allow(dead_code, reason = "found only where tokio has no function of this name")]
    pub(super) fn pause() -> Absent {
        Absent
    }

    pub(super) trait Returned {
        const BY_TOKIO: bool;
    }

    impl Returned for Absent {
        const BY_TOKIO: bool = false;
    }

    impl Returned for () {
        const BY_TOKIO: bool = true;
    }

    pub(super) const fn is_tokios<R: Returned>(_: fn() -> R) -> bool {
        R::BY_TOKIO
    }
}

/// Runs a test under a paused clock of its own, for tests that need more than one.
#[cfg(all(test, not(mmf_loom)))]
pub(crate) fn paused<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_that_overflows_the_clock_saturates() {
        assert!(later(now(), Duration::MAX) > now());
        assert_eq!(saturating_nanos(Duration::MAX), u64::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_stands_still_and_advances_exactly() {
        let before = nanos();
        assert_eq!(nanos(), before);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(nanos() - before, 60_000_000_000);
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads the processor's counter")]
    fn ticks_of_a_duration_are_that_long() {
        // As in a program whose clock cannot be paused.
        let clock = Clock::new();
        let nanos = clock.delta_as_nanos(0, Ticker::SPAN);
        for ticker in [Ticker::new(), Ticker { counter: Some(clock), base: 0, nanos }] {
            for nanos in [1, 1000, 1_000_000_007, 86_400_000_000_000] {
                let ticks = u64::try_from(ticker.ticks(nanos, 5)).unwrap();
                let back = ticker.duration(ticks, 5).as_nanos();
                assert!((nanos..=nanos + 1).contains(&back), "{nanos} {back}");
            }
            assert_eq!(ticker.duration(1, 5), Duration::from_nanos(1), "rounded up");
            assert_eq!(ticker.duration(0, 5), Duration::ZERO);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads the processor's counter")]
    fn the_counter_agrees_with_the_clock_and_does_not_run_back() {
        let before = nanos_by_tokio();
        let mut last = nanos_by_counter();
        for _ in 0..1000 {
            let next = nanos_by_counter();
            assert!(next >= last);
            last = next;
        }
        let after = nanos_by_tokio();
        // Two clocks, each read a moment apart from the other.
        let slack = 1_000_000;
        assert!((before - slack..after + slack).contains(&last), "{before} {last} {after}");
    }
}
