//! Code of the user's never runs under a lock of ours: each type here logs, panics and calls back into the
//! function that is running. What hangs is ended by its thread's limit.

use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use mmf::resilience::{Bulkhead, CircuitBreaker, KeyedBreakers, RateLimiter, policies};
use mmf::resilient;

use crate::support::*;

/// Runs a test on a thread of its own, which may take ten seconds.
fn within_its_time(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        done.send(()).unwrap();
    });
    match is_done.recv_timeout(Duration::from_secs(10)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().unwrap(),
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

thread_local! {
    /// How deep calls back are, so that they end.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// What a type of the user's does in whatever the library calls of it.
fn meddle(back: impl FnOnce()) {
    tracing::info!("meddling");
    assert!(!policies().is_empty());
    if DEPTH.get() < 3 {
        DEPTH.set(DEPTH.get() + 1);
        back();
        DEPTH.set(DEPTH.get() - 1);
    }
}

#[derive(Debug, PartialEq)]
struct Answer(u32);

static PANICS: AtomicU32 = AtomicU32::new(0);

impl Clone for Answer {
    fn clone(&self) -> Self {
        meddle(|| drop(block_on_nested(stale(Key(self.0), true))));
        assert_ne!(PANICS.load(Ordering::SeqCst), 1, "a clone that panics");
        Self(self.0)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        meddle(|| drop(block_on_nested(stale(Key(self.0), true))));
    }
}

#[derive(Eq)]
struct Key(u32);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        meddle(|| drop(block_on_nested(stale(Self(self.0), true))));
        self.0 == other.0
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        meddle(|| drop(block_on_nested(stale(Self(self.0), true))));
        self.0.hash(state);
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        meddle(|| drop(block_on_nested(stale(Self(7), true))));
    }
}

/// Polls a future once, as user code within a poll may.
fn block_on_nested<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[resilient(fallback(stale(key(Key(id.0)), capacity = 2)))]
async fn stale(id: Key, fails: bool) -> Result<Answer, Error> {
    if fails { Err(Error::Busy) } else { Ok(Answer(id.0)) }
}

#[test]
fn stale_values_are_cloned_compared_and_dropped_outside_of_locks() {
    within_its_time(|| {
        block_on(async {
            for id in 0..9 {
                assert_eq!(stale(Key(id), false).await, Ok(Answer(id)));
                assert_eq!(stale(Key(id), true).await, Ok(Answer(id)));
            }
            PANICS.store(1, Ordering::SeqCst);
            let panicked = tokio::spawn(stale(Key(8), true)).await;
            PANICS.store(0, Ordering::SeqCst);
            assert!(panicked.is_err());
            assert_eq!(stale(Key(8), true).await, Ok(Answer(8)), "the value is still there");
        });
    });
}

/// A waker that calls back into the policy which wakes, clones or drops it.
struct Meddler(Arc<dyn Fn() + Send + Sync>);

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        meddle(|| (self.0)());
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        meddle(|| (self.0)());
    }
}

#[test]
fn wakers_are_woken_and_dropped_outside_of_locks() {
    within_its_time(|| {
        block_on(async {
            let bulkhead =
                Arc::new(Bulkhead::builder("wakers").max_concurrent(1).max_queue(9).build());
            let again = Arc::clone(&bulkhead);
            let back: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
                drop(block_on_nested(again.acquire()));
                assert!(again.queued() < 9);
            });
            let held = bulkhead.acquire().await.unwrap();
            let mut waiting = Box::pin(bulkhead.acquire());
            for _ in 0..3 {
                let waker = Waker::from(Arc::new(Meddler(Arc::clone(&back))));
                assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            drop(held);
            drop(waiting.await.unwrap());
            assert_eq!((bulkhead.running(), bulkhead.queued()), (0, 0));

            let limiter = RateLimiter::builder("wakers").permits(1000).burst(1);
            let limiter = Arc::new(limiter.max_wait(Duration::from_secs(9)).build());
            let again = Arc::clone(&limiter);
            let back: Arc<dyn Fn() + Send + Sync> =
                Arc::new(move || drop(block_on_nested(again.acquire())));
            limiter.acquire().await.unwrap();
            let mut first = Box::pin(limiter.acquire());
            let mut second = Box::pin(limiter.acquire());
            for waiting in [&mut first, &mut second] {
                let waker = Waker::from(Arc::new(Meddler(Arc::clone(&back))));
                assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            drop(first);
            second.await.unwrap();
        });
    });
}

/// A key whose `Debug` asks for breakers.
struct Host<'k>(&'k KeyedBreakers, u32);

impl Hash for Host<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.1.hash(state);
    }
}

impl fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        meddle(|| drop(self.0.get(&Host(self.0, self.1 + 1))));
        assert_ne!(self.1, 99, "a Debug that panics");
        write!(f, "host {}", self.1)
    }
}

#[test]
fn keys_are_printed_outside_of_locks() {
    within_its_time(|| {
        let keyed = KeyedBreakers::new(CircuitBreaker::builder("hosts"), 2);
        for host in 0..9 {
            keyed.get(&Host(&keyed, host));
        }
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            keyed.get(&Host(&keyed, 99));
        }));
        assert!(panicked.is_err());
        keyed.get(&Host(&keyed, 1));
        assert_eq!(keyed.len(), 2);
    });
}

#[test]
fn what_a_policy_is_built_of_may_call_the_function() {
    fn permits() -> u32 {
        meddle(|| drop(block_on_nested(built())));
        300
    }
    #[resilient(rate_limit(permits = permits()), breaker(shared = "locks.shared", failure_threshold = permits()))]
    async fn built() -> Result<u32, Error> {
        Ok(1)
    }
    within_its_time(|| {
        block_on(async {
            assert_eq!(built().await, Ok(1));
        });
    });
}
