//! Layers around services of tower.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use mmf::http::Outcome;
use mmf::resilience::{
    BreakerState, Bulkhead, CircuitBreaker, Class, HedgePolicy, Key, KeyedRateLimiters, Pipeline,
    PipelineBuilder, Refusal, RetryPolicy,
};
use mmf::tower::{Error, ResilienceLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

type Answer = Result<&'static str, &'static str>;

/// A service that plays its answers, panics where it is called unready, and counts.
#[derive(Debug)]
struct Scripted {
    state: Arc<State>,
    is_ready: bool,
    /// A service need not be `Sync`.
    _not_sync: Cell<u8>,
}

#[derive(Debug, Default)]
struct State {
    answers: Mutex<Vec<Answer>>,
    requests: Mutex<Vec<u64>>,
    /// So many times it is not ready.
    busy: AtomicUsize,
    living: AtomicUsize,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        let state = State { answers: Mutex::new(answers), ..State::default() };
        state.living.store(1, Ordering::Relaxed);
        Self { state: Arc::new(state), is_ready: false, _not_sync: Cell::new(0) }
    }
}

impl Clone for Scripted {
    fn clone(&self) -> Self {
        self.state.living.fetch_add(1, Ordering::Relaxed);
        Self { state: Arc::clone(&self.state), is_ready: false, _not_sync: Cell::new(0) }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.state.living.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Service<u64> for Scripted {
    type Response = &'static str;
    type Error = &'static str;
    type Future = std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        let busy = |busy: usize| busy.checked_sub(1);
        if self.state.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, busy).is_ok() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without being ready");
        self.state.requests.lock().unwrap().push(request);
        let answer = self.state.answers.lock().unwrap().pop();
        Box::pin(async move {
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }
}

fn retry(attempts: u32) -> RetryPolicy {
    RetryPolicy::builder().max_attempts(attempts).base_delay(Duration::from_millis(10)).build()
}

fn pipeline(name: &str) -> PipelineBuilder {
    Pipeline::builder(name)
}

#[tokio::test(start_paused = true)]
async fn each_attempt_waits_for_the_readiness_of_a_clone_of_its_own() {
    let inner = Scripted::new([Err("busy"), Err("busy"), Ok("third")]);
    let state = Arc::clone(&inner.state);
    state.busy.store(5, Ordering::Relaxed);
    let mut service =
        ResilienceLayer::new(pipeline("tower.retry").retry(retry(3)).build()).layer(inner);
    assert_eq!(service.ready().await.unwrap().call(7).await, Ok("third"));
    assert_eq!(*state.requests.lock().unwrap(), [7, 7, 7]);
    assert_eq!(state.busy.load(Ordering::Relaxed), 0);
    drop(service);
    assert_eq!(state.living.load(Ordering::Relaxed), 0, "none lives on");
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_the_services_own() {
    let inner = Scripted::new([Err("one"), Err("two")]);
    let service = ResilienceLayer::new(pipeline("tower.last").retry(retry(2)).build()).layer(inner);
    assert_eq!(service.oneshot(7).await, Err(Error::Inner("two")));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_although_the_service_is_not_ready() {
    let breaker = Arc::new(CircuitBreaker::builder("tower.open").failure_threshold(1).build());
    let inner = Scripted::new([Err("broken")]);
    let state = Arc::clone(&inner.state);
    let pipeline = pipeline("tower.open").breaker(Arc::clone(&breaker)).build();
    let mut service = ResilienceLayer::new(pipeline).layer(inner);
    assert_eq!(service.call(1).await, Err(Error::Inner("broken")));
    state.busy.store(usize::MAX, Ordering::Relaxed);
    let refused = service.ready().await.unwrap().call(2).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().refusal(), Refusal::Breaker);
}

#[tokio::test(start_paused = true)]
async fn what_never_gets_ready_is_cut_by_the_timeout() {
    let inner = Scripted::new([]);
    inner.state.busy.store(usize::MAX, Ordering::Relaxed);
    let pipeline = pipeline("tower.never_ready").timeout(Duration::from_secs(1)).build();
    // It wakes itself for ever, so time would not move by itself.
    let call = ResilienceLayer::new(pipeline).layer(inner).oneshot(1);
    let clock = async {
        loop {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    };
    let refused =
        tokio::select! { refused = call => refused.unwrap_err(), () = clock => unreachable!() };
    assert_eq!(refused.refusal().unwrap().refusal(), Refusal::Timeout);
}

/// Sent once, as it is no `Clone`.
#[derive(Debug, PartialEq)]
struct Order(u64);

#[tokio::test(start_paused = true)]
async fn what_cannot_be_cloned_is_sent_once_or_replayed() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let service = || {
        let sent = Arc::clone(&sent);
        service_fn(move |order: Order| {
            sent.lock().unwrap().push(order.0);
            async { Err::<(), _>("busy") }
        })
    };
    let once =
        ResilienceLayer::once(pipeline("tower.once").timeout(Duration::from_secs(1)).build());
    assert_eq!(once.unwrap().layer(service()).oneshot(Order(1)).await, Err(Error::Inner("busy")));
    let replayed = ResilienceLayer::new(pipeline("tower.replay").retry(retry(3)).build())
        .replay(|order: &Order| (order.0 != 3).then_some(Order(order.0)));
    for order in [Order(2), Order(3)] {
        let answer = replayed.clone().layer(service()).oneshot(order).await;
        assert_eq!(answer, Err(Error::Inner("busy")));
    }
    assert_eq!(*sent.lock().unwrap(), [1, 2, 2, 2, 3]);
}

#[test]
fn a_pipeline_that_repeats_is_refused_where_requests_are_sent_once() {
    let hedge = HedgePolicy::builder().delay(Duration::from_millis(1)).build();
    for pipeline in [
        pipeline("tower.no_retry").retry(retry(2)).build(),
        pipeline("tower.no_hedge").hedge(hedge).build(),
    ] {
        let refused = ResilienceLayer::once(pipeline.clone()).unwrap_err().to_string();
        assert!(refused.contains(pipeline.name()) && refused.contains("replay"), "{refused}");
    }
    assert!(ResilienceLayer::once(pipeline("tower.one").retry(retry(1)).build()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn classes_say_what_is_retried_and_what_counts() {
    let breaker = || Arc::new(CircuitBreaker::builder("c").failure_threshold(1).build());
    let run = async |class: Class| {
        let breaker = breaker();
        let inner = Scripted::new([Ok("first"), Ok("second")]);
        let state = Arc::clone(&inner.state);
        let pipeline =
            pipeline("tower.classes").retry(retry(2)).breaker(Arc::clone(&breaker)).build();
        let layer = ResilienceLayer::new(pipeline).classify(move |result: Result<&&str, &&str>| {
            if result == Ok(&"first") { class } else { Class::by_result(result) }
        });
        let answer = layer.layer(inner).oneshot(1).await;
        let sent = state.requests.lock().unwrap().len();
        (answer.unwrap(), sent, breaker.state() == BreakerState::Closed)
    };
    assert_eq!(run(Class::Success).await, ("first", 1, true));
    // The breaker has opened in between, so that the retry is refused.
    let breaker = breaker();
    let pipeline =
        pipeline("tower.transient").retry(retry(2)).breaker(Arc::clone(&breaker)).build();
    let layer = ResilienceLayer::new(pipeline).classify(|_: Result<&&str, &&str>| Class::TRANSIENT);
    let refused = layer.layer(Scripted::new([Ok("first")])).oneshot(1).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().refusal(), Refusal::Breaker);
    assert_eq!(run(Class::Failure).await, ("first", 1, false));
    assert_eq!(run(Class::Ignored).await, ("first", 1, true));
}

#[tokio::test(start_paused = true)]
async fn a_hint_of_the_classifier_is_waited_for() {
    let inner = Scripted::new([Err("busy"), Ok("done")]);
    let pipeline = pipeline("tower.hint").retry(retry(2)).build();
    let hint = Some(Duration::from_secs(5));
    let layer = ResilienceLayer::new(pipeline).classify(move |result: Result<&&str, &&str>| {
        if result.is_ok() { Class::Success } else { Class::Transient { retry_after: hint } }
    });
    let begun = tokio::time::Instant::now();
    assert_eq!(layer.layer(inner).oneshot(1).await, Ok("done"));
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn requests_are_limited_by_their_key() {
    let limits = KeyedRateLimiters::builder("tower.keys").permits(1).build();
    let pipeline = pipeline("tower.keys").rate_limits(limits).build();
    let layer = ResilienceLayer::new(pipeline)
        .key_by(|request: &u64| (*request > 0).then(|| Key::of(request)));
    let mut service = layer.layer(service_fn(|request: u64| async move { Ok::<_, &str>(request) }));
    assert_eq!(service.call(1).await, Ok(1));
    assert!(service.call(1).await.is_err());
    assert_eq!(service.call(2).await, Ok(2));
    for _ in 0..3 {
        assert_eq!(service.call(0).await, Ok(0), "no key, no limit");
    }
}

#[tokio::test(start_paused = true)]
async fn losers_of_a_hedge_are_dropped_at_once() {
    let hedge = HedgePolicy::builder().delay(Duration::from_millis(10)).build();
    let running = Arc::new(());
    let calls = Arc::new(AtomicUsize::new(0));
    let (held, count) = (Arc::clone(&running), Arc::clone(&calls));
    let inner = service_fn(move |_: u64| {
        let (held, first) = (Arc::clone(&held), count.fetch_add(1, Ordering::Relaxed) == 0);
        async move {
            let _held = held;
            if first {
                std::future::pending::<()>().await;
            }
            Ok::<_, &str>("second")
        }
    });
    let mut service =
        ResilienceLayer::new(pipeline("tower.hedge").hedge(hedge).build()).layer(inner);
    assert_eq!(service.call(1).await, Ok("second"));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    drop(service);
    assert_eq!(Arc::strong_count(&running), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_leaks_no_permit_and_no_trial() {
    let bulkhead = Arc::new(Bulkhead::builder("tower.drop").max_concurrent(1).build());
    let breaker = Arc::new(CircuitBreaker::builder("tower.drop").half_open_max_calls(1).build());
    breaker.force_half_open();
    let pipeline =
        pipeline("tower.drop").bulkhead(Arc::clone(&bulkhead)).breaker(Arc::clone(&breaker));
    let inner = Scripted::new([]);
    let state = Arc::clone(&inner.state);
    let mut service = ResilienceLayer::new(pipeline.build()).layer(inner);
    drop(service.call(1));
    for busy in [0, 9] {
        state.busy.store(busy, Ordering::Relaxed);
        let call = service.ready().await.unwrap().call(1);
        assert!(tokio::time::timeout(Duration::from_millis(5), call).await.is_err());
        assert_eq!(bulkhead.running(), 0);
    }
    let trial = breaker.admit_owned();
    assert!(trial.is_ok(), "the trial's place is free again");
    drop(service);
    assert_eq!(state.living.load(Ordering::Relaxed), 0);
}

#[test]
#[should_panic(expected = "add `.key_by(|request| …)` to its layer")]
fn a_pipeline_by_key_needs_to_know_the_key() {
    let limits = KeyedRateLimiters::builder("tower.keyless").permits(1).build();
    let layer = ResilienceLayer::new(pipeline("tower.keyless").rate_limits(limits).build());
    drop(layer.classify(Class::by_result::<&str, &str>).layer(Scripted::new([])));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_key_is_not_limited() {
    let limits = KeyedRateLimiters::builder("tower.no_key").permits(1).build();
    let layer = ResilienceLayer::new(pipeline("tower.no_key").rate_limits(limits).build())
        .key_by(|id: &u64| (*id > 0).then(|| Key::of(id)));
    let service = layer.layer(service_fn(|id: u64| async move { Ok::<_, &str>(id) }));
    for id in [0, 0, 0, 1] {
        assert_eq!(service.clone().oneshot(id).await, Ok(id));
    }
    let refused = service.oneshot(1).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().refusal(), Refusal::RateLimit);
}

#[tokio::test]
async fn it_runs_on_other_tasks_and_its_future_is_send() {
    let service = ResilienceLayer::new(pipeline("tower.send").retry(retry(2)).build())
        .layer(Scripted::new([Err("busy"), Ok("done")]));
    assert_eq!(tokio::spawn(service.oneshot(1)).await.unwrap(), Ok("done"));
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_repeated_is_sent_once_by_the_rules_of_http() {
    use http::{Request, Response};
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let inner = service_fn(move |_: Request<()>| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Response::builder().status(503).body(()).map_err(std::io::Error::other) }
    });
    let layer = ResilienceLayer::new(pipeline("tower.methods").retry(retry(3)).build())
        .replay(mmf::http::replay)
        .classify(mmf::http::classify);
    for (method, expected) in [("GET", 3), ("POST", 1), ("PUT", 3)] {
        sent.store(0, Ordering::Relaxed);
        let request = Request::builder().method(method).body(()).unwrap();
        assert_eq!(layer.layer(inner.clone()).oneshot(request).await.unwrap().status(), 503);
        assert_eq!(sent.load(Ordering::Relaxed), expected, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_within_says_nothing_to_the_policies_around() {
    let within = CircuitBreaker::builder("tower.within").build();
    within.force_open();
    let around = Arc::new(CircuitBreaker::builder("tower.around").failure_threshold(1).build());
    let inner = service_fn(|_: u64| async { Err::<(), _>(http::StatusCode::BAD_GATEWAY) });
    let inner = ResilienceLayer::new(pipeline("tower.within").breaker(within).build()).layer(inner);
    let pipeline = pipeline("tower.around").breaker(Arc::clone(&around)).retry(retry(3));
    let service = ResilienceLayer::new(pipeline.build())
        .classify(|result: Result<&(), &Error<http::StatusCode>>| {
            result.map_or_else(Outcome::class, |()| Class::Success)
        })
        .layer(inner);
    let refused = service.oneshot(7).await.unwrap_err();
    assert!(matches!(refused, Error::Inner(Error::Refused(_))), "{refused:?}");
    let seen = around.snapshot();
    assert_eq!((seen.state, seen.failures), (BreakerState::Closed, 0));
}

#[test]
fn an_error_tells_its_source() {
    use std::error::Error as _;
    let refusal = mmf::ResilienceError::circuit_open("p", Duration::from_secs(1));
    let refused: Error<std::io::Error> = Error::Refused(refusal.clone());
    assert_eq!(refused.to_string(), refusal.to_string());
    assert!(refused.source().unwrap().downcast_ref::<mmf::ResilienceError>().is_some());
    let inner = Error::Inner(std::io::Error::other("broken"));
    assert_eq!((inner.to_string(), inner.refusal().is_none()), ("broken".into(), true));
    assert_eq!(inner.into_inner().unwrap().to_string(), "broken");
}

mod histories {
    //! Any history of requests, against a model: no permit and no trial is lost.

    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::Waker;

    use mmf::resilience::{AdaptiveLimit, LimitAlgorithm};
    use proptest::prelude::*;
    use tokio::sync::oneshot;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        /// A request is made, and polled or not yet.
        Call { polled: bool },
        /// The service answers one of those that it serves.
        Answer(usize, bool),
        /// Whoever made a request gives it up.
        GiveUp(usize),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => any::<bool>().prop_map(|polled| Step::Call { polled }),
            2 => (0..100_usize, any::<bool>()).prop_map(|(which, well)| Step::Answer(which, well)),
            1 => (0..100_usize).prop_map(Step::GiveUp),
        ]
    }

    type Call = Pin<Box<dyn Future<Output = Result<(), Error<()>>>>>;

    fn poll(call: &mut Call) -> Poll<Result<(), Error<()>>> {
        call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Those that are being served: what answers each is dropped with its request.
    type Served = Arc<Mutex<VecDeque<oneshot::Sender<bool>>>>;

    fn living(served: &Served) -> usize {
        let mut served = served.lock().unwrap();
        served.retain(|answer| !answer.is_closed());
        served.len()
    }

    proptest! {
        #[test]
        fn leave_no_permit_and_no_trial_behind(
            steps in prop::collection::vec(any_step(), 1..60),
            (max_concurrent, max_queue) in (1_u32..5, 0_u32..4),
            is_adaptive in any::<bool>(),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let _entered = runtime.enter();
            let bulkhead = Bulkhead::builder("tower.histories").max_concurrent(max_concurrent).max_queue(max_queue);
            let range = AdaptiveLimit::new().max(6).algorithm(LimitAlgorithm::Aimd);
            let bulkhead = if is_adaptive { bulkhead.adaptive(range) } else { bulkhead };
            let bulkhead = Arc::new(bulkhead.build());
            // Never opens again, and has more trials than there are requests: only their places count.
            let breaker = CircuitBreaker::builder("tower.histories").half_open_max_calls(100).success_threshold(1000);
            let breaker = Arc::new(breaker.build());
            let served: Served = Arc::default();
            let within = Arc::clone(&served);
            let inner = service_fn(move |_: u64| {
                let (answer, answered) = oneshot::channel();
                within.lock().unwrap().push_back(answer);
                async move { if answered.await == Ok(true) { Ok(()) } else { Err(()) } }
            });
            let pipeline = pipeline("tower.histories").bulkhead(Arc::clone(&bulkhead)).breaker(Arc::clone(&breaker));
            let mut service = ResilienceLayer::new(pipeline.build()).layer(inner);
            let mut calls: Vec<Call> = Vec::new();
            for step in steps {
                breaker.force_half_open();
                match step {
                    Step::Call { polled } => {
                        let before = (bulkhead.running(), bulkhead.queued());
                        let mut call: Call = Box::pin(service.call(7));
                        let is_refused = polled && poll(&mut call).is_ready();
                        let is_full = before.0 >= bulkhead.limit() && before.1 >= max_queue as usize;
                        prop_assert!(!is_refused || is_full);
                        if !is_refused {
                            calls.push(call);
                        }
                    }
                    Step::Answer(which, well) if living(&served) > 0 => {
                        let mut waiting = served.lock().unwrap();
                        let which = which % waiting.len();
                        let answer = waiting.remove(which).unwrap();
                        drop(waiting);
                        prop_assert!(answer.send(well).is_ok());
                    }
                    Step::GiveUp(which) if !calls.is_empty() => {
                        drop(calls.swap_remove(which % calls.len()));
                    }
                    Step::Answer(..) | Step::GiveUp(_) => {}
                }
                calls.retain_mut(|call| poll(call).is_pending());
                // Once more, for those whose turn came by it.
                calls.retain_mut(|call| poll(call).is_pending());
                prop_assert_eq!(bulkhead.running(), living(&served));
                prop_assert_eq!(bulkhead.running() + bulkhead.queued(), calls.len());
                prop_assert!(bulkhead.queued() == 0 || bulkhead.running() >= bulkhead.limit());
            }
            drop(calls);
            prop_assert_eq!((bulkhead.running(), bulkhead.queued(), living(&served)), (0, 0, 0));
            breaker.force_half_open();
            let trials: Vec<_> = (0..100).map(|_| breaker.admit_owned()).collect();
            prop_assert!(trials.iter().all(Result::is_ok), "each trial has its place again");
        }
    }
}
