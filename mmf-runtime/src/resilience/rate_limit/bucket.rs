//! The token bucket, and who waits for it.
//!
//! Kept as the "theoretical arrival time" of the generic cell rate algorithm (ITU-T I.371) in one atomic
//! word. A permit is taken when its time has come and never before, so that a wait which is given up has
//! taken nothing and nothing need be given back. Those that wait stand in a queue; while somebody does, the
//! word says so, and whoever comes later cannot overtake. The permit is that of the first. Who stands behind
//! one that does not come for it, as nobody polls it, takes its own turn a little after its time.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use atomic_waker::AtomicWaker;
use tokio::time::Instant;

use super::limits::{FRACTION_BITS, LONGEST, Limits};
use crate::clock::{self, Ticker};
use crate::resilience::error::ResilienceError;
use crate::resilience::live::Live;
use crate::resilience::name::{KeyLabel, PolicyName};
use crate::resilience::setting::{Setting, describe};
use crate::resilience::time_left::time_left;
use crate::sync::{AtomicU64, Mutex, Ordering, Unpark, lock, wake_guarded};
use crate::timer::Timer;

/// A token bucket that fills with `permits` per `period` up to `burst`.
///
/// It never admits more than `burst` and one for each interval that has passed, whoever waits or gives up;
/// what does not divide evenly is rounded against the caller.
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::time::Duration;
/// use mmf::resilience::RateLimiter;
///
/// let limiter = RateLimiter::builder("api").permits(2).period(Duration::from_secs(60)).build();
/// assert!(limiter.try_acquire().is_ok());
/// assert!(limiter.try_acquire().is_ok());
/// assert!(limiter.try_acquire().is_err());
/// ```
pub struct RateLimiter {
    pub(super) name: PolicyName,
    /// The label of its key, where it is one of several.
    key: Option<KeyLabel>,
    built: Limits,
    /// What is in force in their place.
    changed: Live<Limits>,
    clock: Ticker,
    /// The arrival time of the next permit, and [`WAITING`].
    arrival: AtomicU64,
    /// Under its lock: the queue itself, atomics and the clock. No waker is woken, cloned or dropped there.
    queue: Mutex<Queue>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Arc<Waiter>>,
    /// So many at the front did not come for their permits, and others went before.
    passed_over: usize,
    /// The number of the next to come.
    next: u64,
    /// By how much the arrival time was cut when the burst became smaller: what was taken beyond it is not forgotten.
    cut: u64,
}

/// A place in the queue.
#[derive(Debug)]
struct Waiter {
    number: u64,
    waker: AtomicWaker,
    /// It was told that the next permit is its own.
    is_next: AtomicBool,
}

impl Queue {
    /// How many are likely to come for their permits.
    fn expected(&self) -> usize {
        self.waiting.len() - self.passed_over
    }

    fn place(&self, waiter: &Waiter) -> Option<usize> {
        self.waiting.binary_search_by_key(&waiter.number, |other| other.number).ok()
    }
}

/// The bit of the word that says that somebody waits. Any time with it is later than every other, so that the
/// quick way finds no permit.
const WAITING: u64 = 1 << 63;
/// Clocks of two threads are no further apart.
const SKEW: u64 = 1_000_000_000 << FRACTION_BITS;

