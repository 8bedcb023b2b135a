//! Policies joined at run time: the same expectations as of the attribute, and what is the pipeline's own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mmf::resilience::{
    Backoff, BreakerState, Bulkhead, CircuitBreaker, Class, HedgePolicy, Key, KeyedBreakers,
    KeyedBulkheads, KeyedRateLimiters, Pipeline, RateLimiter, Refusal, Refusals, RetryPolicy,
};
use tokio::time::Instant;

use crate::support::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn retry() -> mmf::resilience::RetryPolicyBuilder {
    RetryPolicy::builder().jitter(0.0)
}

#[tokio::test(start_paused = true)]
async fn each_policy_of_a_pipeline_takes_part() {
    let script = Script::new([Fail(Error::Busy), Hang, Good]);
    let pipeline = Pipeline::builder("pipeline.all")
        .deadline(secs(60))
        .timeout(secs(2))
        .retry(retry().max_attempts(4).backoff(Backoff::Constant).build())
        .breaker(CircuitBreaker::builder("pipeline.all").build())
        .rate_limit(RateLimiter::builder("pipeline.all").permits(2).max_wait(secs(9)).build())
        .bulkhead(Bulkhead::builder("pipeline.all").max_concurrent(1).build())
        .build();
    assert_eq!(pipeline.call().run(|| script.play()).await, Ok(3));
    assert_eq!(script.gaps(), [1000, 3000]);
    let snapshot = pipeline.policy().snapshot();
    assert_eq!((snapshot.calls, snapshot.successes, snapshot.attempts), (1, 1, 3));
    assert_eq!((snapshot.retries, snapshot.timeouts), (2, 1));
    let breaker = snapshot.breaker.unwrap();
    assert_eq!((breaker.successes, breaker.failures), (1, 2));
    assert_eq!(snapshot.bulkhead.unwrap().limit, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_and_a_hedge_are_kept() {
    let pipeline = Pipeline::builder("pipeline.deadline").deadline(secs(3)).build();
    let start = Instant::now();
    let hung = Script::new([Hang]);
    assert!(pipeline.call().run(|| hung.play()).await.unwrap_err().is_refusal());
    assert_eq!(start.elapsed(), secs(3));
    let hedge = HedgePolicy::builder().delay(Duration::from_millis(80)).build();
    let pipeline = Pipeline::builder("pipeline.hedge").hedge(hedge).build();
    let script = Script::new([Hang, Good]);
    assert_eq!(pipeline.call().run(|| script.play()).await, Ok(2));
    assert_eq!(pipeline.policy().snapshot().hedges, 1);
}

#[tokio::test(start_paused = true)]
async fn lists_of_refusals_are_kept() {
    let once = Pipeline::builder("pipeline.refusals")
        .timeout(secs(1))
        .retry(retry().build())
        .retry_on_refusal(Refusals::NONE)
        .breaker(CircuitBreaker::builder("b").failure_threshold(1).build())
        .fail_on_refusal(Refusal::Bulkhead)
        .build();
    let script = Script::new([Hang, Good]);
    assert!(once.call().run(|| script.play()).await.unwrap_err().is_refusal());
    assert_eq!(script.attempts(), 1);
    assert_eq!(once.policy().breaker().unwrap().state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_becomes_what_the_call_says() {
    let pipeline = Pipeline::builder("pipeline.refused").timeout(secs(1)).build();
    let refused = pipeline
        .call()
        .refused(io::Error::other)
        .run(|| async { std::future::pending::<Result<(), io::Error>>().await })
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("timed out after 1s"), "{refused}");
    let rescued = pipeline
        .call()
        .refused(io::Error::other)
        .fallback(|error: io::Error| async move { Ok(error.kind()) })
        .run(|| async { std::future::pending::<Result<io::ErrorKind, io::Error>>().await })
        .await;
    assert_eq!(rescued.unwrap(), io::ErrorKind::Other);
    assert_eq!(pipeline.policy().snapshot().fallbacks, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_its_own_says_it_too() {
    let breaker = CircuitBreaker::builder("b").build();
    breaker.force_open();
    let call = mmf::resilience::call("refused").breaker(&breaker).refused(io::Error::other);
    let refused = call.run(|| async { Ok::<(), io::Error>(()) }).await.unwrap_err();
    assert!(refused.to_string().contains("circuit open"), "{refused}");
}

#[test]
fn values_that_can_never_work_are_refused_or_cut() {
    let never = || Pipeline::builder("pipeline.never").timeout(Duration::ZERO);
    let refused = never().try_build().unwrap_err().to_string();
    assert_eq!(refused, "`timeout` must be longer than 0s");
    assert_eq!(never().build().policy().describe(), "timeout = \"1ns\"");
    let short = || Pipeline::builder("pipeline.short").deadline(secs(1)).timeout(secs(2));
    let refused = short().try_build().unwrap_err().to_string();
    assert!(refused.contains("shorter than one `timeout`"), "{refused}");
    assert_eq!(short().build().policy().describe(), "deadline = \"1s\", timeout = \"1s\"");
    assert!(short().deadline(secs(2)).try_build().is_ok());
}

#[test]
fn it_describes_itself_as_one_would_write_it() {
    let pipeline = Pipeline::builder("pipeline.described")
        .deadline(secs(10))
        .timeout(secs(2))
        .retry(RetryPolicy::default())
        .retry_on_refusal(Refusals::ALL)
        .breaker(CircuitBreaker::builder("b").slow_call_threshold(secs(1)).build())
        .rate_limit(RateLimiter::builder("r").permits(5).build())
        .bulkheads(KeyedBulkheads::builder("k").max_keys(7).build())
        .hedge(HedgePolicy::builder().percentile(99.0).build())
        .build();
    assert_eq!(
        pipeline.policy().describe(),
        "deadline = \"10s\", timeout = \"2s\", retry(max_attempts = 3, backoff = \"exponential\", \
         base_delay = \"1s\", max_delay = \"1m\", multiplier = 2.0, jitter = 0.1, on_refusal(\"all\")), \
         breaker(failure_threshold = 5, failure_rate_threshold = 0.5, minimum_throughput = 10, window = 100, \
         slow_call_threshold = \"1s\", slow_call_rate_threshold = 1.0, recovery_timeout = \"1m\", \
         recovery_multiplier = 1.0, half_open_max_calls = 3, success_threshold = 3, on_refusal(\"timeout\")), \
         rate_limit(permits = 5, period = \"1s\", burst = 5, max_wait = \"0s\"), \
         bulkhead(max_concurrent = 10, max_queue = 0, max_wait = \"30s\", key(…), max_keys = 7), \
         hedge(percentile = 99.0, max_hedges = 1, budget = 0.1)"
    );
}

#[tokio::test(start_paused = true)]
async fn one_key_serves_all_that_is_by_key() {
    let pipeline = Pipeline::builder("pipeline.keys")
        .breakers(KeyedBreakers::builder("pipeline.keys").failure_threshold(1).build())
        .rate_limits(KeyedRateLimiters::builder("pipeline.keys").permits(2).build())
        .bulkheads(KeyedBulkheads::builder("pipeline.keys").max_concurrent(3).build())
        .build();
    let failing = Script::failing();
    let call = |host: &'static str| pipeline.call().key(host).run(|| failing.play());
    assert_eq!(call("a.example").await, Err(Error::Busy));
    assert!(call("a.example").await.unwrap_err().is_refusal(), "open for its key");
    assert_eq!(call("b.example").await, Err(Error::Busy), "closed for another");
    let keys = pipeline.policy().keys();
    assert_eq!(
        keys.iter().map(|key| key.key.as_str()).collect::<Vec<_>>(),
        ["a.example", "b.example"]
    );
    assert_eq!(keys[0].breaker.unwrap().state, BreakerState::Open);
    assert_eq!(keys[0].bulkhead.unwrap().limit, 3);
    assert_eq!(pipeline.policy().snapshot().breaker.unwrap().failures, 2);
}

#[tokio::test(start_paused = true)]
async fn keys_of_breaker_and_limits_may_differ() {
    let pipeline = Pipeline::builder("pipeline.two_keys")
        .breakers(KeyedBreakers::builder("pipeline.two_keys").build())
        .rate_limits(KeyedRateLimiters::builder("pipeline.two_keys").permits(1).build())
        .build();
    let good = Script::new([Good]);
    let call = |host: &'static str, tenant: u64| {
        let call = pipeline.call().breaker_key(host).limit_key(&tenant);
        call.run(|| good.play())
    };
    assert!(call("a.example", 1).await.is_ok());
    let refused = call("b.example", 1).await.unwrap_err();
    let Error::Refused(refused) = refused else { panic!("{refused}") };
    assert_eq!((refused.refusal(), refused.key()), (Refusal::RateLimit, Some("1")));
    assert!(call("a.example", 2).await.is_ok());
    let policy = pipeline.policy();
    assert_eq!(policy.keyed_breakers().unwrap().len(), 2);
    assert_eq!(policy.keyed_rate_limiters().unwrap().len(), 2);
    assert!(policy.keyed_bulkheads().is_none());
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_key_is_that_of_its_policy_alone() {
    let pipeline = Pipeline::builder("pipeline.three_keys")
        .breakers(KeyedBreakers::builder("pipeline.three_keys").build())
        .rate_limits(KeyedRateLimiters::builder("pipeline.three_keys").permits(9).build())
        .bulkheads(KeyedBulkheads::builder("pipeline.three_keys").build())
        .build();
    let good = Script::new([Good]);
    let policy = pipeline.policy();
    let known = || {
        let (breakers, limits) = (policy.keyed_breakers(), policy.keyed_rate_limiters());
        let bulkheads = policy.keyed_bulkheads().unwrap().len();
        (breakers.unwrap().len(), limits.unwrap().len(), bulkheads)
    };
    pipeline.call().breaker_key("a").run(|| good.play()).await.unwrap();
    assert_eq!(known(), (1, 0, 0));
    pipeline.call().limit_key("a").run(|| good.play()).await.unwrap();
    assert_eq!(known(), (1, 1, 0));
    pipeline.call().bulkhead_key("a").run(|| good.play()).await.unwrap();
    assert_eq!(known(), (1, 1, 1));
    pipeline.call().maybe_key(None).run(|| good.play()).await.unwrap();
    assert_eq!(known(), (1, 1, 1));
    pipeline.call().maybe_key(Some(Key::of("b"))).run(|| good.play()).await.unwrap();
    assert_eq!(known(), (2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_call_may_have_a_nearer_deadline_than_its_pipeline() {
    let begun = Instant::now;
    let pipeline = Pipeline::builder("pipeline.nearer").deadline(secs(10)).build();
    assert_eq!((pipeline.deadline(), pipeline.timeout()), (Some(secs(10)), None));
    for (limit, expected) in [(3, 3), (30, 10)] {
        let (begun, hung) = (begun(), Script::new([Hang]));
        let cut = pipeline.call().deadline(secs(limit)).run(|| hung.play()).await;
        assert!(cut.is_err());
        assert_eq!(begun.elapsed(), secs(expected));
    }
    let none = Pipeline::builder("pipeline.none").timeout(secs(2)).build();
    assert_eq!((none.deadline(), none.timeout()), (None, Some(secs(2))));
    let (begun, hung) = (begun(), Script::new([Hang]));
    assert!(none.call().deadline(secs(1)).run(|| hung.play()).await.is_err());
    assert_eq!(begun.elapsed(), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_class_says_it_to_breaker_and_retry_alike() {
    let table = [
        (Class::TRANSIENT, 3, 3, 0),
        (Class::Failure, 1, 1, 0),
        (Class::Success, 1, 0, 1),
        (Class::Ignored, 1, 0, 0),
    ];
    for (class, attempts, failures, successes) in table {
        let breaker = Arc::new(CircuitBreaker::builder("pipeline.class").build());
        let pipeline = Pipeline::builder("pipeline.class")
            .retry(RetryPolicy::builder().max_attempts(3).build())
            .breaker(Arc::clone(&breaker))
            .build();
        let failing = Script::failing();
        let call = pipeline.call().classify(|_: &Error| class);
        assert!(call.run(|| failing.play()).await.is_err());
        let seen = breaker.snapshot();
        assert_eq!(failing.attempts(), attempts, "{class:?}");
        assert_eq!((seen.failures, seen.successes), (failures, successes), "{class:?}");
    }
    let begun = Instant::now();
    let hinted = Class::Transient { retry_after: Some(secs(20)) };
    let script = Script::new([Fail(Error::Busy), Good]);
    let retry = RetryPolicy::builder().max_attempts(2).build();
    let pipeline = Pipeline::builder("pipeline.hinted").retry(retry).build();
    pipeline.call().classify(|_| hinted).run(|| script.play()).await.unwrap();
    assert!(begun.elapsed() >= secs(20));
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_done_twice_is_done_once() {
    let pipeline = Pipeline::builder("pipeline.once")
        .retry(retry().build())
        .hedge(HedgePolicy::builder().delay(Duration::from_millis(1)).build())
        .timeout(secs(1))
        .build();
    for script in [Script::failing(), Script::new([Hang])] {
        assert!(pipeline.call().once().run(|| script.play()).await.is_err());
        assert_eq!(script.attempts(), 1);
    }
    assert!(pipeline.repeats());
    let once = RetryPolicy::builder().max_attempts(1).build();
    assert!(!Pipeline::builder("pipeline.one_attempt").retry(once).build().repeats());
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_key_is_not_limited() {
    let limits = Arc::new(KeyedRateLimiters::builder("pipeline.keyless").permits(1).build());
    let pipeline = Pipeline::builder("pipeline.keyless").rate_limits(Arc::clone(&limits)).build();
    let good = Script::new([Good]);
    for _ in 0..3 {
        assert!(pipeline.call().run(|| good.play()).await.is_ok());
    }
    assert!(limits.is_empty());
    assert!(pipeline.call().key(Key::of("acme")).run(|| good.play()).await.is_ok());
    assert!(pipeline.call().key("acme").run(|| good.play()).await.is_err());
}

#[tokio::test]
async fn it_runs_on_other_tasks() {
    let pipeline =
        Pipeline::builder("pipeline.tasks").timeout(secs(9)).retry(retry().build()).build();
    let tasks = (0..4).map(|n: u32| {
        let pipeline = pipeline.clone();
        tokio::spawn(async move {
            let call = pipeline.call().retry_if(|error: &Error| *error == Error::Busy);
            call.refused(Error::Refused).run(|| async move { Ok::<_, Error>(n) }).await
        })
    });
    for (n, task) in tasks.enumerate() {
        assert_eq!(task.await.unwrap(), Ok(u32::try_from(n).unwrap()));
    }
    assert_eq!(pipeline.policy().snapshot().successes, 4);
}

#[tokio::test(start_paused = true)]
async fn under_a_deadline_that_is_over_nothing_is_begun() {
    let outer = Pipeline::builder("pipeline.over").deadline(secs(1)).build();
    let inner = Pipeline::builder("pipeline.within").deadline(secs(9)).build();
    let script = Script::new([Good]);
    let late = outer.call().run(|| async {
        // Holds the thread past the deadline, so that this is still polled.
        tokio::time::advance(secs(2)).await;
        inner.call().run(|| script.play()).await
    });
    assert!(late.await.unwrap_err().is_refusal());
    assert!(inner.call().deadline(Duration::ZERO).run(|| script.play()).await.is_err());
    assert_eq!(script.attempts(), 0);
    let seen = inner.policy().snapshot();
    assert_eq!((seen.calls, seen.attempts, seen.deadline_exceeded), (2, 0, 2));
}
