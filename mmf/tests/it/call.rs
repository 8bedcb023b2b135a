//! The form without the attribute: the same expectations.

use std::sync::Arc;
use std::time::Duration;

use mmf::resilience::{
    Backoff, BreakerState, Bulkhead, CircuitBreaker, HedgePolicy, RateLimiter, Refusal, Refusals,
    RetryPolicy, call,
};
use tokio::time::Instant;

use crate::support::*;

fn retry() -> mmf::resilience::RetryPolicyBuilder {
    RetryPolicy::builder().jitter(0.0)
}

#[tokio::test(start_paused = true)]
async fn retries_by_its_policy_and_predicates() {
    let script = Script::new([Fail(Error::Busy), Fail(Error::Status(500)), Fail(Error::Fatal)]);
    let result = call("direct")
        .retry(retry().max_attempts(9).backoff(Backoff::Fibonacci).build())
        .retry_if(|error: &Error| *error != Error::Status(1))
        .abort_if(|error| *error == Error::Fatal)
        .run(|| script.play())
        .await;
    assert_eq!(result, Err(Error::Fatal));
    assert_eq!(script.gaps(), [1000, 1000]);
}

#[tokio::test(start_paused = true)]
async fn policies_are_shared_by_reference_and_by_arc() {
    let breaker = Arc::new(CircuitBreaker::builder("b").failure_threshold(2).build());
    let script = Script::failing();
    call("a").breaker(&breaker).run(|| script.play()).await.unwrap_err();
    call("a").breaker(Arc::clone(&breaker)).run(|| script.play()).await.unwrap_err();
    assert_eq!(breaker.state(), BreakerState::Open);
    assert!(call("a").breaker(&*breaker).run(|| script.play()).await.unwrap_err().is_refusal());
    assert_eq!(script.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn timeouts_are_retried_and_count_for_the_breaker() {
    let breaker = CircuitBreaker::builder("b").build();
    let script = Script::new([Hang, Good]);
    let result = call("t")
        .retry(retry().build())
        .breaker(&breaker)
        .timeout(Duration::from_secs(1))
        .run(|| script.play())
        .await;
    assert_eq!(result, Ok(2));
    assert_eq!((breaker.snapshot().failures, breaker.snapshot().successes), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn lists_of_refusals_are_kept() {
    let script = Script::new([Hang, Good]);
    let result = call("t")
        .retry(retry().build())
        .retry_on_refusal(Refusals::NONE)
        .timeout(Duration::from_secs(1))
        .run(|| script.play())
        .await;
    assert!(result.unwrap_err().is_refusal());
    let breaker = CircuitBreaker::builder("b").failure_threshold(1).build();
    let _ = call("t")
        .breaker(&breaker)
        .fail_on_refusal(Refusal::Bulkhead)
        .timeout(Duration::from_secs(1))
        .run(|| Script::play(&script))
        .await;
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn limits_hedge_and_fallback() {
    let limiter = RateLimiter::builder("r").permits(1).build();
    let bulkhead = Bulkhead::builder("k").max_concurrent(1).build();
    let hedge = HedgePolicy::builder().delay(Duration::from_millis(80)).build();
    let (script, start) = (Script::new([Hang, Good]), Instant::now());
    assert_eq!(call("h").hedge(&hedge).run(|| script.play()).await, Ok(2));
    assert_eq!(start.elapsed().as_millis(), 80);

    let good = Script::new([Good]);
    assert!(call("r").rate_limit(&limiter).run(|| good.play()).await.is_ok());
    let answer = call("r")
        .rate_limit(&limiter)
        .fallback(|error: Error| async move { if error.is_refusal() { Ok(7) } else { Err(error) } })
        .run(|| good.play())
        .await;
    assert_eq!(answer, Ok(7));

    let slow = Script::new([Slow(10)]);
    let run = || call("k").bulkhead(&bulkhead).run(|| slow.play());
    let (a, b) = tokio::join!(biased; run(), run());
    assert!(a.is_ok() && b.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_gives_the_last_error_instead_of_sleeping() {
    let (script, start) = (Script::failing(), Instant::now());
    let result = call("d")
        .deadline(Duration::from_secs(5))
        .retry(retry().max_attempts(9).build())
        .run(|| script.play())
        .await;
    assert_eq!((result, start.elapsed().as_secs()), (Err(Error::Busy), 3));
}

#[tokio::test(start_paused = true)]
async fn hints_and_successes_that_count_as_failures() {
    let script = Script::new([Fail(Error::After(Duration::from_secs(3))), Good]);
    let result = call("hint")
        .retry(retry().build())
        .retry_after(|error: &Error| match error {
            Error::After(delay) => Some(*delay),
            _ => None,
        })
        .retry_if_ok(|attempt: &u32| *attempt < 3)
        .run(|| script.play())
        .await;
    assert_eq!(result, Ok(3));
    let gaps = script.gaps();
    assert!((3000..=4501).contains(&gaps[0]) && gaps[1] == 2000, "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn the_closure_runs_only_once_the_bulkhead_has_admitted_it() {
    let bulkhead = Bulkhead::builder("k").max_concurrent(1).max_queue(1).build();
    let held = bulkhead.acquire().await.unwrap();
    let runs = std::cell::Cell::new(0);
    let waiting = call("k").bulkhead(&bulkhead).run(|| {
        runs.set(runs.get() + 1);
        async { Ok::<_, Error>(()) }
    });
    let mut waiting = std::pin::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_millis(5), &mut waiting).await.is_err());
    assert_eq!(runs.get(), 0);
    drop(held);
    waiting.await.unwrap();
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn a_closure_that_panics_before_its_future_counts_for_the_breaker() {
    let breaker = CircuitBreaker::builder("b").failure_threshold(1).build();
    let panicking = async {
        let run = call("p")
            .breaker(&breaker)
            .run(|| -> std::future::Ready<Result<(), Error>> { panic!("before its future") });
        run.await
    };
    let caught = futures_catch(panicking).await;
    assert!(caught.is_err());
    assert_eq!((breaker.state(), breaker.snapshot().failures), (BreakerState::Open, 1));
}

/// Catches the panic of a future.
async fn futures_catch<F: Future>(future: F) -> std::thread::Result<F::Output> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| {
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            future.as_mut().poll(context)
        }));
        match polled {
            Ok(poll) => poll.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_rate_limit_can_count_for_the_breaker() {
    let breaker = CircuitBreaker::builder("b").failure_threshold(1).build();
    let limiter = RateLimiter::builder("r").permits(1).build();
    let run = async || {
        let good = Script::new([Good]);
        let result = call("r")
            .breaker(&breaker)
            .rate_limit(&limiter)
            .fail_on_refusal(Refusal::RateLimit)
            .run(|| good.play())
            .await;
        result.is_ok()
    };
    assert!(run().await && !run().await);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn the_fallback_answers_what_it_is_to() {
    let answered = async |error: Error| {
        let script = Script::new([Fail(error)]);
        let result = call("f")
            .fallback(|_: Error| async { Ok(7) })
            .fallback_if(|error| matches!(error, Error::Busy | Error::Fatal))
            .fallback_unless(|error| *error == Error::Fatal)
            .fallback_on_refusal(Refusals::NONE)
            .run(|| script.play())
            .await;
        result == Ok(7)
    };
    assert!(answered(Error::Busy).await);
    assert!(!answered(Error::Fatal).await, "skipped first");
    assert!(!answered(Error::Status(1)).await, "not among them");
    let refused = async |refusals: Refusals| {
        let script = Script::new([Hang]);
        let result = call("f")
            .timeout(Duration::from_secs(1))
            .fallback(|_: Error| async { Ok(7) })
            .fallback_if(|_| false)
            .fallback_on_refusal(refusals)
            .run(|| script.play())
            .await;
        result == Ok(7)
    };
    assert!(refused(Refusal::Timeout.into()).await, "refusals are asked by their list alone");
    assert!(!refused(Refusal::Bulkhead.into()).await);
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_told_of_each_retry_and_a_success_can_count_as_a_failure() {
    let told = std::sync::Mutex::new(Vec::new());
    let breaker = CircuitBreaker::builder("b").failure_threshold(9).build();
    let script = Script::new([Fail(Error::Busy), Good]);
    let result = call("h")
        .retry(retry().build())
        .breaker(&breaker)
        .before_retry(|event| told.lock().unwrap().push((event.attempt, event.delay)))
        .fail_if_ok(|attempt: &u32| *attempt == 2)
        .run(|| script.play())
        .await;
    assert_eq!(result, Ok(2));
    assert_eq!(*told.lock().unwrap(), [(1, Duration::from_secs(1))]);
    assert_eq!(breaker.snapshot().failures, 2);
}