impl RateLimiter {
    /// The name given to the builder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// With a full bucket.
    pub(super) fn new(name: PolicyName, key: Option<KeyLabel>, limits: Limits) -> Self {
        Self {
            name,
            key,
            built: limits,
            changed: Live::new(),
            clock: Ticker::new(),
            arrival: AtomicU64::new(0),
            queue: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    #[inline]
    fn limits(&self) -> &Limits {
        self.changed.get().unwrap_or(&self.built)
    }

    /// The limits that it was built with.
    pub(super) fn built(&self) -> &Limits {
        &self.built
    }

    /// The values it goes by.
    pub(in crate::resilience) fn settings(&self) -> Vec<Setting> {
        self.limits().settings()
    }

    pub(in crate::resilience) fn describe(&self) -> String {
        describe("rate_limit", &self.settings())
    }

    /// Goes by other limits from now on, or with none by those that it was built with. As many permits are taken as were;
    /// a call that takes one at this very moment may do so by either. Those that wait have to be
    /// [woken](Self::wake_waiting) then.
    pub(in crate::resilience) fn go_by(&self, limits: Option<Arc<Limits>>) {
        let mut queue = lock(&self.queue);
        let before = self.limits().clone();
        self.changed.set(limits);
        let after = self.limits();
        if before == *after {
            return;
        }
        let now = self.now();
        // Relaxed: as everywhere, the word is all there is to agree on.
        let mut word = self.arrival.load(Ordering::Relaxed);
        loop {
            let ahead = (word & !WAITING).saturating_add(queue.cut).saturating_sub(now);
            let (ahead, cut) = before.ahead_by(ahead, after);
            let new = now.saturating_add(ahead) | word & WAITING;
            match self.arrival.compare_exchange(word, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    queue.cut = cut;
                    return;
                }
                Err(current) => word = current,
            }
        }
    }

    /// Has those that wait look again when their turn is.
    pub(in crate::resilience) fn wake_waiting(&self) {
        let waiting: Vec<_> = lock(&self.queue).waiting.iter().map(Arc::clone).collect();
        for waiter in waiting {
            wake_guarded(&waiter.waker);
        }
    }

    /// Takes a permit if there is one now.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`] with the time until the next permit.
    #[inline]
    pub fn try_acquire(&self) -> Result<(), ResilienceError> {
        if self.take_now() { Ok(()) } else { self.look_again() }
    }

    /// Takes a permit, waiting for one up to `max_wait`. A wait that is dropped takes none.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`] where none comes within `max_wait`, or before the deadline that this
    /// runs under: at once, without waiting.
    #[inline]
    pub async fn acquire(&self) -> Result<(), ResilienceError> {
        if !self.take_now() {
            self.queue_up(time_left)?.await?;
        }
        Ok(())
    }

    /// [`acquire`](Self::acquire) that waits on the thread.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_blocking(&self) -> Result<(), ResilienceError> {
        if !self.take_now() {
            self.queue_up(time_left)?.wait_blocking()?;
        }
        Ok(())
    }

