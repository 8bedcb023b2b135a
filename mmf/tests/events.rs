//! What the policies tell. A process of their own, whose subscriber is there before the first event:
//! `tracing` remembers for each place whether anybody listens, and a place that is first reached by
//! another test's thread just when a subscriber comes may be remembered as one nobody listens to.

use std::cell::RefCell;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mmf::resilience::policy;
use mmf::resilient;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use support::*;

#[path = "it/support.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
mod support;

/// A line of each event of the policies on this thread: level, message, fields.
#[derive(Clone, Copy)]
struct Lines;

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "mmf::resilience" {
            let mut line = Line::default();
            event.record(&mut line);
            LINES.with_borrow_mut(|lines| lines.push((*event.metadata().level(), line.0)));
        }
    }
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!("{}={value:?};", field.name()));
    }
}

/// Called first by each test.
fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Lines))
            .expect("no other subscriber in this process");
    });
}

async fn events_of(call: impl Future<Output = ()>) -> Vec<(Level, String)> {
    listen();
    LINES.take();
    call.await;
    LINES.take()
}

#[tokio::test(start_paused = true)]
async fn retries_are_told_and_their_end() {
    #[resilient(name = "events.retry", retry(max_attempts = 2, jitter = 0.0))]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    let events = events_of(async { drop(f(&Script::failing()).await) }).await;
    let retry = "message=retry;policy=events.retry;attempt=1;delay_ms=1000;error=busy;";
    let exhausted =
        "message=retries exhausted;policy=events.retry;attempt=2;reason=max_attempts;error=busy;";
    assert_eq!(events, [(Level::DEBUG, retry.into()), (Level::WARN, exhausted.into())]);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_told_by_its_text_where_a_call_says_so() {
    let retry = mmf::resilience::RetryPolicy::builder().max_attempts(2).jitter(0.0).build();
    let events = events_of(async {
        let call = mmf::resilience::call("events.text").retry(&retry);
        let call = call.error_text(std::fmt::Display::fmt).fallback(|_| async { Ok(7) });
        assert_eq!(call.run(|| async { Err(Error::Busy) }).await, Ok(7));
    });
    let events = events.await;
    assert_eq!(events.len(), 3, "a retry, its end, a fallback");
    assert!(events.iter().all(|(_, line)| line.contains("error=busy;")), "{events:?}");
}

#[cfg(feature = "tower")]
#[tokio::test(start_paused = true)]
async fn a_layer_tells_what_a_response_was_taken_for() {
    use tower::{Layer, ServiceExt, service_fn};
    let retry = mmf::resilience::RetryPolicy::builder().max_attempts(2).build();
    let pipeline = mmf::resilience::Pipeline::builder("events.layer").retry(retry).build();
    let layer = mmf::tower::ResilienceLayer::new(pipeline)
        .classify(|_: Result<&u16, &Error>| mmf::resilience::Class::TRANSIENT);
    let service = layer.layer(service_fn(|_: u64| async { Ok::<u16, Error>(503) }));
    let events = events_of(async { assert!(service.oneshot(7).await.is_ok()) }).await;
    assert!(events[0].1.contains("error=a response that is no success: transient;"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn changes_of_a_breaker_and_refusals_are_told() {
    #[resilient(name = "events.breaker", breaker(failure_threshold = 1, success_threshold = 1))]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    let script = Script::new([Fail(Error::Busy), Good]);
    let events = events_of(async {
        drop(f(&script).await);
        drop(f(&script).await);
        pass(60_000).await;
        drop(f(&script).await);
    })
    .await;
    let changed = |from: &str, to: &str, cause: &str| {
        format!("message=breaker changed;policy=events.breaker;from={from};to={to};cause={cause};")
    };
    assert_eq!(events[0], (Level::WARN, changed("closed", "open", "failure_threshold")));
    assert_eq!(events[1].0, Level::DEBUG);
    assert!(events[1].1.starts_with("message=refused;policy=events.breaker;kind=Breaker;error="));
    assert_eq!(events[2], (Level::WARN, changed("open", "half_open", "recovery_timeout")));
    assert_eq!(events[3], (Level::INFO, changed("half_open", "closed", "success_threshold")));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_between_two_attempts_tells_what_the_function_failed_with() {
    #[resilient(
        name = "events.between",
        breaker(failure_threshold = 1),
        retry(max_attempts = 3, base_delay = "1s", jitter = 0.0)
    )]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    #[resilient(
        name = "events.between_and_retried",
        breaker(failure_threshold = 1),
        retry(max_attempts = 2, base_delay = "1s", jitter = 0.0, on_refusal("all"))
    )]
    async fn retried(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    let warnings = async |call: Pin<&mut dyn Future<Output = ()>>| {
        let events = events_of(call).await.into_iter();
        let warned = events.filter(|(level, line)| {
            *level == Level::WARN && !line.starts_with("message=breaker changed")
        });
        warned.map(|(_, line)| line).collect::<Vec<_>>()
    };
    let refusal = "circuit open, retry after 59s";
    assert_eq!(
        warnings(std::pin::pin!(async { drop(f(&Script::failing()).await) })).await,
        [format!(
            "message=refused after a failed attempt;policy=events.between;attempt=2;reason=breaker;\
             error=events.between: {refusal};last_error=busy;"
        )]
    );
    assert_eq!(
        warnings(std::pin::pin!(async { drop(retried(&Script::failing()).await) })).await,
        [format!(
            "message=retries exhausted;policy=events.between_and_retried;attempt=2;reason=max_attempts;\
             error=events.between_and_retried: {refusal};last_error=busy;"
        )]
    );
    let alone = warnings(std::pin::pin!(async { drop(f(&Script::failing()).await) })).await;
    assert_eq!(alone, [""; 0], "a refusal that comes first has no error before it");
}

#[tokio::test(start_paused = true)]
async fn what_opened_a_breaker_is_told_and_counted() {
    #[resilient(
        name = "events.rate",
        breaker(failure_threshold = 0, minimum_throughput = 2, failure_rate_threshold = 0.5)
    )]
    async fn by_rate(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    #[resilient(
        name = "events.slow",
        breaker(
            slow_call_threshold = "1s",
            slow_call_rate_threshold = 0.5,
            minimum_throughput = 1,
            recovery_timeout = "1s"
        )
    )]
    async fn by_slowness(fails: bool) -> Result<u32, Error> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        if fails { Err(Error::Busy) } else { Ok(1) }
    }
    let causes = |events: Vec<(Level, String)>| -> Vec<String> {
        let changed = events.into_iter().filter(|(_, line)| line.starts_with("message=breaker"));
        changed.map(|(_, line)| line.split("cause=").nth(1).unwrap().to_owned()).collect()
    };
    let rate = events_of(async {
        let script = Script::new([Good, Fail(Error::Busy)]);
        drop(by_rate(&script).await);
        drop(by_rate(&script).await);
    });
    assert_eq!(causes(rate.await), ["failure_rate_threshold;"]);
    let slow = events_of(async {
        drop(by_slowness(false).await);
        pass(1_000).await;
        drop(by_slowness(true).await);
        policy("events.slow").unwrap().breaker().unwrap().force_closed();
    });
    let told = ["slow_call_rate_threshold;", "recovery_timeout;", "hung_trial;", "forced;"];
    assert_eq!(causes(slow.await), told);
    let opened_by = |name: &str| policy(name).unwrap().snapshot().breaker.unwrap().opened_by;
    assert_eq!((opened_by("events.rate").failure_rate, opened_by("events.rate").failures), (1, 0));
    assert_eq!(
        (opened_by("events.slow").slow_calls, opened_by("events.slow").failure_rate),
        (1, 0)
    );
}

