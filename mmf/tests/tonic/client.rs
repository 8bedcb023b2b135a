//! Policies around the calls of a client.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use mmf::ResilienceError;
use mmf::resilience::{
    BreakerState, Bulkhead, CircuitBreaker, Class, HedgePolicy, Key, KeyedBreakers, Pipeline,
    PipelineBuilder, RetryPolicy, policy,
};
use mmf::tonic::{Client, ClientLayer, refusal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};
use tower::Layer;

use crate::echo::{Caller, Echo, all, code, snapshot};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A client of the service, in one process with it.
fn over(layer: &ClientLayer) -> (Caller<Client<Echo>>, Echo) {
    let echo = Echo::default();
    (Caller(layer.layer(echo.clone())), echo)
}

fn by(pipeline: PipelineBuilder) -> (Caller<Client<Echo>>, Echo) {
    over(&ClientLayer::new(pipeline.build()))
}

fn retry() -> RetryPolicy {
    RetryPolicy::builder().max_attempts(3).build()
}

fn breaker(name: &'static str) -> CircuitBreaker {
    CircuitBreaker::builder(name).failure_threshold(100).build()
}

#[tokio::test(start_paused = true)]
async fn a_call_of_each_kind_goes_through_all_policies() {
    let name = "tonic.all";
    let pipeline = Pipeline::builder(name)
        .deadline(secs(10))
        .timeout(secs(2))
        .retry(retry())
        .breaker(breaker(name))
        .bulkhead(Bulkhead::builder(name).max_concurrent(3).build())
        .hedge(HedgePolicy::builder().delay(secs(1)).build());
    let (caller, echo) = by(pipeline);
    assert_eq!(caller.unary("hello").await.unwrap(), "hello");
    assert_eq!(caller.up(tokio_stream::iter(["a".into(), "b".into()])).await.unwrap(), "a+b");
    let (messages, end) = all(caller.down("3 OK").await.unwrap()).await;
    assert_eq!((messages.len(), end.is_ok()), (3, true));
    let (messages, end) = all(caller.both(tokio_stream::iter(["x".into()])).await.unwrap()).await;
    assert_eq!((messages, end.is_ok()), (vec!["x".to_owned()], true));
    let snapshot = snapshot(name);
    assert_eq!((snapshot.successes, snapshot.failures, echo.attempts()), (4, 0, 4));
    assert_eq!(snapshot.breaker.unwrap().successes, 4);
    assert_eq!(snapshot.bulkhead.unwrap().running, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_trailers_alone_is_tried_again_and_tells_how_often() {
    let (caller, echo) = by(Pipeline::builder("tonic.retried").retry(retry()));
    assert_eq!(caller.unary("flaky 2").await.unwrap(), "flaky 2");
    let previous = echo.metadata("grpc-previous-rpc-attempts");
    assert_eq!(previous, [None, Some("1".into()), Some("2".into())]);
    assert_eq!(snapshot("tonic.retried").retries, 2);
}

#[tokio::test(start_paused = true)]
async fn each_code_is_retried_and_counted_as_the_table_says() {
    for number in 1..=16 {
        let name = format!("tonic.code{number}");
        let code = Code::from_i32(number);
        let breaker = CircuitBreaker::builder(name.clone()).failure_threshold(100).build();
        let (caller, echo) = by(Pipeline::builder(name.clone()).retry(retry()).breaker(breaker));
        let word = format!("{code:?}").chars().fold(String::new(), |mut word, letter| {
            if letter.is_uppercase() && !word.is_empty() {
                word.push('_');
            }
            word.extend(letter.to_uppercase());
            word
        });
        assert_eq!(caller.unary(&word).await.unwrap_err().code(), code, "{word}");
        let counts = snapshot(&name).breaker.unwrap();
        let expected = match code {
            Code::Unavailable | Code::Aborted => (3, 3, 0),
            Code::DeadlineExceeded | Code::Internal | Code::Unknown | Code::DataLoss => (1, 1, 0),
            Code::Cancelled => (1, 0, 0),
            _ => (1, 0, 1),
        };
        let found = (echo.attempts(), counts.failures, counts.successes);
        assert_eq!(found, expected, "{word}");
    }
    assert_eq!(code("DATA_LOSS"), Some(Code::DataLoss));
}

#[tokio::test(start_paused = true)]
async fn a_pushback_is_waited_for_or_ends_the_call() {
    let (caller, echo) = by(Pipeline::builder("tonic.pushback").retry(retry()));
    let began = Instant::now();
    caller.unary("RESOURCE_EXHAUSTED 2000").await.unwrap_err();
    assert_eq!(echo.attempts(), 3);
    assert!(began.elapsed() >= secs(4) && began.elapsed() < secs(7), "{:?}", began.elapsed());
    caller.unary("RESOURCE_EXHAUSTED").await.unwrap_err();
    assert_eq!(echo.attempts(), 4, "nobody asked to come back");
    caller.unary("UNAVAILABLE -1").await.unwrap_err();
    assert_eq!(echo.attempts(), 5, "never");
    let before = mmf::tonic::malformed("grpc-retry-pushback-ms");
    caller.unary("UNAVAILABLE soon").await.unwrap_err();
    assert_eq!(echo.attempts(), 6, "never");
    assert_eq!(mmf::tonic::malformed("grpc-retry-pushback-ms"), before + 1);
}

#[tokio::test(start_paused = true)]
async fn once_a_message_is_there_nothing_is_repeated() {
    let name = "tonic.message";
    let (caller, echo) = by(Pipeline::builder(name).retry(retry()).breaker(breaker(name)));
    let (messages, end) = all(caller.down("1 UNAVAILABLE").await.unwrap()).await;
    assert_eq!((messages.len(), end.unwrap_err().code()), (1, Code::Unavailable));
    let snapshot = snapshot(name);
    assert_eq!((echo.attempts(), snapshot.failures, snapshot.successes), (1, 1, 0));
    assert_eq!(snapshot.breaker.unwrap().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_holds_its_place_to_its_last_message_and_counts_once() {
    let name = "tonic.place";
    let bulkhead = Bulkhead::builder(name).max_concurrent(1).build();
    let (caller, _) = by(Pipeline::builder(name).bulkhead(bulkhead).breaker(breaker(name)));
    let mut stream = caller.down("2 OK").await.unwrap();
    for _ in 0..2 {
        assert!(stream.message().await.unwrap().is_some());
        assert_eq!(snapshot(name).bulkhead.unwrap().running, 1);
        let refused = caller.unary("hello").await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(matches!(refusal(&refused), Some(ResilienceError::BulkheadFull { .. })));
    }
    assert_eq!((snapshot(name).successes, snapshot(name).breaker.unwrap().successes), (0, 0));
    assert!(stream.message().await.unwrap().is_none());
    let counts = snapshot(name);
    assert_eq!((counts.successes, counts.breaker.unwrap().successes), (1, 1));
    assert_eq!(counts.bulkhead.unwrap().running, 0);
    drop(stream);
    assert_eq!((snapshot(name).successes, snapshot(name).cancelled), (1, 0));
    caller.unary("hello").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_given_up_counts_as_nothing_and_gives_all_back() {
    let name = "tonic.dropped";
    let half_open = CircuitBreaker::builder(name)
        .failure_threshold(1)
        .half_open_max_calls(1)
        .success_threshold(1)
        .recovery_timeout(secs(5))
        .build();
    let bulkhead = Bulkhead::builder(name).max_concurrent(1).build();
    let (caller, _) = by(Pipeline::builder(name).breaker(half_open).bulkhead(bulkhead));
    caller.unary("UNAVAILABLE").await.unwrap_err();
    tokio::time::advance(secs(9)).await;
    for _ in 0..3 {
        let mut trial = caller.down("2 hang").await.unwrap();
        trial.message().await.unwrap();
        assert_eq!(snapshot(name).breaker.unwrap().state, BreakerState::HalfOpen);
        let refused = caller.unary("hello").await.unwrap_err();
        assert!(matches!(refusal(&refused), Some(ResilienceError::CircuitOpen { .. })));
    }
    let counts = snapshot(name);
    assert_eq!((counts.cancelled, counts.bulkhead.unwrap().running), (3, 0));
    caller.unary("hello").await.unwrap();
    assert_eq!(snapshot(name).breaker.unwrap().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_bounds_an_attempt_to_its_last_message() {
    let name = "tonic.timeout";
    let bulkhead = Bulkhead::builder(name).max_concurrent(1).build();
    let pipeline = Pipeline::builder(name).timeout(secs(2)).retry(retry()).breaker(breaker(name));
    let (caller, echo) = by(pipeline.bulkhead(bulkhead));
    let refused = caller.unary("hang").await.unwrap_err();
    assert_eq!((refused.code(), echo.attempts()), (Code::DeadlineExceeded, 3));
    assert!(matches!(refusal(&refused), Some(ResilienceError::Timeout { .. })));

    let began = Instant::now();
    let (messages, end) = all(caller.down("2 hang").await.unwrap()).await;
    assert_eq!((messages.len(), began.elapsed()), (2, secs(2)));
    let refused = end.unwrap_err();
    assert!(
        matches!(refusal(&refused), Some(ResilienceError::Timeout { limit, .. }) if *limit == secs(2))
    );
    let counts = snapshot(name);
    assert_eq!((counts.timeouts, counts.failures, echo.attempts()), (4, 2, 4));
    assert_eq!(counts.breaker.unwrap().failures, 4);
    assert_eq!(counts.bulkhead.unwrap().running, 0);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_the_whole_call_and_says_nothing_against_the_other_side() {
    let name = "tonic.deadline";
    let (caller, _) = by(Pipeline::builder(name).deadline(secs(3)).breaker(breaker(name)));
    let began = Instant::now();
    let (messages, end) = all(caller.down("1 hang").await.unwrap()).await;
    assert_eq!((messages.len(), began.elapsed()), (1, secs(3)));
    assert!(matches!(refusal(&end.unwrap_err()), Some(ResilienceError::DeadlineExceeded { .. })));
    let counts = snapshot(name);
    assert_eq!((counts.deadline_exceeded, counts.failures), (1, 1));
    let breaker = counts.breaker.unwrap();
    assert_eq!((breaker.failures, breaker.successes), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_other_side_is_told_how_long_it_has() {
    let pipeline = Pipeline::builder("tonic.told").deadline(secs(10)).timeout(secs(4));
    let (caller, echo) = by(pipeline.retry(retry()));
    caller.unary("hello").await.unwrap();
    caller.unary("UNAVAILABLE 3000").await.unwrap_err();
    let told = echo.metadata("grpc-timeout");
    let micros = |told: &Option<String>| -> u64 {
        told.as_ref().unwrap().strip_suffix('u').unwrap().parse().unwrap()
    };
    assert_eq!(told[0].as_deref(), Some("4000000u"));
    assert_eq!(told[1].as_deref(), Some("4000000u"));
    // After two waits of three seconds and up to half as much more.
    let last = micros(&told[3]);
    assert!((1_000_000..=4_000_000).contains(&last), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_the_other_side_is_told_at_once() {
    let name = "tonic.theirs";
    let pipeline = Pipeline::builder(name).timeout(secs(10)).breaker(breaker(name));
    let (caller, _) = by(pipeline);
    let began = Instant::now();
    for code in ["DEADLINE_EXCEEDED", "CANCELLED"] {
        assert!(refusal(&caller.unary(code).await.unwrap_err()).is_none());
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(snapshot(name).breaker.unwrap().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_time_is_a_deadline() {
    let (caller, echo) = by(Pipeline::builder("tonic.own").deadline(secs(10)));
    let began = Instant::now();
    let mut request = Request::new("hang".to_owned());
    request.set_timeout(secs(1));
    let refused = caller.request(request).await.unwrap_err();
    assert_eq!(began.elapsed(), secs(1));
    assert!(matches!(refusal(&refused), Some(ResilienceError::DeadlineExceeded { .. })));
    assert_eq!(echo.metadata("grpc-timeout"), [Some("1000000u".into())]);

    let (caller, echo) = by(Pipeline::builder("tonic.nonsense"));
    let mut request = Request::new("hello".to_owned());
    request.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
    caller.request(request).await.unwrap();
    assert_eq!(echo.metadata("grpc-timeout"), [None], "what says nothing goes no further");
}

#[tokio::test(start_paused = true)]
async fn a_method_may_have_a_pipeline_of_its_own() {
    let others = Pipeline::builder("tonic.others").retry(retry()).build();
    let own = Pipeline::builder("tonic.its_own").build();
    let layer = ClientLayer::new(others).method("/test.Echo/Unary", own);
    let (caller, echo) = over(&layer);
    caller.unary("UNAVAILABLE").await.unwrap_err();
    assert_eq!(echo.attempts(), 1);
    caller.up(tokio_stream::iter(["UNAVAILABLE".into()])).await.unwrap_err();
    assert_eq!(echo.attempts(), 4);
    assert_eq!((snapshot("tonic.its_own").failures, snapshot("tonic.others").failures), (1, 1));
}

#[test]
fn what_is_no_method_is_refused_where_it_is_written() {
    for path in ["users.v1.Users/Get", "/users.v1.Users", "/users.v1.Users/", "/a/b/c", ""] {
        let layer = ClientLayer::new(Pipeline::builder("tonic.written").build());
        let pipeline = Pipeline::builder("tonic.written").build();
        let refused = catch_unwind(AssertUnwindSafe(|| drop(layer.method(path, pipeline))));
        let why = *refused.unwrap_err().downcast::<String>().unwrap();
        assert!(why.contains("\"/users.v1.Users/Get\""), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_by_key_goes_by_method_or_as_it_is_told() {
    let breakers = || KeyedBreakers::builder("tonic.keys").failure_threshold(1).build();
    let (caller, _) = by(Pipeline::builder("tonic.by_method").breakers(breakers()));
    caller.unary("INTERNAL").await.unwrap_err();
    let refused = caller.unary("hello").await.unwrap_err();
    let Some(ResilienceError::CircuitOpen { key, .. }) = refusal(&refused) else { panic!() };
    assert_eq!(key.as_deref(), Some("/test.Echo/Unary"));
    caller.up(tokio_stream::iter(["hello".into()])).await.unwrap();

    let pipeline = Pipeline::builder("tonic.by_tenant").breakers(breakers()).build();
    let layer = ClientLayer::new(pipeline).key_by(|request| {
        request.headers().get("tenant").and_then(|tenant| tenant.to_str().ok()).map(Key::of)
    });
    let (caller, _) = over(&layer);
    let of = |tenant: &'static str, message: &str| {
        let mut request = Request::new(message.to_owned());
        request.metadata_mut().insert("tenant", tenant.parse().unwrap());
        request
    };
    caller.request(of("a", "INTERNAL")).await.unwrap_err();
    assert!(refusal(&caller.request(of("a", "hello")).await.unwrap_err()).is_some());
    caller.request(of("b", "hello")).await.unwrap();
    caller.unary("INTERNAL").await.unwrap_err();
    caller.unary("hello").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_repeated_where_all_of_it_is_there() {
    let layer = || ClientLayer::new(Pipeline::builder("tonic.sent").retry(retry()).build());
    let ready = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        tokio_stream::iter(words)
    };
    let (caller, echo) = over(&layer());
    assert_eq!(caller.up(ready(&["a", "flaky 2", "b"])).await.unwrap(), "a+flaky 2+b");
    assert_eq!(echo.attempts(), 3);

    let (caller, echo) = over(&layer());
    let (sender, receiver) = mpsc::channel(1);
    let sent = tokio::spawn(async move {
        for word in ["a", "flaky 2"] {
            sender.send(word.to_owned()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    caller.up(ReceiverStream::new(receiver)).await.unwrap_err();
    sent.await.unwrap();
    assert_eq!(echo.attempts(), 1, "the second message was not there when the call began");

    let (caller, echo) = over(&layer().replay_limit(10));
    caller.up(ready(&["a text of more", "flaky 2"])).await.unwrap_err();
    assert_eq!(echo.attempts(), 1, "longer than what is kept");
    assert_eq!(caller.up(ready(&["a text of more", "b"])).await.unwrap(), "a text of more+b");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_says_when_to_come_back_and_nothing_is_sent() {
    let name = "tonic.open";
    let opened = CircuitBreaker::builder(name).failure_threshold(1).recovery_timeout(secs(30));
    let (caller, echo) = by(Pipeline::builder(name).breaker(opened.build()).retry(retry()));
    caller.unary("INTERNAL").await.unwrap_err();
    let refused = caller.unary("hello").await.unwrap_err();
    assert_eq!((refused.code(), echo.attempts()), (Code::Unavailable, 1));
    assert!(refused.metadata().get("grpc-retry-pushback-ms").is_some());
    assert!(!refused.message().contains(name), "strangers are not told: {}", refused.message());
    let Some(refused) = refusal(&refused) else { panic!() };
    assert!(refused.to_string().contains(name), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_classifier_of_ones_own_decides_at_the_head_and_at_the_end() {
    let name = "tonic.class";
    let pipeline = Pipeline::builder(name).retry(retry()).breaker(breaker(name)).build();
    let layer = ClientLayer::new(pipeline).classify(|status| match status.code() {
        Code::NotFound => Class::TRANSIENT,
        _ => Class::Ignored,
    });
    let (caller, echo) = over(&layer);
    caller.unary("NOT_FOUND").await.unwrap_err();
    assert_eq!(echo.attempts(), 3);
    caller.unary("UNAVAILABLE").await.unwrap_err();
    assert_eq!(echo.attempts(), 4);
    let failures = || snapshot(name).breaker.unwrap().failures;
    assert_eq!(failures(), 3);
    for (script, more) in [("1 NOT_FOUND", 1), ("1 UNAVAILABLE", 0)] {
        let before = failures();
        assert!(all(caller.down(script).await.unwrap()).await.1.is_err());
        assert_eq!(failures() - before, more, "{script}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_copies_the_winner_keeps_its_place() {
    let name = "tonic.hedged";
    let hedge = HedgePolicy::builder().delay(Duration::from_millis(10)).build();
    let bulkhead = Bulkhead::builder(name).max_concurrent(2).build();
    let (caller, echo) = by(Pipeline::builder(name).hedge(hedge).bulkhead(bulkhead));
    assert_eq!(caller.unary("late 50").await.unwrap(), "late 50");
    assert_eq!((echo.attempts(), snapshot(name).hedges), (2, 1));
    assert_eq!(snapshot(name).bulkhead.unwrap().running, 0);
    let stream = caller.down("1 OK").await.unwrap();
    assert_eq!(snapshot(name).bulkhead.unwrap().running, 1);
    drop(stream);
    assert_eq!(snapshot(name).bulkhead.unwrap().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_other_side_frees_all() {
    let name = "tonic.panic";
    let bulkhead = Bulkhead::builder(name).max_concurrent(1).build();
    let (caller, _) = by(Pipeline::builder(name).bulkhead(bulkhead).breaker(breaker(name)));
    for message in ["panic", "hello"] {
        let caller = caller.clone();
        let _ = tokio::spawn(async move { caller.unary(message).await }).await;
    }
    let stream = caller.down("1 panic").await.unwrap();
    assert!(tokio::spawn(all(stream)).await.is_err());
    let counts = snapshot(name);
    assert_eq!((counts.failures, counts.successes), (2, 1));
    assert_eq!(counts.bulkhead.unwrap().running, 0);
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_stands_outside_or_inside() {
    use tonic::service::interceptor::InterceptedService;
    let token = |mut request: Request<()>| {
        request.metadata_mut().insert("token", "secret".parse().unwrap());
        Ok(request)
    };
    let (caller, echo) = by(Pipeline::builder("tonic.outside").retry(retry()));
    let outside = Caller(InterceptedService::new(caller.0, token));
    outside.unary("flaky 1").await.unwrap();
    assert_eq!(echo.metadata("token"), [Some("secret".into()), Some("secret".into())]);
    let refusing = |_: Request<()>| Err(tonic::Status::unauthenticated("no token"));
    let refusing = Caller(InterceptedService::new(outside.0, refusing));
    assert_eq!(refusing.unary("hello").await.unwrap_err().code(), Code::Unauthenticated);

    let echo = Echo::default();
    let layer = ClientLayer::new(Pipeline::builder("tonic.inside").retry(retry()).build());
    let inside = Caller(layer.layer(InterceptedService::new(echo.clone(), token)));
    inside.unary("flaky 1").await.unwrap();
    assert_eq!(echo.metadata("token"), [Some("secret".into()), Some("secret".into())]);
}

#[tokio::test(start_paused = true)]
async fn its_policies_are_on_the_list_and_can_be_forced() {
    let name = "tonic.listed";
    let (caller, _) = by(Pipeline::builder(name).breaker(breaker(name)));
    caller.unary("hello").await.unwrap();
    policy(name).unwrap().breaker().unwrap().force_open();
    caller.unary("hello").await.unwrap_err();
    policy(name).unwrap().breaker().unwrap().reset();
    caller.unary("hello").await.unwrap();
}