    /// [`acquire`](Self::acquire) that borrows nothing.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_owned(self: Arc<Self>) -> Result<(), ResilienceError> {
        self.acquire().await
    }

    /// The label of its key, where it is one of [`KeyedRateLimiters`](super::KeyedRateLimiters).
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// How many calls were refused.
    pub fn refused(&self) -> u64 {
        // Relaxed: a statistic.
        self.refused.load(Ordering::Relaxed)
    }

    #[inline]
    fn now(&self) -> u64 {
        self.clock.now() << FRACTION_BITS
    }

    /// Takes a permit that is due, where nobody waits for it.
    #[inline]
    pub(crate) fn take_now(&self) -> bool {
        let now = self.now();
        // Relaxed: the word is all there is to agree on, nothing is published by it.
        let mut arrival = self.arrival.load(Ordering::Relaxed);
        let limits = self.limits();
        while arrival <= now + limits.tolerance {
            let next = arrival.max(now) + limits.interval;
            match self.arrival.compare_exchange_weak(
                arrival,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(current) => arrival = current,
            }
        }
        false
    }

    /// Takes a place in the queue, where its turn comes within `max_wait` and before `left` is over.
    #[cold]
    pub(crate) fn queue_up(
        &self,
        left: impl FnOnce() -> Duration,
    ) -> Result<Queued<'_>, ResilienceError> {
        // Asked before the lock is taken: it is the caller's.
        let left = left();
        let mut queue = lock(&self.queue);
        let wait = self.wait_behind(queue.expected());
        if wait > self.limits().max_wait || (wait >= left && !wait.is_zero()) {
            drop(queue);
            return Err(self.refusal(wait));
        }
        let waiter = Arc::new(Waiter {
            number: queue.next,
            waker: AtomicWaker::new(),
            is_next: AtomicBool::new(queue.waiting.len() == queue.passed_over),
        });
        queue.next += 1;
        queue.waiting.push_back(Arc::clone(&waiter));
        self.arrival.fetch_or(WAITING, Ordering::Relaxed);
        drop(queue);
        let limit = self.limits().max_wait.min(left);
        let end = clock::later(clock::now(), limit);
        Ok(Queued { limiter: self, waiter: Some(waiter), timer: Timer::default(), end, limit })
    }

    /// Where no permit was due: it may be by now, and the clock may have run back.
    #[cold]
    fn look_again(&self) -> Result<(), ResilienceError> {
        let wait = self.next_wait();
        if wait.is_zero() && self.take_now() { Ok(()) } else { Err(self.refusal(wait)) }
    }

    /// The time until a permit that nobody waits for.
    fn next_wait(&self) -> Duration {
        let queue = lock(&self.queue);
        self.wait_behind(queue.expected())
    }

    /// The time until the permit behind so many that wait.
    fn wait_behind(&self, waiting: usize) -> Duration {
        let ahead =
            self.limits().interval.saturating_mul(u64::try_from(waiting).unwrap_or(u64::MAX));
        self.duration(self.time_to_due(self.now()).saturating_add(ahead))
    }

    fn duration(&self, time: u64) -> Duration {
        self.clock.duration(time, FRACTION_BITS)
    }

    fn time(&self, duration: Duration) -> u64 {
        let ticks = self.clock.ticks(duration.as_nanos(), FRACTION_BITS);
        u64::try_from(ticks).unwrap_or(LONGEST)
    }

    /// How long it is until the next permit is due. A time that is further ahead than it can have been set is
    /// one of another clock, such as the paused one of an earlier test: then the bucket is full.
    fn time_to_due(&self, now: u64) -> u64 {
        self.due(now).saturating_sub(now)
    }

    /// When the next permit is due.
    fn due(&self, now: u64) -> u64 {
        let word = self.arrival.load(Ordering::Relaxed);
        let arrival = word & !WAITING;
        if arrival > now + self.limits().tolerance + self.limits().interval + SKEW {
            clock::suspect();
            let forgotten = now | word & WAITING;
            // Where it fails, somebody else has just set it.
            let _ = self.arrival.compare_exchange(
                word,
                forgotten,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            return now;
        }
        arrival.saturating_sub(self.limits().tolerance)
    }

    /// Takes the permit of one in the queue, where it is its turn by `now`, and has the next one move up.
    ///
    /// Otherwise it says how long that will be. It is the turn of the first when a permit is due; of another when
    /// that permit has been due for so long that all before it should have come, and a while longer.
    fn take_turn(&self, waiter: &Waiter, now: u64) -> Result<(), Duration> {
        const PATIENCE: u64 = 20_000_000 << FRACTION_BITS;
        let mut queue = lock(&self.queue);
        let place = queue.place(waiter).unwrap_or(0);
        let ahead = u64::try_from(place.saturating_sub(queue.passed_over)).unwrap_or(u64::MAX);
        let due = self.due(now);
        let turn = match ahead {
            0 => due,
            _ => due
                .saturating_add(self.limits().interval.saturating_mul(ahead))
                .saturating_add(PATIENCE),
        };
        if turn > now {
            return Err(self.duration(turn - now));
        }
        let word = self.arrival.load(Ordering::Relaxed);
        // Nobody else changes the word while it says that somebody waits.
        let next = (word & !WAITING).max(now) + self.limits().interval;
        self.arrival.store(next | WAITING, Ordering::Relaxed);
        queue.passed_over = queue.passed_over.max(place);
        let next = self.leave(&mut queue, waiter);
        drop(queue);
        if let Some(next) = next {
            next.waker.wake();
        }
        Ok(())
    }

    /// Takes a waiter out of the queue; who is to be woken, as the next permit is its own now.
    fn leave(&self, queue: &mut Queue, waiter: &Waiter) -> Option<Arc<Waiter>> {
        if let Some(place) = queue.place(waiter) {
            // The caller has another handle: nothing is dropped here.
            queue.waiting.remove(place);
            queue.passed_over -= usize::from(place < queue.passed_over);
        }
        if queue.waiting.is_empty() {
            self.arrival.fetch_and(!WAITING, Ordering::Relaxed);
        }
        let next = queue.waiting.get(queue.passed_over)?;
        (!next.is_next.swap(true, Ordering::AcqRel)).then(|| Arc::clone(next))
    }

    #[cold]
    fn refusal(&self, retry_after: Duration) -> ResilienceError {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let (policy, key) = (self.name.clone(), self.key.clone());
        ResilienceError::RateLimited { policy, key, retry_after }
    }

    /// Whether it decides as a new one would: its bucket is full, and nobody waits.
    pub(super) fn is_as_new(&self) -> bool {
        let word = self.arrival.load(Ordering::Relaxed);
        word <= self.now()
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("name", &self.name)
            .field("interval", &self.duration(self.limits().interval))
            .field("max_wait", &self.limits().max_wait)
            .finish_non_exhaustive()
    }
}

