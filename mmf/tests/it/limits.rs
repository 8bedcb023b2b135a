//! Timeout, deadline, bulkhead, rate limit and hedge.

use std::sync::Mutex;
use std::time::Duration;

use mmf::ResilienceError;
use mmf::resilience::policy;
use mmf::resilient;
use tokio::time::{Instant, sleep};

use crate::support::*;

macro_rules! declare {
    ($policy:literal, $f:ident, $snapshot:ident: $($policies:tt)+) => {
        #[resilient(name = $policy, $($policies)+)]
        async fn $f(script: &Script) -> Result<u32, Error> {
            script.play().await
        }
        #[allow(unused_variables)]
        let $snapshot = || policy($policy).unwrap().snapshot();
    };
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_one_attempt() {
    declare!("limits.timeout", f, snapshot: timeout = "2s");
    let start = Instant::now();
    let refusal = ResilienceError::timeout("limits.timeout", Duration::from_secs(2));
    assert_eq!(f(&Script::new([Hang])).await, Err(Error::Refused(refusal)));
    assert_eq!(start.elapsed().as_secs(), 2);
    assert_eq!(f(&Script::new([Slow(1999)])).await, Ok(1));
    assert_eq!((snapshot().timeouts, snapshot().calls), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_ready_at_the_very_limit_wins() {
    declare!("limits.instant", f, snapshot: timeout = "2s");
    assert_eq!(f(&Script::new([Slow(2000)])).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_fires_though_the_body_spends_the_tasks_budget() {
    #[resilient(timeout = "100ms")]
    async fn f() -> Result<u32, Error> {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        loop {
            sender.send(()).unwrap();
            receiver.recv().await;
            tokio::time::advance(Duration::from_micros(10)).await;
        }
    }
    assert!(f().await.unwrap_err().is_refusal());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_bounds_the_whole_call() {
    declare!("limits.deadline", f, snapshot: deadline = "5s", timeout = "2s", retry(max_attempts = 9, backoff = "constant", jitter = 0.0));
    let (script, start) = (Script::new([Hang]), Instant::now());
    // Attempts at 0 s and 3 s; the second times out at 5 s, the deadline itself.
    f(&script).await.unwrap_err();
    assert_eq!((script.attempts(), start.elapsed().as_secs()), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_would_cross_the_deadline_is_not_slept() {
    declare!("limits.cross", f, snapshot: deadline = "5s", retry(max_attempts = 9, jitter = 0.0));
    let (script, start) = (Script::failing(), Instant::now());
    assert_eq!(f(&script).await, Err(Error::Busy), "the last error, not the deadline");
    assert_eq!(script.gaps(), [1000, 2000]);
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(snapshot().deadline_exceeded, 0);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_body_meets_the_deadline() {
    declare!("limits.hang", f, snapshot: deadline = "1s");
    let refusal = ResilienceError::deadline_exceeded("limits.hang", Duration::from_secs(1));
    assert_eq!(f(&Script::new([Hang])).await, Err(Error::Refused(refusal)));
    assert_eq!(snapshot().deadline_exceeded, 1);
}

#[tokio::test(start_paused = true)]
async fn an_outer_deadline_bounds_inner_calls() {
    #[resilient(deadline = "3s")]
    async fn outer(script: &Script) -> Result<u32, Error> {
        inner(script).await
    }
    #[resilient(
        deadline = "60s",
        retry(max_attempts = 9, backoff = "constant", base_delay = "2s", jitter = 0.0)
    )]
    async fn inner(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    let (script, start) = (Script::failing(), Instant::now());
    assert_eq!(outer(&script).await, Err(Error::Busy));
    assert_eq!((script.attempts(), start.elapsed().as_secs()), (2, 2), "no sleep past 3 s");
    let (script, start) = (Script::new([Hang]), Instant::now());
    assert!(outer(&script).await.unwrap_err().is_refusal());
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_lets_ten_in_and_refuses_the_rest_at_once() {
    declare!("limits.ten", f, snapshot: bulkhead);
    let script = Script::new([Slow(10)]);
    let calls = (0..12).map(|_| f(&script));
    let mut set: Vec<_> = calls.map(Box::pin).collect();
    let mut results = Vec::new();
    for call in &mut set {
        results.push(tokio::time::timeout(Duration::ZERO, call).await);
    }
    let refused =
        results.iter().filter(|result| matches!(result, Ok(Err(Error::Refused(_))))).count();
    assert_eq!((refused, snapshot().bulkhead.unwrap().running), (2, 10));
    drop(set);
    let bulkhead = snapshot().bulkhead.unwrap();
    assert_eq!((bulkhead.running, bulkhead.queued, bulkhead.refused), (0, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_serves_its_queue_in_order_and_refuses_past_max_wait() {
    #[resilient(bulkhead(max_concurrent = 1, max_queue = 2, max_wait = "25ms"))]
    async fn f(order: &Mutex<Vec<u32>>, number: u32) -> Result<(), Error> {
        order.lock().unwrap().push(number);
        sleep(Duration::from_millis(20)).await;
        Ok(())
    }
    let order = Mutex::default();
    let (a, b, c, d) = tokio::join!(biased; f(&order, 1), f(&order, 2), f(&order, 3), f(&order, 4));
    assert!(a.is_ok() && b.is_ok());
    assert!(c.unwrap_err().is_refusal(), "third in line at 40 ms, but waits 25 ms at most");
    assert!(d.unwrap_err().is_refusal(), "no place in the queue");
    assert_eq!(*order.lock().unwrap(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_time_in_the_queue_counts_towards_the_timeout() {
    declare!("limits.queue", f, snapshot: timeout = "1s", bulkhead(max_concurrent = 1, max_queue = 5));
    let (first, second) = (Script::new([Slow(900)]), Script::new([Slow(500)]));
    let third = Script::new([Good]);
    let (a, b, c) = tokio::join!(biased; f(&first), f(&second), async {
        sleep(Duration::from_millis(1)).await;
        f(&third).await
    });
    assert_eq!(a, Ok(1));
    assert!(b.unwrap_err().is_refusal(), "900 ms in the queue leave 100 ms");
    assert_eq!(c, Ok(1));
    let policy = policy("limits.queue").unwrap();
    let bulkhead = policy.bulkhead().unwrap();
    let _blocked = bulkhead.acquire().await.unwrap();
    let waiting = Script::new([Good]);
    assert!(f(&waiting).await.unwrap_err().is_refusal());
    assert_eq!(waiting.attempts(), 0, "what times out in the queue never runs");
}

#[tokio::test(start_paused = true)]
async fn refusals_of_the_bulkhead_are_retried() {
    declare!("limits.retried", f, snapshot: bulkhead = 1, retry(backoff = "constant", base_delay = "50ms", jitter = 0.0));
    let (first, second) = (Script::new([Slow(40)]), Script::new([Good]));
    let (a, b) = tokio::join!(biased; f(&first), f(&second));
    assert_eq!((a, b), (Ok(1), Ok(1)));
    let counted = snapshot();
    assert_eq!((counted.calls, counted.attempts, counted.retries), (2, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_gives_its_permits_and_then_one_per_interval() {
    declare!("limits.rate", f, snapshot: rate_limit(permits = 2, period = "1s"));
    let script = Script::new([Good]);
    f(&script).await.unwrap();
    f(&script).await.unwrap();
    let refusal = ResilienceError::rate_limited("limits.rate", Duration::from_millis(500));
    assert_eq!(f(&script).await, Err(Error::Refused(refusal)));
    pass(500).await;
    f(&script).await.unwrap();
    assert_eq!(snapshot().rate_limited, 1);
    let policy = policy("limits.rate").unwrap();
    assert!(policy.rate_limiter().unwrap().try_acquire().is_err(), "the one that the calls ask");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_can_wait() {
    declare!("limits.wait", f, snapshot: rate_limit(permits = 10, burst = 1, max_wait = "150ms"));
    let (script, start) = (Script::new([Good]), Instant::now());
    let (a, b, c) = tokio::join!(biased; f(&script), f(&script), f(&script));
    assert!(a.is_ok() && b.is_ok() && c.is_err());
    assert_eq!(start.elapsed().as_millis(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_starts_a_copy_and_drops_the_loser() {
    struct Dropped<'a>(&'a Mutex<Vec<&'static str>>, &'static str);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(self.1);
        }
    }
    #[resilient(name = "limits.hedge", hedge(delay = "80ms"))]
    async fn f(script: &Script, ends: &Mutex<Vec<&'static str>>) -> Result<u32, Error> {
        let mut end = Dropped(ends, "dropped");
        let result = script.play().await;
        end.1 = "finished";
        result
    }
    let (script, ends, start) = (Script::new([Hang, Slow(10)]), Mutex::default(), Instant::now());
    assert_eq!(f(&script, &ends).await, Ok(2));
    assert_eq!(start.elapsed().as_millis(), 90);
    assert_eq!(*ends.lock().unwrap(), ["finished", "dropped"]);
    let snapshot = policy("limits.hedge").unwrap().snapshot();
    assert_eq!((snapshot.hedges, snapshot.attempts), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_failing_copy_leaves_the_other_its_chance() {
    declare!("limits.chance", f, snapshot: hedge = "80ms");
    assert_eq!(f(&Script::new([Slow(200), SlowFail(10)])).await, Ok(1));
    let (script, start) = (Script::new([SlowFail(10)]), Instant::now());
    assert_eq!(f(&script).await, Err(Error::Busy));
    assert_eq!(
        (script.attempts(), start.elapsed().as_millis()),
        (1, 10),
        "a failure is no slowness"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hedge_learns_its_delay_from_attempts() {
    declare!("limits.learn", f, snapshot: hedge(percentile = 90, max_hedges = 2));
    for _ in 0..20 {
        f(&Script::new([Slow(100)])).await.unwrap();
    }
    let start = Instant::now();
    assert_eq!(f(&Script::new([Hang, Hang, Good])).await, Ok(3));
    assert!((200..=230).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert!(snapshot().latency.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_gives_everything_back_and_counts_no_failure() {
    declare!("limits.drop", f, snapshot: deadline = "9s", timeout = "5s", retry, breaker(failure_threshold = 1), bulkhead(max_concurrent = 1, max_queue = 3));
    let script = Script::new([Hang]);
    let mut calls: Vec<_> = (0..3).map(|_| Box::pin(f(&script))).collect();
    for call in &mut calls {
        assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
    }
    let bulkhead = snapshot().bulkhead.unwrap();
    assert_eq!((bulkhead.running, bulkhead.queued), (1, 2));
    drop(calls);
    let counted = snapshot();
    assert_eq!((counted.calls, counted.failures, counted.cancelled), (0, 0, 3));
    assert_eq!(counted.breaker.unwrap().failures, 0);
    let bulkhead = counted.bulkhead.unwrap();
    assert_eq!((bulkhead.running, bulkhead.queued), (0, 0));
    assert_eq!(f(&Script::new([Good])).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_permit_comes_back_only_when_the_body_is_gone() {
    struct Inside<'a>(&'a std::sync::atomic::AtomicU32);
    impl Drop for Inside<'_> {
        fn drop(&mut self) {
            let inside = policy("limits.inside").unwrap().snapshot().bulkhead.unwrap().running;
            self.0.store(inside as u32, std::sync::atomic::Ordering::SeqCst);
        }
    }
    #[resilient(name = "limits.inside", timeout = "1s", bulkhead = 1)]
    async fn f(seen: &std::sync::atomic::AtomicU32) -> Result<(), Error> {
        let _inside = Inside(seen);
        std::future::pending().await
    }
    let seen = std::sync::atomic::AtomicU32::new(9);
    f(&seen).await.unwrap_err();
    assert_eq!(seen.into_inner(), 1, "the body still holds its permit while it is dropped");
}

#[tokio::test(start_paused = true)]
async fn a_copy_starts_only_where_the_bulkhead_has_room_for_it_now() {
    declare!("limits.copy", f, snapshot: hedge = "10ms", bulkhead(max_concurrent = 1, max_queue = 1));
    let script = Script::new([Slow(20)]);
    assert_eq!(f(&script).await, Ok(1));
    assert_eq!((script.attempts(), snapshot().attempts, snapshot().hedges), (1, 1, 0));
    declare!("limits.roomy", g, snapshot: hedge = "10ms", bulkhead(max_concurrent = 2));
    assert_eq!(g(&Script::new([Hang, Good])).await, Ok(2));
    assert_eq!((snapshot().attempts, snapshot().hedges), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_dependency_is_hedged_for_a_share_of_calls_only() {
    declare!("limits.share", f, snapshot: hedge(delay = "1ms", budget = 0.2));
    for _ in 0..100 {
        f(&Script::new([Slow(2)])).await.unwrap();
    }
    // Ten a second beside the share, of which a fifth of a second has passed.
    let hedges = snapshot().hedges;
    assert!((30..=33).contains(&hedges), "{hedges}");
    declare!("limits.tenth", g, snapshot: hedge = "1ms");
    for _ in 0..100 {
        g(&Script::new([Slow(2)])).await.unwrap();
    }
    let hedges = snapshot().hedges;
    assert!((20..=23).contains(&hedges), "a tenth by default: {hedges}");
}

#[tokio::test(start_paused = true)]
async fn a_hedge_learns_from_attempts_that_fail_as_well() {
    declare!("limits.outage", f, snapshot: hedge(percentile = 90));
    for _ in 0..20 {
        f(&Script::new([Slow(10)])).await.unwrap();
    }
    for _ in 0..80 {
        f(&Script::new([SlowFail(500)])).await.unwrap_err();
    }
    assert!(snapshot().latency.unwrap().p90 >= Duration::from_millis(500));
    let hedges = snapshot().hedges;
    f(&Script::new([SlowFail(400)])).await.unwrap_err();
    assert_eq!(snapshot().hedges, hedges, "slow is what it always is by now");
}

#[tokio::test(start_paused = true)]
async fn the_losers_of_a_race_are_never_polled_after_it() {
    use std::sync::atomic::{AtomicU32, Ordering};
    #[resilient(hedge(delay = "10ms", max_hedges = 2, budget = 1.0))]
    async fn f(copies: &AtomicU32) -> Result<u32, Error> {
        let copy = copies.fetch_add(1, Ordering::SeqCst);
        // All are over in the same moment, and the second is polled before the third.
        tokio::time::sleep_until(
            Instant::now() + Duration::from_millis(100 - 10 * u64::from(copy)),
        )
        .await;
        match copy {
            1 => Ok(copy),
            0 => std::future::pending().await,
            _ => panic!("polled after the winner"),
        }
    }
    assert_eq!(f(&AtomicU32::new(0)).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_due_past_the_deadline_is_not_waited_for() {
    declare!("limits.late", f, snapshot: deadline = "1s", rate_limit(permits = 1, period = "10s", max_wait = "1m"));
    f(&Script::new([Good])).await.unwrap();
    let (script, start) = (Script::new([Good]), Instant::now());
    let refusal = ResilienceError::rate_limited("limits.late", Duration::from_secs(10));
    assert_eq!(f(&script).await, Err(Error::Refused(refusal)));
    assert_eq!((start.elapsed(), script.attempts()), (Duration::ZERO, 0));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_due_past_max_duration_is_not_waited_for() {
    declare!("limits.past", f, snapshot: retry(max_attempts = 2, max_duration = "1s"), rate_limit(permits = 1, period = "1s", max_wait = "1m"));
    f(&Script::new([Good])).await.unwrap();
    let start = Instant::now();
    assert!(f(&Script::new([Good])).await.unwrap_err().is_refusal(), "due at 1 s, the limit");
    assert_eq!(start.elapsed(), Duration::ZERO);
    pass(1).await;
    assert_eq!(f(&Script::new([Good])).await, Ok(1), "due before it");
}

#[tokio::test(start_paused = true)]
async fn waits_that_are_given_up_take_no_permit() {
    declare!("limits.churn", f, snapshot: rate_limit(permits = 10, burst = 1, max_wait = "1m"));
    let (good, start) = (Script::new([Good]), Instant::now());
    f(&good).await.unwrap();
    for _ in 0..10 {
        let given_up = Script::new([Good]);
        assert!(tokio::time::timeout(Duration::from_millis(1), f(&given_up)).await.is_err());
    }
    f(&good).await.unwrap();
    f(&good).await.unwrap();
    assert_eq!(start.elapsed().as_millis(), 200);
    assert_eq!((snapshot().attempts, snapshot().calls, snapshot().cancelled), (3, 3, 10));
}

#[tokio::test(start_paused = true)]
async fn what_the_deadline_ends_while_it_waits_is_no_attempt() {
    declare!("limits.waits", queued, snapshot: deadline = "10ms", bulkhead(max_concurrent = 1, max_queue = 1));
    let policy = policy("limits.waits").unwrap();
    let _held = policy.bulkhead().unwrap().acquire().await.unwrap();
    let script = Script::new([Good]);
    assert!(queued(&script).await.unwrap_err().is_refusal());
    assert_eq!((script.attempts(), snapshot().attempts, snapshot().calls), (0, 0, 1));

    declare!("limits.throttled", f, snapshot: deadline = "10ms", rate_limit(permits = 1, max_wait = "1s"));
    let script = Script::new([Good]);
    f(&script).await.unwrap();
    assert!(f(&script).await.unwrap_err().is_refusal());
    assert_eq!((script.attempts(), snapshot().attempts, snapshot().calls), (1, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_waits_changes_no_count_of_attempts() {
    declare!("limits.waiter", f, snapshot: bulkhead(max_concurrent = 1, max_queue = 1));
    let (running, waiting) = (Script::new([Slow(50)]), Script::new([Good]));
    let dropped = tokio::time::timeout(Duration::from_millis(10), f(&waiting));
    let (result, dropped) = tokio::join!(biased; f(&running), dropped);
    assert!(result.is_ok() && dropped.is_err());
    let counted = snapshot();
    assert_eq!((counted.attempts, counted.calls, counted.cancelled), (1, 1, 1));
}

#[cfg(feature = "logging")]
#[tokio::test(start_paused = true)]
async fn what_is_spawned_goes_on_after_its_call_and_within_its_deadline() {
    #[resilient(retry(
        max_attempts = "unlimited",
        backoff = "constant",
        base_delay = "1s",
        jitter = 0.0
    ))]
    async fn inner(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    #[resilient(deadline = "3500ms")]
    async fn outer(carried: bool) -> Result<tokio::task::JoinHandle<usize>, Error> {
        let work = async {
            let script = Script::failing();
            let _ = tokio::time::timeout(Duration::from_secs(60), inner(&script)).await;
            script.attempts()
        };
        Ok(if carried { mmf::spawn(work) } else { tokio::spawn(work) })
    }
    let attempts = async |carried| outer(carried).await.unwrap().await.unwrap();
    assert_eq!(attempts(true).await, 4, "after 0, 1, 2 and 3 seconds");
    assert!(attempts(false).await > 50, "what is to outlive the call");
}

#[cfg(feature = "logging")]
#[tokio::test]
async fn what_blocks_a_thread_of_its_own_is_within_the_deadline_too() {
    #[resilient(retry(max_attempts = 2, backoff = "constant", base_delay = "5s"), keep(runs))]
    fn inner(runs: &mut u32) -> Result<u32, Error> {
        *runs += 1;
        Err(Error::Busy)
    }
    #[resilient(deadline = "4s")]
    async fn outer() -> Result<u32, Error> {
        let work = || {
            let mut runs = 0;
            let _ = inner(&mut runs);
            runs
        };
        Ok(mmf::spawn_blocking(work).await.unwrap())
    }
    assert_eq!(outer().await, Ok(1));
}

#[tokio::test]
async fn a_wait_on_the_thread_keeps_to_the_deadline_as_well() {
    let bulkhead = mmf::resilience::Bulkhead::builder("limits.blocking").max_concurrent(1);
    let bulkhead = bulkhead.max_queue(1).max_wait(Duration::from_secs(60)).build();
    let _held = bulkhead.acquire().await.unwrap();
    let begun = std::time::Instant::now();
    let call = mmf::resilience::call("limits.blocking").deadline(Duration::from_millis(50));
    let waited = call.run(|| async { bulkhead.acquire_blocking().map(drop) }).await;
    assert!(waited.is_err() && begun.elapsed() < Duration::from_secs(30));
}