#[resilient(name = "events.breaker_that_is_reset", breaker(failure_threshold = 1))]
async fn reset(script: &Script) -> Result<u32, Error> {
    script.play().await
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_what_opened_a_breaker() {
    drop(reset(&Script::failing()).await);
    let breaker = policy("events.breaker_that_is_reset").unwrap();
    let breaker = breaker.breaker().unwrap();
    assert_eq!(breaker.snapshot().opened_by.failures, 1);
    breaker.reset();
    assert_eq!(breaker.snapshot().opened_by, mmf::resilience::OpenedBy::default());
}

#[tokio::test(start_paused = true)]
async fn timeouts_hedges_and_fallbacks_are_told() {
    #[resilient(name = "events.rest", timeout = "1s", hedge = "500ms", fallback(value(1)))]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    let events = events_of(async { drop(f(&Script::new([Hang])).await) }).await;
    let messages: Vec<_> = events.iter().map(|(_, line)| line.split(';').next().unwrap()).collect();
    assert_eq!(
        messages,
        ["message=hedge", "message=timed out", "message=timed out", "message=fallback"]
    );
    assert!(events.iter().all(|(level, _)| *level == Level::DEBUG));
    assert_eq!(policy("events.rest").unwrap().snapshot().timeouts, 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_without_any_text_is_told_by_its_type() {
    struct Silent;
    #[resilient(retry(max_attempts = 2))]
    async fn f() -> Result<u32, Silent> {
        Err(Silent)
    }
    let events = events_of(async { drop(f().await) }).await;
    assert!(events[0].1.contains("Silent"), "{events:?}");
}

/// Asks the breaker for its state whenever it is told of a change.
struct Asking;

impl<S: Subscriber> Layer<S> for Asking {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "mmf::resilience" {
            policy("events.asked").unwrap().snapshot();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_may_ask_the_breaker_that_changed() {
    #[resilient(name = "events.asked", breaker(failure_threshold = 1))]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    listen();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(Asking));
    drop(f(&Script::failing()).await);
    assert_eq!(policy("events.asked").unwrap().snapshot().breaker.unwrap().opened, 1);
}

/// Asks for the breaker of another key whenever it is told of an eviction.
struct AskingForAnother;

impl<S: Subscriber> Layer<S> for AskingForAnother {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "mmf::resilience" {
            policy("events.keyed").unwrap().keyed_breakers().unwrap().get("another");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_may_ask_for_a_key_when_another_is_evicted() {
    #[resilient(name = "events.keyed", breaker(key(host), max_keys = 1))]
    async fn f(host: &str) -> Result<usize, Error> {
        Ok(host.len())
    }
    listen();
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(AskingForAnother));
    assert_eq!(f("a").await, Ok(1));
    assert_eq!(f("bc").await, Ok(2));
    assert_eq!(policy("events.keyed").unwrap().keyed_breakers().unwrap().len(), 1);
}

#[tokio::test]
async fn a_value_that_is_cut_is_told_with_its_place() {
    use mmf::resilience::{
        Bulkhead, CircuitBreaker, HedgePolicy, KeyedBreakers, RateLimiter, RetryBudget, RetryPolicy,
    };
    static NONE: AtomicU32 = AtomicU32::new(0);
    #[resilient(retry(base_delay = delay, budget = 1.5 * 2.0))]
    async fn budget_of_a_local_delay(delay: Duration) -> Result<u32, Error> {
        Ok(1)
    }
    #[resilient(fallback(stale(
        key(1),
        max_age = Duration::ZERO,
        capacity = NONE.load(Ordering::Relaxed)
    )))]
    async fn stale() -> Result<u32, Error> {
        Ok(1)
    }
    #[resilient(breaker(key(1), max_keys = NONE.load(Ordering::Relaxed)))]
    async fn keyed() -> Result<u32, Error> {
        Ok(1)
    }
    let told = events_of(async {
        drop(RetryPolicy::builder().max_attempts(0).build());
        drop(CircuitBreaker::builder("events.cut").failure_rate_threshold(7.0).build());
        drop(RateLimiter::builder("events.cut").permits(0).build());
        drop(Bulkhead::builder("events.cut").max_concurrent(0).build());
        drop(HedgePolicy::builder().max_hedges(0).build());
        drop(RetryPolicy::builder().budget(2.0).build());
        drop(RetryBudget::new(f64::NAN));
        drop(KeyedBreakers::new(CircuitBreaker::builder("events.cut"), 0));
        drop(budget_of_a_local_delay(Duration::ZERO).await);
        drop(stale().await);
        drop(keyed().await);
    })
    .await;
    let expected = [
        ("retry", "`max_attempts` must be at least 1"),
        ("events.cut", "`failure_rate_threshold` is a share between 0.0 and 1.0"),
        ("events.cut", "`permits` must be at least 1"),
        ("events.cut", "`max_concurrent` must be at least 1"),
        ("hedge", "`max_hedges` must be at least 1"),
        ("retry", "`budget` is a share between 0.0 and 1.0"),
        ("budget", "`budget` is a share between 0.0 and 1.0"),
        ("events.cut", "`max_keys` must be at least 1"),
        ("budget", "`budget` is a share between 0.0 and 1.0"),
        ("stale", "`max_age` must be longer than 0s"),
        ("stale", "`capacity` must be at least 1"),
        ("::keyed", "`max_keys` must be at least 1"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((level, line), (policy, message)) in told.iter().zip(expected) {
        assert_eq!(*level, Level::WARN);
        let is_told = line.contains(&format!("{policy};")) && line.contains(message);
        assert!(is_told && line.contains("events.rs:"), "{line}");
    }
}
