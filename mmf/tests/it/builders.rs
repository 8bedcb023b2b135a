//! Values that can never work: `try_build` refuses them, `build` cuts each to the nearest that can.

use std::time::Duration;

use mmf::resilience::{
    Bulkhead, BulkheadBuilder, CircuitBreaker, CircuitBreakerBuilder, HedgePolicy,
    HedgePolicyBuilder, InvalidPolicy, RateLimiter, RateLimiterBuilder, RetryPolicy,
    RetryPolicyBuilder,
};

use crate::support::Error;

const HOUR: Duration = Duration::from_secs(3600);

#[track_caller]
fn is_wrong<P>(built: Result<P, InvalidPolicy>, words: &str) {
    let wrong = built.err().map(|invalid| invalid.to_string()).unwrap_or_default();
    assert!(wrong.contains(words), "{words}: {wrong:?}");
}

#[test]
fn a_retry() {
    let with = |set: fn(RetryPolicyBuilder) -> RetryPolicyBuilder| set(RetryPolicy::builder());
    is_wrong(with(|retry| retry.max_attempts(0)).try_build(), "`max_attempts`");
    is_wrong(with(|retry| retry.multiplier(-1.0)).try_build(), "`multiplier`");
    is_wrong(with(|retry| retry.jitter(f64::NAN)).try_build(), "`jitter`");
    is_wrong(with(|retry| retry.max_duration(Duration::ZERO)).try_build(), "`max_duration`");
    is_wrong(with(|retry| retry.budget(50.0)).try_build(), "`budget` is a share");
    let below = with(|retry| retry.base_delay(HOUR).max_delay(HOUR / 2));
    is_wrong(
        below.clone().try_build(),
        "`max_delay` of 30m is below `base_delay` of 1h: raise `max_delay` or lower `base_delay`",
    );
    assert!(with(|retry| retry.base_delay(HOUR)).try_build().is_ok(), "by default");

    let delays = |retry: RetryPolicyBuilder| retry.jitter(0.0).build().delays().collect::<Vec<_>>();
    assert_eq!(delays(below), [HOUR; 2]);
    assert_eq!(delays(with(|retry| retry.base_delay(HOUR))), [HOUR; 2]);
    assert_eq!(delays(with(|retry| retry.multiplier(-1.0))), [Duration::from_secs(1); 2]);
    assert_eq!(with(|retry| retry.max_attempts(0)).build().max_attempts(), 1);
}

#[test]
fn as_many_attempts_as_it_takes() {
    let retry = RetryPolicy::builder().unlimited_attempts().build();
    assert_eq!((retry.max_attempts(), retry.delays().take(1000).count()), (u32::MAX, 1000));
}

#[tokio::test(start_paused = true)]
async fn a_breaker() {
    let with = |set: fn(CircuitBreakerBuilder) -> CircuitBreakerBuilder| {
        set(CircuitBreaker::builder("builders")).try_build()
    };
    is_wrong(with(|breaker| breaker.failure_rate_threshold(f64::NAN)), "`failure_rate_threshold`");
    is_wrong(with(|breaker| breaker.slow_call_rate_threshold(2.0)), "`slow_call_rate_threshold`");
    let unsaid = with(|breaker| breaker.slow_call_rate_threshold(0.5));
    is_wrong(unsaid, "does nothing without `slow_call_threshold`");
    assert!(with(|breaker| breaker.max_recovery_timeout(HOUR / 360)).is_ok(), "by default");
    is_wrong(with(|breaker| breaker.window(u32::MAX)), "`window`");
    is_wrong(with(|breaker| breaker.window(Duration::ZERO)), "`window`");
    is_wrong(with(|breaker| breaker.minimum_throughput(0)), "`minimum_throughput`");
    is_wrong(with(|breaker| breaker.window(5).minimum_throughput(6)), "`minimum_throughput`");
    is_wrong(with(|breaker| breaker.half_open_max_calls(0)), "`half_open_max_calls`");
    is_wrong(with(|breaker| breaker.success_threshold(0)), "`success_threshold`");
    is_wrong(with(|breaker| breaker.recovery_multiplier(0.5)), "`recovery_multiplier`");
    is_wrong(with(|breaker| breaker.slow_call_threshold(Duration::ZERO)), "`slow_call_threshold`");
    is_wrong(
        with(|breaker| breaker.recovery_timeout(HOUR / 60).max_recovery_timeout(HOUR / 3600)),
        "`max_recovery_timeout` of 1s is below `recovery_timeout` of 1m: raise `max_recovery_timeout` or \
         lower `recovery_timeout`",
    );
    let never = with(|breaker| breaker.failure_threshold(0).failure_rate_threshold(0.0));
    is_wrong(never, "can never open");
    assert!(with(|breaker| breaker.window(5)).is_ok(), "the default throughput fits");
    assert!(with(|breaker| breaker.recovery_timeout(Duration::ZERO)).is_ok());

    // Cut to the window, by which it opens.
    let breaker = CircuitBreaker::builder("builders").failure_threshold(0);
    let breaker = breaker.window(2).minimum_throughput(9).build();
    for _ in 0..2 {
        let _ = breaker.call(async { Err::<(), _>(Error::Busy) }).await;
    }
    assert_eq!(breaker.snapshot().opened, 1);
}

#[test]
fn a_rate_limit() {
    let with = |set: fn(RateLimiterBuilder) -> RateLimiterBuilder| {
        set(RateLimiter::builder("builders")).try_build()
    };
    is_wrong(with(|limit| limit.permits(0)), "`permits`");
    is_wrong(with(|limit| limit.burst(0)), "`burst`");
    is_wrong(with(|limit| limit.period(Duration::ZERO).permits(1)), "`period`");
    is_wrong(with(|limit| limit.permits(2_000_000_000)), "more than one a nanosecond");
    is_wrong(with(|limit| limit.permits(1).period(HOUR * 24 * 31)), "more than 30 days apart");
    let limit = RateLimiter::builder("builders").permits(0).burst(0).build();
    assert!(limit.try_acquire().is_ok() && limit.try_acquire().is_err(), "one is the nearest");
}

#[tokio::test]
async fn a_bulkhead() {
    let with = |set: fn(BulkheadBuilder) -> BulkheadBuilder| set(Bulkhead::builder("builders"));
    is_wrong(with(|bulkhead| bulkhead.max_concurrent(0)).try_build(), "`max_concurrent`");
    let bulkhead = with(|bulkhead| bulkhead.max_concurrent(0)).build();
    let permit = bulkhead.acquire().await;
    assert!(permit.is_ok() && bulkhead.acquire().await.is_err(), "one is the nearest");
}

#[test]
fn a_hedge() {
    let with =
        |set: fn(HedgePolicyBuilder) -> HedgePolicyBuilder| set(HedgePolicy::builder()).try_build();
    is_wrong(with(|hedge| hedge.percentile(100.0)), "`percentile`");
    is_wrong(with(|hedge| hedge.max_hedges(0)), "`max_hedges`");
    is_wrong(with(|hedge| hedge.budget(-0.1)), "`budget`");
    assert!(with(|hedge| hedge.percentile(100.0).delay(HOUR)).is_ok(), "not in use");
}
