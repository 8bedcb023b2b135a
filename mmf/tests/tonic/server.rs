//! What each call of a server gets.

use std::time::Duration;

use mmf::resilience::{Bulkhead, CircuitBreaker, Pipeline};
use mmf::tonic::{Served, ServerLayer};
use tokio::time::Instant;
use tonic::{Code, Request};
use tower::Layer;

use crate::echo::{Caller, Echo, all, snapshot};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn behind(layer: &ServerLayer) -> Caller<Served<Echo>> {
    Caller(layer.layer(Echo::default()))
}

fn request(message: &str, timeout: &str) -> Request<String> {
    let mut request = Request::new(message.to_owned());
    request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
    request
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_bounds_the_call_and_what_it_calls() {
    let caller = behind(&ServerLayer::new("served.deadline").max_deadline(secs(9)));
    let left = caller.request(request("left", "5S")).await.unwrap().into_inner();
    assert_eq!(left, "Some(4.999s)");
    assert_eq!(caller.request(request("left", "60S")).await.unwrap().into_inner(), "Some(8.999s)");
    assert_eq!(caller.unary("left").await.unwrap(), "Some(8.999s)");

    let began = Instant::now();
    let refused = caller.request(request("hang", "2S")).await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    assert!(began.elapsed() <= secs(2), "in time: {:?}", began.elapsed());
    let unbounded = behind(&ServerLayer::new("served.unbounded"));
    assert_eq!(unbounded.unary("left").await.unwrap(), "None");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_at_its_deadline_with_a_status() {
    let caller = behind(&ServerLayer::new("served.stream"));
    let began = Instant::now();
    let stream = caller.down_by(request("2 hang", "3S")).await.unwrap().into_inner();
    let (messages, end) = all(stream).await;
    assert!(messages.iter().all(|message| message.ends_with("Some(2.999s)")), "{messages:?}");
    let status = end.unwrap_err();
    assert_eq!((messages.len(), status.code()), (2, Code::DeadlineExceeded));
    assert_eq!(status.message(), "the call took too long", "as that of a unary call");
    assert!(began.elapsed() <= secs(3), "{:?}", began.elapsed());
    assert_eq!((snapshot("served.stream").failures, snapshot("served.stream").timeouts), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_method_may_have_a_longest_deadline_of_its_own_or_none() {
    let layer = ServerLayer::new("served.own")
        .max_deadline(secs(9))
        .max_deadline_of("/test.Echo/Down", None)
        .max_deadline_of("/test.Echo/Up", secs(2));
    let caller = behind(&layer);
    assert_eq!(caller.unary("left").await.unwrap(), "Some(8.999s)");
    let (messages, _) = all(caller.down("1 OK").await.unwrap()).await;
    assert!(messages[0].ends_with(" None"), "{messages:?}");
    let short = caller.down_by(request("1 OK", "1S")).await.unwrap().into_inner();
    assert!(all(short).await.0[0].ends_with(" Some(999ms)"), "the caller's own word holds");
    assert_eq!(caller.up(tokio_stream::iter(["left".into()])).await.unwrap(), "Some(1.999s)");
    let wrong =
        std::panic::catch_unwind(|| ServerLayer::new("served.wrong").max_deadline_of("Up", None));
    assert!(wrong.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_is_told_when_to_come_back() {
    let shed = || Bulkhead::builder("served.shed").max_concurrent(1).build();
    let caller = behind(&ServerLayer::new("served.shed").shed(shed()));
    let mut stream = caller.down("1 OK").await.unwrap();
    stream.message().await.unwrap();
    let refused = caller.unary("hello").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.metadata().get("grpc-retry-pushback-ms").unwrap(), "1000");
    assert!(stream.message().await.unwrap().is_none());
    caller.unary("hello").await.unwrap();
    let given_up = caller.down("1 hang").await.unwrap();
    assert_eq!(snapshot("served.shed").bulkhead.unwrap().running, 1);
    drop(given_up);
    let counts = snapshot("served.shed");
    assert_eq!((counts.bulkhead.unwrap().running, counts.cancelled), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn ids_are_taken_over_told_and_known_within() {
    let caller = behind(&ServerLayer::new("served.ids"));
    let with_id = |message: &str| {
        let mut request = Request::new(message.to_owned());
        request.metadata_mut().insert("x-correlation-id", "req-7".parse().unwrap());
        request
    };
    let answer = caller.request(with_id("id")).await.unwrap();
    assert_eq!(answer.metadata().get("x-correlation-id").unwrap(), "req-7");
    assert_eq!(answer.into_inner(), "req-7");
    let (messages, _) = all(caller.down_by(with_id("2 OK")).await.unwrap().into_inner()).await;
    assert_eq!(messages, ["req-7 None", "req-7 None"], "also while a stream says what it says");
    let made = caller.request(Request::new("id".to_owned())).await.unwrap();
    let told = made.metadata().get("x-correlation-id").unwrap().to_str().unwrap().to_owned();
    assert_eq!(made.into_inner(), told);
}

#[tokio::test(start_paused = true)]
async fn a_time_that_is_none_is_counted_and_left_aside() {
    let caller = behind(&ServerLayer::new("served.nonsense").max_deadline(secs(9)));
    for (number, nonsense) in ["soon", "5", "-5S", "123456789S"].iter().enumerate() {
        let before = mmf::tonic::malformed("grpc-timeout");
        let left = caller.request(request("left", nonsense)).await.unwrap().into_inner();
        assert_eq!(left, "Some(8.999s)", "{nonsense}");
        assert!(mmf::tonic::malformed("grpc-timeout") > before, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_count_by_their_codes() {
    let caller = behind(&ServerLayer::new("served.codes"));
    for (message, fails) in [
        ("OK then", 0),
        ("NOT_FOUND", 0),
        ("INTERNAL", 1),
        ("UNAVAILABLE", 1),
        ("RESOURCE_EXHAUSTED", 0),
        ("UNKNOWN", 1),
    ] {
        let before = snapshot("served.codes").failures;
        let _ = caller.unary(message).await;
        assert_eq!(snapshot("served.codes").failures - before, fails, "{message}");
    }
    for (script, fails) in [("1 OK", 0), ("1 NOT_FOUND", 0), ("1 INTERNAL", 1)] {
        let before = snapshot("served.codes").failures;
        let _ = all(caller.down(script).await.unwrap()).await;
        assert_eq!(snapshot("served.codes").failures - before, fails, "{script}");
    }
    assert_eq!(caller.unknown("/test.Echo/None").await.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test(start_paused = true)]
async fn client_and_server_agree_about_a_deadline() {
    let name = "served.agree";
    let breaker = CircuitBreaker::builder(name).failure_threshold(100).build();
    let pipeline = Pipeline::builder(name).timeout(secs(1)).breaker(breaker).build();
    let served = ServerLayer::new("served.agreed").layer(Echo::default());
    let caller = Caller(mmf::tonic::ClientLayer::new(pipeline).layer(served));
    for _ in 0..5 {
        assert_eq!(caller.unary("hang").await.unwrap_err().code(), Code::DeadlineExceeded);
        assert!(all(caller.down("1 hang").await.unwrap()).await.1.is_err());
    }
    let counts = snapshot(name);
    assert_eq!(counts.breaker.unwrap().failures, 10, "each one a failure of its own time");
    assert_eq!(counts.failures, 10);
}
