//! Nothing on the success path allocates, also where the function has to wait: for each policy, and
//! for all together.
//!
//! A binary of its own, since the allocator that counts serves the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::task::Poll;
use std::time::Duration;

use mmf::{ResilienceError, resilient};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FREED: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator that hands every call on to the system's")]
// SAFETY: each method passes its arguments unchanged to `System`, which upholds the contract; the
// counter is a plain cell of the thread, without destructor, and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        FREED.set(FREED.get() + 1);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Debug)]
struct Error;

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

/// Waits once, so that timers are started.
async fn work(id: u64) -> Result<u64, Error> {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    Ok(id)
}

macro_rules! policies {
    ($($test:ident = [$($policy:tt)+];)*) => {$(
        #[tokio::test]
        async fn $test() {
            #[resilient($($policy)+)]
            async fn call(id: u64) -> Result<u64, Error> {
                work(id).await
            }
            // The first call builds the policy, and the thread's stock of timers.
            call(1).await.unwrap();
            let before = ALLOCATIONS.get();
            for id in 0..100 {
                assert_eq!(call(id).await.unwrap(), id);
            }
            assert_eq!(ALLOCATIONS.get() - before, 0);
        }
    )*};
}

policies! {
    retry_allocates_nothing = [retry];
    retry_with_budget_allocates_nothing = [retry(budget = 0.2, max_duration = "9s")];
    breaker_allocates_nothing = [breaker];
    a_time_window_allocates_nothing = [breaker(window = "60s", slow_call_threshold = "1s")];
    keyed_breaker_allocates_nothing = [breaker(key("a.example"))];
    timeout_allocates_nothing = [timeout = "1s"];
    deadline_allocates_nothing = [deadline = "1s"];
    rate_limit_allocates_nothing = [rate_limit(permits = 1_000_000)];
    bulkhead_allocates_nothing = [bulkhead];
    hedge_allocates_nothing = [hedge = "1s"];
    fallback_allocates_nothing = [fallback(value(0))];
    all_together_allocate_nothing = [
        deadline = "10s", timeout = "2s", retry, breaker, rate_limit(permits = 1_000_000), bulkhead,
        hedge = "1s", fallback(value(0))
    ];
}

/// A name that is made at run time is dropped with its call.
#[tokio::test]
async fn names_of_calls_are_not_kept() {
    use mmf::resilience::call;
    let run = |number: u32| {
        call(format!("tenant.{number}")).timeout(Duration::from_secs(1)).run(|| work(1))
    };
    run(0).await.unwrap();
    let before = FREED.get().wrapping_sub(ALLOCATIONS.get());
    for number in 0..100 {
        run(number).await.unwrap();
    }
    assert_eq!(FREED.get().wrapping_sub(ALLOCATIONS.get()), before);
}

#[tokio::test]
async fn the_call_without_the_attribute_allocates_nothing() {
    use mmf::resilience::{Bulkhead, CircuitBreaker, RetryPolicy, call};
    let (retry, breaker) = (RetryPolicy::default(), CircuitBreaker::builder("b").build());
    let bulkhead = Bulkhead::builder("k").build();
    let run = || {
        call("direct")
            .retry(&retry)
            .breaker(&breaker)
            .bulkhead(&bulkhead)
            .timeout(Duration::from_secs(1))
            .run(|| work(1))
    };
    run().await.unwrap();
    let before = ALLOCATIONS.get();
    for _ in 0..100 {
        run().await.unwrap();
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}
