//! The functions that are soaked, with every policy there is.

use std::sync::LazyLock;
use std::time::Duration;

use mmf::resilience::{self, Bulkhead, CircuitBreaker, RateLimiter, Refusals, RetryPolicy};
use mmf::resilient;

use crate::given::{
    Page, answer_instead, hint, host_of, is_a_fault, is_empty, is_empty_for_the_breaker,
    is_worth_it, page_of, pause, spare, told,
};
use crate::scripts::{by_host, often_slow, rough, usual};
use crate::subject::{Error, Subject};

pub(crate) static SUBJECTS: [&Subject; 12] = [
    &PIPELINE, &RETRIED, &BROKEN, &SLUGGISH, &KEYED, &LIMITED, &HEDGED, &LEARNED, &QUEUED, &STALE,
    &VALUED, &DIRECT,
];

/// What each rate limit says: the burst, and permits a second.
pub(crate) static RATE_LIMITS: [(&Subject, u32, u32); 3] =
    [(&PIPELINE, 50, 2000), (&LIMITED, 20, 400), (&DIRECT, 10, 600)];

/// What each bulkhead says.
pub(crate) static BULKHEADS: [(&Subject, u64); 4] =
    [(&PIPELINE, 8), (&HEDGED, 16), (&QUEUED, 2), (&DIRECT, 2)];

/// As many breakers by key as [`KEYED`] keeps.
pub(crate) const MAX_KEYS: usize = 256;
/// As many good trials as close each breaker.
pub(crate) const SUCCESS_THRESHOLD: u32 = 3;
/// No breaker stays open for longer.
pub(crate) const LONGEST_RECOVERY: Duration = Duration::from_millis(100);

/// Every policy at once.
pub(crate) static PIPELINE: Subject =
    Subject::new("soak.pipeline", usual, |job| Box::pin(pipeline(job)));

#[resilient(
    name = "soak.pipeline",
    deadline = "150ms",
    timeout = "40ms",
    retry(
        max_attempts = 3,
        backoff = "jittered_exponential",
        base_delay = "1ms",
        max_delay = "10ms",
        budget = 0.5,
        retry_if(is_worth_it),
        retry_after(hint),
        before_retry(told)
    ),
    breaker(failure_threshold = 6, recovery_timeout = "20ms", fail_if(is_a_fault)),
    rate_limit(permits = 2000, burst = 50, max_wait = "5ms"),
    hedge(delay = "8ms"),
    bulkhead(max_concurrent = 8, max_queue = 4, max_wait = "5ms"),
    fallback(answer_instead, apply_on(Error::Busy), on_refusal("deadline", "timeout"))
)]
async fn pipeline(job: u64) -> Result<u64, Error> {
    PIPELINE.work(job).await
}

/// Retries alone, under a deadline that cuts what hangs.
pub(crate) static RETRIED: Subject =
    Subject::new("soak.retried", usual, |job| Box::pin(retried(job)));

#[resilient(
    name = "soak.retried",
    deadline = "25ms",
    retry(
        max_attempts = 5,
        backoff = pause,
        base_delay = "1ms",
        max_delay = "10ms",
        budget = 0.3,
        retry_if(is_worth_it),
        retry_if_ok(is_empty),
        retry_after(hint),
        before_retry(told)
    )
)]
async fn retried(job: u64) -> Result<u64, Error> {
    RETRIED.work(job).await
}

/// A breaker whose time grows with each failed trial.
pub(crate) static BROKEN: Subject = Subject::new("soak.broken", usual, |job| Box::pin(broken(job)));

#[resilient(
    name = "soak.broken",
    timeout = "15ms",
    breaker(
        failure_threshold = 5,
        recovery_timeout = "20ms",
        recovery_multiplier = 1.5,
        max_recovery_timeout = "100ms",
        fail_if(is_a_fault),
        fail_if_ok(is_empty_for_the_breaker)
    )
)]
async fn broken(job: u64) -> Result<u64, Error> {
    BROKEN.work(job).await
}

/// A breaker that opens by slow calls alone.
pub(crate) static SLUGGISH: Subject =
    Subject::new("soak.sluggish", often_slow, |job| Box::pin(sluggish(job)));

#[resilient(
    name = "soak.sluggish",
    timeout = "40ms",
    breaker(
        failure_threshold = 0,
        failure_rate_threshold = 0.0,
        slow_call_threshold = "8ms",
        slow_call_rate_threshold = 0.5,
        minimum_throughput = 8,
        window = 16,
        recovery_timeout = "20ms"
    )
)]
async fn sluggish(job: u64) -> Result<u64, Error> {
    SLUGGISH.work(job).await
}

/// A breaker for each of five thousand hosts, of which most are forgotten at any time.
pub(crate) static KEYED: Subject = Subject::new("soak.keyed", by_host, |job| Box::pin(keyed(job)));

