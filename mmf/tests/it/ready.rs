//! Ready policies in attributes: built once, wherever they are written.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mmf::resilience::{Bulkhead, CircuitBreaker, HedgePolicy, RateLimiter, RetryPolicy, policy};
use mmf::resilient;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_written_in_place_is_built_once() {
    #[resilient(rate_limit = RateLimiter::builder("in place").permits(1).build())]
    async fn limited() -> Result<u32, Error> {
        Ok(1)
    }
    assert!(limited().await.is_ok() && limited().await.is_err());

    #[resilient(name = "ready.bulkhead", bulkhead = Bulkhead::builder("in place").max_concurrent(1).build())]
    async fn narrow(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    let slow = Script::new([Slow(10)]);
    let (a, b) = tokio::join!(biased; narrow(&slow), narrow(&slow));
    assert!(a.is_ok() && b.is_err());
    assert_eq!(policy("ready.bulkhead").unwrap().bulkhead().unwrap().name(), "in place");

    #[resilient(breaker = CircuitBreaker::builder("in place").failure_threshold(1).build())]
    async fn broken(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    broken(&Script::failing()).await.unwrap_err();
    assert!(broken(&Script::new([Good])).await.unwrap_err().is_refusal());

    #[resilient(retry = RetryPolicy::builder().max_attempts(2).base_delay(Duration::ZERO).budget(0.0).build())]
    async fn retried(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    let mut retries = 0;
    for _ in 0..20 {
        let script = Script::failing();
        retried(&script).await.unwrap_err();
        retries += script.attempts() - 1;
    }
    assert_eq!(retries, 10);

    #[resilient(name = "ready.hedge", hedge = HedgePolicy::builder().percentile(50.0).build())]
    async fn hedged(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    for _ in 0..20 {
        hedged(&Script::new([Slow(10)])).await.unwrap();
    }
    assert_eq!(hedged(&Script::new([Hang, Good])).await, Ok(2), "it has learnt");
    assert_eq!(policy("ready.hedge").unwrap().snapshot().latency.unwrap().count, 21);
}

static LIMITER: LazyLock<RateLimiter> =
    LazyLock::new(|| RateLimiter::builder("lazy").permits(1).period(Duration::MAX).build());
static SHARED: LazyLock<Arc<RateLimiter>> =
    LazyLock::new(|| Arc::new(RateLimiter::builder("arc").permits(1).build()));

fn found() -> &'static RateLimiter {
    &LIMITER
}

struct Limits {
    limiter: RateLimiter,
}

static LIMITS: LazyLock<Limits> =
    LazyLock::new(|| Limits { limiter: RateLimiter::builder("field").permits(1).build() });

#[tokio::test(start_paused = true)]
async fn a_policy_that_lives_elsewhere_is_found_in_each_way_to_name_it() {
    #[resilient(rate_limit = LIMITER)]
    async fn by_name() -> Result<u32, Error> {
        Ok(1)
    }
    #[resilient(rate_limit = &LIMITER)]
    async fn by_reference() -> Result<u32, Error> {
        Ok(1)
    }
    #[expect(clippy::explicit_auto_deref, reason = "as people write it")]
    #[resilient(rate_limit = &*LIMITER)]
    async fn by_deref() -> Result<u32, Error> {
        Ok(1)
    }
    #[resilient(rate_limit = found())]
    async fn by_function() -> Result<u32, Error> {
        Ok(1)
    }
    by_name().await.unwrap();
    assert!(by_reference().await.is_err());
    assert!(by_deref().await.is_err());
    assert!(by_function().await.is_err());
    #[resilient(rate_limit = Arc::clone(&SHARED))]
    async fn by_arc() -> Result<u32, Error> {
        Ok(1)
    }
    #[resilient(rate_limit = &SHARED)]
    async fn by_reference_to_arc() -> Result<u32, Error> {
        Ok(1)
    }
    by_arc().await.unwrap();
    assert!(by_reference_to_arc().await.is_err());
    #[resilient(rate_limit = LIMITS.limiter)]
    async fn by_field() -> Result<u32, Error> {
        Ok(1)
    }
    assert!(by_field().await.is_ok() && by_field().await.is_err());
    struct Client {
        limiter: Arc<RateLimiter>,
    }
    impl Client {
        #[resilient(rate_limit = self.limiter)]
        async fn get(&self) -> Result<u32, Error> {
            Ok(1)
        }
    }
    let client = || Client { limiter: Arc::new(RateLimiter::builder("own").permits(1).build()) };
    let (one, other) = (client(), client());
    assert!(one.get().await.is_ok() && one.get().await.is_err());
    assert!(other.get().await.is_ok(), "each client has its own");
}

#[tokio::test(start_paused = true)]
async fn a_hedge_whose_delay_belongs_to_the_call_has_one_budget() {
    struct Client(Duration);
    impl Client {
        #[resilient(name = "ready.delay", hedge(delay = self.0, budget = 0.0))]
        async fn get(&self, script: &Script) -> Result<u32, Error> {
            script.play().await
        }
    }
    for _ in 0..30 {
        Client(Duration::from_millis(1)).get(&Script::new([Slow(2)])).await.unwrap();
    }
    assert_eq!(policy("ready.delay").unwrap().snapshot().hedges, 10);
}
