//! So many calls per period: a token bucket.

use std::borrow::Cow;
use std::time::Duration;

use super::error::ResilienceError;
use super::registry::intern;
use crate::clock;
use crate::sync::{AtomicU64, Ordering};
use crate::timer::Timer;

/// A token bucket that fills with `permits` per `period` up to `burst`.
///
/// Kept as the "theoretical arrival time" of the generic cell rate algorithm (ITU-T I.371): one
/// atomic word.
///
/// ```
/// use std::time::Duration;
/// use mmf_runtime::resilience::RateLimiter;
///
/// let limiter = RateLimiter::builder("api").permits(2).period(Duration::from_secs(60)).build();
/// assert!(limiter.try_acquire().is_ok());
/// assert!(limiter.try_acquire().is_ok());
/// assert!(limiter.try_acquire().is_err());
/// ```
#[derive(Debug)]
pub struct RateLimiter {
    name: &'static str,
    /// Nanoseconds from one permit to the next.
    interval: u64,
    /// How far the arrival time may run ahead of now: `burst - 1` intervals.
    tolerance: u64,
    /// In nanoseconds.
    max_wait: u64,
    arrival: AtomicU64,
}

impl RateLimiter {
    /// Starts from 100 permits per second, no waiting.
    pub fn builder(name: impl Into<Cow<'static, str>>) -> RateLimiterBuilder {
        RateLimiterBuilder {
            name: intern(name.into()),
            permits: 100,
            period: Duration::from_secs(1),
            burst: None,
            max_wait: Duration::ZERO,
        }
    }

    /// Takes a permit if there is one now.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`] with the time until the next permit.
    pub fn try_acquire(&self) -> Result<(), ResilienceError> {
        self.take(0).map(|_wait| ()).map_err(|wait| self.refusal(wait))
    }

    /// Takes a permit, waiting for one up to `max_wait`. A wait that is dropped gives it back.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`] where none comes within `max_wait`: at once, without waiting.
    #[inline]
    pub async fn acquire(&self) -> Result<(), ResilienceError> {
        if let Some(reserved) = self.reserve()? {
            reserved.due().await;
        }
        Ok(())
    }

    /// [`acquire`](Self::acquire) that waits on the thread.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_blocking(&self) -> Result<(), ResilienceError> {
        if let Some(reserved) = self.reserve()? {
            reserved.due_blocking();
        }
        Ok(())
    }

    /// Takes a permit: one that is there now, or one that is due within `max_wait`.
    #[inline]
    pub(crate) fn reserve(&self) -> Result<Option<Reserved<'_>>, ResilienceError> {
        match self.take(self.max_wait) {
            Ok(0) => Ok(None),
            Ok(wait) => Ok(Some(Reserved { limiter: self, wait })),
            Err(wait) => Err(self.refusal(wait)),
        }
    }

    /// Takes the next permit: `Ok` with the nanoseconds until it is due, `Err` with those where they
    /// are more than `max_wait`.
    #[inline]
    fn take(&self, max_wait: u64) -> Result<u64, u64> {
        let now = clock::nanos();
        // Relaxed: the word is all there is to agree on, nothing is published by it.
        let mut arrival = self.arrival.load(Ordering::Relaxed);
        loop {
            let due = arrival.saturating_sub(self.tolerance);
            let wait = due.saturating_sub(now);
            if wait > max_wait {
                if wait > self.max_wait.saturating_add(self.interval) {
                    // No permit is ever reserved that far ahead.
                    clock::suspect();
                }
                return Err(wait);
            }
            let next = arrival.max(now).saturating_add(self.interval);
            match self.arrival.compare_exchange_weak(
                arrival,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(wait),
                Err(current) => arrival = current,
            }
        }
    }

    #[cold]
    fn refusal(&self, wait: u64) -> ResilienceError {
        let retry_after = Duration::from_nanos(wait);
        ResilienceError::RateLimited { policy: self.name, retry_after }
    }
}

/// A permit that is not due yet; dropped before it is, it goes back.
#[derive(Debug)]
pub(crate) struct Reserved<'l> {
    limiter: &'l RateLimiter,
    /// In nanoseconds.
    wait: u64,
}

impl Reserved<'_> {
    pub(crate) async fn due(self) {
        Timer::until(clock::later(clock::now(), Duration::from_nanos(self.wait))).await;
        std::mem::forget(self);
    }

    pub(crate) fn due_blocking(self) {
        std::thread::sleep(Duration::from_nanos(self.wait));
        std::mem::forget(self);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        // Relaxed: see `take`.
        self.limiter.arrival.fetch_sub(self.limiter.interval, Ordering::Relaxed);
    }
}

/// Builds a [`RateLimiter`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RateLimiterBuilder {
    name: &'static str,
    permits: u32,
    period: Duration,
    burst: Option<u32>,
    max_wait: Duration,
}

impl RateLimiterBuilder {
    /// Permits per period; 0 means 1.
    pub fn permits(mut self, permits: u32) -> Self {
        self.permits = permits.max(1);
        self
    }

    /// The period. Default: 1 s.
    pub fn period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// How many permits may be saved up. Default: `permits`.
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = Some(burst.max(1));
        self
    }

    /// How long a call may wait for its permit. Default: not at all.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// The limiter, with a full bucket.
    pub fn build(self) -> RateLimiter {
        let interval = clock::saturating_nanos(self.period) / u64::from(self.permits);
        let burst = self.burst.unwrap_or(self.permits);
        RateLimiter {
            name: self.name,
            interval,
            tolerance: interval.saturating_mul(u64::from(burst - 1)),
            max_wait: clock::saturating_nanos(self.max_wait),
            arrival: AtomicU64::new(0),
        }
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn limiter(permits: u32, burst: u32, max_wait: u64) -> RateLimiter {
        RateLimiter::builder("test")
            .permits(permits)
            .burst(burst)
            .max_wait(Duration::from_millis(max_wait))
            .build()
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_gives_its_burst_and_then_one_per_interval() {
        let limiter = limiter(3, 3, 0);
        assert_eq!((0..5).filter(|_| limiter.try_acquire().is_ok()).count(), 3);
        advance(Duration::from_nanos(333_333_332)).await;
        assert!(limiter.try_acquire().is_err());
        advance(Duration::from_nanos(1)).await;
        assert!(limiter.try_acquire().is_ok());
        advance(Duration::from_secs(1)).await;
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
        let start = tokio::time::Instant::now();
        limiter.acquire().await.unwrap();
        limiter.acquire().await.unwrap();
        assert_eq!(start.elapsed().as_millis(), 100);
        let (a, b, c) = tokio::join!(limiter.acquire(), limiter.acquire(), limiter.acquire());
        assert!(a.is_ok() && b.is_ok());
        assert_eq!(
            c,
            Err(ResilienceError::RateLimited {
                policy: "test",
                retry_after: Duration::from_millis(300)
            })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_gives_its_permit_back() {
        let limiter = limiter(10, 1, 1000);
        limiter.acquire().await.unwrap();
        drop(tokio::time::timeout(Duration::from_millis(10), limiter.acquire()).await);
        advance(Duration::from_millis(90)).await;
        assert!(limiter.try_acquire().is_ok());
        assert!(limiter.try_acquire().is_err());
    }
}
