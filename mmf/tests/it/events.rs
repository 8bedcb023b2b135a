use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use mmf::resilience::policy;
use mmf::resilient;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::support::*;

/// Keeps the events of the policies as lines: level, message, fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "mmf::resilience" {
            let mut line = Line::default();
            event.record(&mut line);
            self.0.lock().unwrap().push((*event.metadata().level(), line.0));
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

async fn events_of(call: impl Future<Output = ()>) -> Vec<(Level, String)> {
    let lines = Lines::default();
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    call.await;
    let lines = lines.0.lock().unwrap();
    lines.clone()
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
    let changed = |from: &str, to: &str| {
        format!("message=breaker changed;policy=events.breaker;from={from};to={to};")
    };
    assert_eq!(events[0], (Level::WARN, changed("closed", "open")));
    assert_eq!(events[1].0, Level::DEBUG);
    assert!(events[1].1.starts_with("message=refused;policy=events.breaker;kind=Breaker;error="));
    assert_eq!(events[2], (Level::WARN, changed("open", "half_open")));
    assert_eq!(events[3], (Level::INFO, changed("half_open", "closed")));
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
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(AskingForAnother));
    assert_eq!(f("a").await, Ok(1));
    assert_eq!(f("bc").await, Ok(2));
    assert_eq!(policy("events.keyed").unwrap().keyed_breakers().unwrap().len(), 1);
}
