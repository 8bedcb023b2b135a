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
    assert_eq!(script.gaps(), [3000, 2000]);
}

#[tokio::test]
async fn its_future_is_send() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let breaker = CircuitBreaker::builder("b").build();
    let bulkhead = Bulkhead::builder("k").build();
    let script = Script::new([Good]);
    let future = call("s")
        .deadline(Duration::from_secs(1))
        .retry(RetryPolicy::default())
        .breaker(&breaker)
        .bulkhead(&bulkhead)
        .timeout(Duration::from_secs(1))
        .run(|| script.play());
    assert_eq!(assert_send(future).await, Ok(1));
}
