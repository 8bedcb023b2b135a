//! The hook that watches: of the whole process, hence a program of its own with one test at a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mmf::resilience::{
    BreakerState, CallEnded, CircuitBreaker, Event, HedgePolicy, KeyedRateLimiters, Observer,
    Pipeline, ResilienceError, RetryPolicy, observe,
};
use tokio::time::sleep;

#[derive(Debug)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn tell(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Told {
    fn event(&self, event: &Event<'_>) {
        self.tell(match event {
            Event::Failed { policy, error, .. } => format!("{policy}: failed by {error}"),
            Event::Retry { policy, attempt, delay, error, .. } => {
                format!("{policy}: retry {attempt} in {delay:?} after {error}")
            }
            Event::Exhausted { policy, attempt, reason, error, .. } => {
                format!("{policy}: {reason} at {attempt} after {error}")
            }
            Event::Refused { refusal, .. } => format!("refused: {refusal}"),
            Event::Hedge { policy, copy, .. } => format!("{policy}: copy {copy}"),
            Event::Fallback { policy, error, .. } => format!("{policy}: fallback for {error}"),
            Event::BreakerChanged { policy, key, from, to, cause, .. } => {
                format!("{policy} {key:?}: {from} to {to} by {cause}")
            }
            Event::Evicted { policy, key, .. } => format!("{policy}: {key} evicted"),
            other => format!("{other:?}"),
        });
    }

    fn measures_calls(&self) -> bool {
        true
    }

    fn call_ended(&self, call: &CallEnded<'_>) {
        self.tell(format!("{}: {:?} after {:?}", call.policy, call.succeeded, call.latency));
    }
}

/// Panics at whatever it is told: nobody else is to notice.
#[derive(Debug)]
struct Clumsy;

impl Observer for Clumsy {
    fn event(&self, _: &Event<'_>) {
        panic!("an observer");
    }

    fn measures_calls(&self) -> bool {
        true
    }

    fn call_ended(&self, _: &CallEnded<'_>) {
        panic!("an observer");
    }
}

/// Told of events alone.
#[derive(Debug)]
struct Count(Mutex<usize>);

impl Observer for Count {
    fn event(&self, _: &Event<'_>) {
        *self.0.lock().unwrap() += 1;
    }

    fn call_ended(&self, _: &CallEnded<'_>) {
        panic!("it does not measure calls");
    }
}

#[mmf::resilient(name = "told", breaker(fail_if_ok(|answer: &u16| *answer >= 500)), refused(|refusal| refusal.to_string()))]
async fn told(answer: Result<u16, String>) -> Result<u16, String> {
    answer
}

static TOLD: Told = Told(Mutex::new(Vec::new()));
static COUNT: Count = Count(Mutex::new(0));

#[tokio::test(start_paused = true)]
async fn observers_are_told_of_what_goes_wrong_and_of_each_call_where_they_ask_for_it() {
    let unwatched = Pipeline::builder("unwatched").build();
    unwatched.call().run(|| async { Ok::<_, ResilienceError>(()) }).await.unwrap();
    observe(&Clumsy);
    observe(&TOLD);
    observe(&COUNT);
    assert_eq!(TOLD.take(), [""; 0]);

    let retry = RetryPolicy::builder().max_attempts(2).jitter(0.0).build();
    let pipeline = Pipeline::builder("p").timeout(Duration::from_secs(2)).retry(retry);
    let pipeline =
        pipeline.breaker(CircuitBreaker::builder("b").failure_threshold(2).build()).build();
    let call = || pipeline.call().fallback(|_: ResilienceError| async { Ok(7) });
    assert_eq!(call().run(std::future::pending).await, Ok(7));
    assert_eq!(
        TOLD.take(),
        [
            "refused: p: timed out after 2s",
            "p: retry 1 in 1s after p: timed out after 2s",
            "refused: p: timed out after 2s",
            "b None: closed to open by failure_threshold",
            "p: max_attempts at 2 after p: timed out after 2s",
            "p: fallback for p: timed out after 2s",
            "p: Some(true) after 5s",
        ]
    );

    let hedge = HedgePolicy::builder().delay(Duration::from_millis(80)).build();
    let pipeline = Pipeline::builder("h").hedge(hedge).build();
    let slow = || async {
        sleep(Duration::from_millis(100)).await;
        Ok::<_, ResilienceError>(())
    };
    pipeline.call().run(slow).await.unwrap();
    assert_eq!(TOLD.take(), ["h: copy 1", "h: Some(true) after 100ms"]);

    let limits = KeyedRateLimiters::builder("k").max_keys(1).build();
    drop((limits.get("a"), limits.get("b")));
    assert_eq!(TOLD.take(), ["k: a evicted"]);

    let dropped = pipeline.call().run(std::future::pending::<Result<(), ResilienceError>>);
    assert!(tokio::time::timeout(Duration::from_millis(50), dropped).await.is_err());
    assert_eq!(TOLD.take(), ["h: None after 50ms"]);
    assert_eq!(*COUNT.0.lock().unwrap(), 8, "events alone");

    // What counts against a breaker, in the error's own words; and an answer that does.
    assert_eq!(told(Err("no <b>route</b>".into())).await, Err("no <b>route</b>".into()));
    assert_eq!(told(Ok(500)).await, Ok(500));
    assert_eq!(told(Ok(200)).await, Ok(200));
    let all = TOLD.take();
    let failed: Vec<_> = all.iter().filter(|told| told.contains("failed")).collect();
    assert_eq!(
        failed,
        ["told: failed by no <b>route</b>", "told: failed by an answer that counts as a failure"]
    );

    // One that panics takes nothing along: neither the place of a trial, nor a process that is in a panic already.
    let breaker = CircuitBreaker::builder("t").failure_threshold(1).half_open_max_calls(1);
    let breaker = Arc::new(breaker.success_threshold(1).build());
    let failing = Arc::clone(&breaker);
    let panicking = tokio::spawn(async move {
        failing
            .call(async { if true { panic!("a body") } else { Ok::<_, ResilienceError>(()) } })
            .await
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(breaker.state(), BreakerState::Open);
    tokio::time::advance(Duration::from_secs(60)).await;
    breaker.call(async { Ok::<_, ResilienceError>(()) }).await.unwrap();
    assert_eq!(breaker.state(), BreakerState::Closed);
}