#[resilient(
    name = "soak.keyed",
    timeout = "15ms",
    breaker(
        key(host_of(job)),
        max_keys = 256,
        failure_threshold = 3,
        window = "500ms",
        recovery_timeout = "20ms"
    )
)]
async fn keyed(job: u64) -> Result<u64, Error> {
    KEYED.work(job).await
}

/// A rate limit that waits, and nothing inside it that could keep an admitted call from running.
pub(crate) static LIMITED: Subject =
    Subject::new("soak.limited", usual, |job| Box::pin(limited(job)));

#[resilient(
    name = "soak.limited",
    rate_limit(permits = 400, period = "1s", burst = 20, max_wait = "10ms"),
    timeout = "30ms"
)]
async fn limited(job: u64) -> Result<u64, Error> {
    LIMITED.work(job).await
}

/// Copies of what is slow, which start just when it is about to answer.
pub(crate) static HEDGED: Subject =
    Subject::new("soak.hedged", often_slow, |job| Box::pin(hedged(job)));

#[resilient(
    name = "soak.hedged",
    timeout = "40ms",
    hedge(delay = "12ms", max_hedges = 2, budget = 0.5),
    bulkhead = 16
)]
async fn hedged(job: u64) -> Result<u64, Error> {
    HEDGED.work(job).await
}

/// Copies by a percentile of what attempts took.
pub(crate) static LEARNED: Subject =
    Subject::new("soak.learned", usual, |job| Box::pin(learned(job)));

#[resilient(name = "soak.learned", timeout = "30ms", hedge(percentile = 90, budget = 0.5))]
async fn learned(job: u64) -> Result<u64, Error> {
    LEARNED.work(job).await
}

/// A narrow bulkhead with a queue.
pub(crate) static QUEUED: Subject =
    Subject::new("soak.queued", often_slow, |job| Box::pin(queued(job)));

#[resilient(
    name = "soak.queued",
    timeout = "30ms",
    bulkhead(max_concurrent = 2, max_queue = 3, max_wait = "6ms")
)]
async fn queued(job: u64) -> Result<u64, Error> {
    QUEUED.work(job).await
}

/// The last good value, of fewer pages than there are.
pub(crate) static STALE: Subject = Subject::new("soak.stale", usual, |job| {
    Box::pin(async move { stale(job).await.map(|page| page.0) })
});

#[resilient(
    name = "soak.stale",
    timeout = "15ms",
    fallback(stale(key(page_of(job)), max_age = "2s", capacity = 64))
)]
async fn stale(job: u64) -> Result<Page, Error> {
    STALE.work(job).await.map(Page)
}

/// A ready value.
pub(crate) static VALUED: Subject = Subject::new("soak.valued", usual, |job| Box::pin(valued(job)));

#[resilient(
    name = "soak.valued",
    timeout = "15ms",
    fallback(value(spare()), apply_on(Error::Busy), on_refusal("timeout"))
)]
async fn valued(job: u64) -> Result<u64, Error> {
    VALUED.work(job).await
}

/// The same policies without the attribute.
pub(crate) static DIRECT: Subject = Subject::new("soak.direct", rough, |job| Box::pin(direct(job)));

static RETRY: LazyLock<RetryPolicy> = LazyLock::new(|| {
    let retry = RetryPolicy::builder().max_attempts(3).backoff(pause).budget(0.5);
    retry.base_delay(Duration::from_millis(1)).max_delay(Duration::from_millis(10)).build()
});

pub(crate) static BREAKER: LazyLock<CircuitBreaker> = LazyLock::new(|| {
    let breaker = CircuitBreaker::builder("soak.direct").failure_threshold(5);
    breaker.recovery_timeout(Duration::from_millis(20)).build()
});

static LIMITER: LazyLock<RateLimiter> = LazyLock::new(|| {
    let limiter = RateLimiter::builder("soak.direct").permits(600).burst(10);
    limiter.max_wait(Duration::from_millis(2)).build()
});

pub(crate) static BULKHEAD: LazyLock<Bulkhead> = LazyLock::new(|| {
    let bulkhead = Bulkhead::builder("soak.direct").max_concurrent(2).max_queue(1);
    bulkhead.max_wait(Duration::from_millis(5)).build()
});

async fn direct(job: u64) -> Result<u64, Error> {
    resilience::call("soak.direct")
        .deadline(Duration::from_millis(100))
        .retry(&RETRY)
        .breaker(&BREAKER)
        .rate_limit(&LIMITER)
        .timeout(Duration::from_millis(15))
        .bulkhead(&BULKHEAD)
        .before_retry(told)
        .retry_if(is_worth_it)
        .retry_if_ok(is_empty)
        .retry_after(hint)
        .fail_if(is_a_fault)
        .fallback(move |error| answer_instead(job, error))
        .fallback_if(|error| matches!(error, Error::Busy))
        .fallback_on_refusal(Refusals::NONE)
        .run(move || DIRECT.work(job))
        .await
}