/// A place in the queue, until its permit is due. Dropped before that, it takes none.
pub(crate) struct Queued<'l> {
    limiter: &'l RateLimiter,
    /// Until it has its permit.
    waiter: Option<Arc<Waiter>>,
    timer: Timer,
    /// When it waits no longer, and how long that was.
    end: Instant,
    limit: Duration,
}

impl Future for Queued<'_> {
    type Output = Result<(), ResilienceError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(waiter) = &this.waiter else { return Poll::Ready(Ok(())) };
        waiter.waker.register(context.waker());
        loop {
            let Err(wait) = this.limiter.take_turn(waiter, this.limiter.now()) else {
                this.waiter = None;
                return Poll::Ready(Ok(()));
            };
            let now = clock::now();
            if now >= this.end {
                return Poll::Ready(Err(this.refuse()));
            }
            // Anew each time: whoever leaves the queue brings it forward.
            this.timer = Timer::until(clock::later(now, wait).min(this.end));
            std::task::ready!(Pin::new(&mut this.timer).poll(context));
        }
    }
}

impl Queued<'_> {
    /// Waits on the thread, by the time of the system: a paused clock does not move while a thread sleeps.
    pub(crate) fn wait_blocking(&mut self) -> Result<(), ResilienceError> {
        let Some(waiter) = &self.waiter else { return Ok(()) };
        waiter.waker.register(&Waker::from(Arc::new(Unpark(std::thread::current()))));
        let began = std::time::Instant::now();
        // How far the clock fell behind while this thread slept.
        let mut behind = 0;
        loop {
            let now = self.limiter.now();
            let Err(wait) = self.limiter.take_turn(waiter, now.saturating_add(behind)) else {
                self.waiter = None;
                return Ok(());
            };
            let left = self.limit.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(self.refuse());
            }
            let slept = std::time::Instant::now();
            std::thread::park_timeout(wait.min(left));
            if clock::PAUSABLE && self.limiter.now() == now {
                behind = behind.saturating_add(self.limiter.time(slept.elapsed()));
            }
        }
    }

    /// Its time is over: somebody before it holds the queue up, or its timer is late.
    #[cold]
    fn refuse(&mut self) -> ResilienceError {
        self.leave();
        self.limiter.refusal(self.limiter.next_wait())
    }

    fn leave(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        let mut queue = lock(&self.limiter.queue);
        let next = self.limiter.leave(&mut queue, &waiter);
        drop(queue);
        if let Some(next) = next {
            next.waker.wake();
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use crate::clock::paused;
    use proptest::prelude::*;
    use tokio::time::{Instant, advance};

    fn limiter(permits: u32, burst: u32, max_wait: u64) -> RateLimiter {
        RateLimiter::builder("test")
            .permits(permits)
            .burst(burst)
            .max_wait(Duration::from_millis(max_wait))
            .build()
    }

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_gives_its_burst_and_then_one_per_interval() {
        let limiter = limiter(3, 3, 0);
        assert_eq!((0..5).filter(|_| limiter.try_acquire().is_ok()).count(), 3);
        advance(Duration::from_nanos(333_333_333)).await;
        assert!(limiter.try_acquire().is_err(), "a third of a second is not over");
        advance(Duration::from_nanos(1)).await;
        assert!(limiter.try_acquire().is_ok());
        advance(Duration::from_millis(1001)).await;
        assert_eq!((0..5).filter(|_| limiter.try_acquire().is_ok()).count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_bucket_saves_no_more_than_its_burst() {
        let limiter = limiter(10, 2, 0);
        advance(Duration::from_secs(3600)).await;
        assert_eq!((0..20).filter(|_| limiter.try_acquire().is_ok()).count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_as_long_as_needed_and_refused_beyond_its_limit() {
        let limiter = limiter(10, 1, 200);
        let start = Instant::now();
        limiter.acquire().await.unwrap();
        limiter.acquire().await.unwrap();
        assert_eq!(start.elapsed().as_millis(), 100);
        let (a, b, c) =
            tokio::join!(biased; limiter.acquire(), limiter.acquire(), limiter.acquire());
        assert!(a.is_ok() && b.is_ok());
        let refusal = ResilienceError::rate_limited("test", Duration::from_millis(300));
        assert_eq!(c, Err(refusal));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_takes_no_permit() {
        let limiter = limiter(10, 1, 1000);
        limiter.acquire().await.unwrap();
        drop(tokio::time::timeout(Duration::from_millis(10), limiter.acquire()).await);
        advance(Duration::from_millis(90)).await;
        assert!(limiter.try_acquire().is_ok());
        assert!(limiter.try_acquire().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_served_first_come_first_served_and_nobody_overtakes() {
        let limiter = limiter(10, 1, 10_000);
        limiter.acquire().await.unwrap();
        let mut waits: Vec<_> =
            (0..4).map(|_| limiter.queue_up(|| Duration::MAX).unwrap()).collect();
        assert!(waits.iter_mut().all(|wait| poll(wait).is_pending()));
        advance(Duration::from_millis(100)).await;
        assert!(limiter.try_acquire().is_err(), "the permit is that of the first who waits");
        assert!(waits[1..].iter_mut().all(|wait| poll(wait).is_pending()));
        assert!(poll(&mut waits[0]).is_ready());
        drop(waits.remove(1));
        advance(Duration::from_millis(100)).await;
        assert!(poll(&mut waits[2]).is_pending());
        assert!(poll(&mut waits[1]).is_ready(), "the third moved up for the second");
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_is_woken_when_the_first_gives_up() {
        let limiter = limiter(10, 1, 10_000);
        limiter.acquire().await.unwrap();
        let start = Instant::now();
        let (given_up, served) = tokio::join!(
            biased;
            tokio::time::timeout(Duration::from_millis(50), limiter.acquire()),
            limiter.acquire()
        );
        assert!(given_up.is_err() && served.is_ok());
        assert_eq!(start.elapsed().as_millis(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_come_for_its_permit_holds_nobody_up() {
        let limiter = limiter(10, 1, 10_000);
        limiter.acquire().await.unwrap();
        // It waits, and nobody polls it any more.
        let mut stuck = Box::pin(limiter.acquire());
        assert!(poll(&mut stuck).is_pending());
        let start = Instant::now();
        limiter.acquire().await.unwrap();
        limiter.acquire().await.unwrap();
        assert!((320..=350).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
        drop(stuck);
        assert_eq!(limiter.queue.lock().unwrap().waiting.len(), 0);
        advance(Duration::from_millis(100)).await;
        assert!(limiter.try_acquire().is_ok(), "the quick way is open again");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_it_may() {
        let limiter = limiter(10, 1, 110);
        limiter.acquire().await.unwrap();
        let mut stuck = Box::pin(limiter.queue_up(|| Duration::MAX).unwrap());
        assert!(poll(&mut stuck).is_pending());
        advance(Duration::from_millis(95)).await;
        let start = Instant::now();
        let refused = limiter.acquire().await.unwrap_err();
        assert_eq!(start.elapsed().as_millis(), 110);
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(100)), "behind the first");
        let blocking = RateLimiter::builder("test").permits(1).period(Duration::from_secs(9));
        let blocking = blocking.max_wait(Duration::from_secs(10)).build();
        blocking.acquire().await.unwrap();
        let _stuck = blocking.queue_up(|| Duration::MAX).unwrap();
        assert!(blocking.acquire_blocking().is_err(), "refused at once: 18 s are too long");
    }

    #[test]
    fn a_thread_takes_no_permit_before_its_time() {
        let limiter = limiter(20, 1, 10_000);
        let start = std::time::Instant::now();
        (0..4).for_each(|_| limiter.acquire_blocking().unwrap());
        assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
        assert!(limiter.try_acquire().is_err());
    }

    #[test]
    fn threads_wait_for_their_permits() {
        let limiter = limiter(100, 1, 10_000);
        let start = std::time::Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| limiter.acquire_blocking().unwrap());
            }
        });
        assert!(start.elapsed() >= Duration::from_millis(20));
        assert_eq!(limiter.queue.lock().unwrap().waiting.len(), 0);
    }

    #[test]
    fn a_thread_under_a_paused_clock_waits_by_the_clock_of_the_system() {
        paused(async {
            let limiter = limiter(100, 1, 10_000);
            limiter.acquire_blocking().unwrap();
            limiter.acquire_blocking().unwrap();
        });
    }

    #[test]
    fn a_day_of_one_test_does_not_keep_the_next_one_waiting() {
        let limiter = limiter(10, 2, 0);
        paused(async {
            advance(Duration::from_secs(86_400)).await;
            assert_eq!((0..9).filter(|_| limiter.try_acquire().is_ok()).count(), 2);
        });
        paused(async {
            assert_eq!((0..9).filter(|_| limiter.try_acquire().is_ok()).count(), 2);
            advance(Duration::from_millis(100)).await;
            assert_eq!((0..9).filter(|_| limiter.try_acquire().is_ok()).count(), 1);
        });
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of steps")]
    fn what_does_not_divide_evenly_is_rounded_against_the_caller() {
        paused(async {
            for permits in [7, 3_000_000, 700_000_000, 999_999_999, 1_000_000_000] {
                let limiter = RateLimiter::builder("test").permits(permits).burst(4).build();
                let mut admitted = 0_u64;
                for _ in 0..1000 {
                    while limiter.try_acquire().is_ok() {
                        admitted += 1;
                    }
                    advance(Duration::from_nanos(1)).await;
                }
                let allowed = 4 + 1000 * u64::from(permits) / 1_000_000_000;
                assert!(admitted <= allowed, "{permits}: {admitted} of {allowed}");
                assert!((admitted + 1) * 100 >= allowed * 95, "{permits}: {admitted} of {allowed}");
            }
        });
    }

    #[test]
    fn more_than_one_permit_a_nanosecond_is_refused_or_cut() {
        let builder = || RateLimiter::builder("test").permits(2_000_000_000);
        let invalid = builder().try_build().unwrap_err().to_string();
        assert!(invalid.contains("more than one a nanosecond"), "{invalid}");
        assert_eq!(builder().build().built.interval, 1 << FRACTION_BITS);
        for nothing in [
            RateLimiter::builder("test").permits(0),
            RateLimiter::builder("test").burst(0),
            RateLimiter::builder("test").period(Duration::ZERO),
        ] {
            assert!(nothing.clone().try_build().is_err());
            assert!(nothing.build().try_acquire().is_ok(), "one at least");
        }
        let longest = RateLimiter::builder("test").permits(2).period(Duration::MAX);
        assert!(longest.clone().try_build().unwrap_err().to_string().contains("30 days"));
        let longest = longest.build();
        assert_eq!((0..9).filter(|_| longest.try_acquire().is_ok()).count(), 2);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Try,
        Wait,
        GiveUp(usize),
        Pass(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            1 => Just(Step::Try),
            3 => Just(Step::Wait),
            2 => (0..100_usize).prop_map(Step::GiveUp),
            3 => (0..40_000_000_u64).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// By the definition: in any span of time, no more than the burst and one for each interval.
        #[test]
        #[cfg_attr(miri, ignore = "hundreds of histories")]
        fn no_history_of_waits_and_cancellations_admits_more_than_it_may(
            steps in prop::collection::vec(any_step(), 1..120),
            burst in 1_u32..4,
        ) {
            paused(async {
                let limiter = limiter(100, burst, 100_000);
                let interval = 10_000_000_u128;
                let start = Instant::now();
                let mut admitted = Vec::new();
                let mut waiting: VecDeque<Queued<'_>> = VecDeque::new();
                for step in steps {
                    match step {
                        Step::Try => {
                            if limiter.try_acquire().is_ok() {
                                assert!(waiting.is_empty(), "it has overtaken");
                                admitted.push(start.elapsed().as_nanos());
                            }
                        }
                        Step::Wait => {
                            waiting.extend(limiter.queue_up(|| Duration::MAX).ok());
                        }
                        Step::GiveUp(which) if !waiting.is_empty() => {
                            drop(waiting.remove(which % waiting.len()));
                        }
                        Step::GiveUp(_) => {}
                        Step::Pass(nanos) => advance(Duration::from_nanos(nanos)).await,
                    }
                    while let Some(first) = waiting.front_mut()
                        && poll(first).is_ready()
                    {
                        waiting.pop_front();
                        admitted.push(start.elapsed().as_nanos());
                    }
                    for other in waiting.iter_mut().skip(1) {
                        assert!(poll(other).is_pending(), "it has overtaken");
                    }
                }
                for (place, from) in admitted.iter().enumerate() {
                    for (count, to) in admitted[place..].iter().enumerate() {
                        let allowed = u128::from(burst) + (to - from) / interval;
                        assert!((count as u128) < allowed, "{admitted:?}");
                    }
                }
            });
        }
    }
}
