//! Layers of tower beside the policies: deadlines, ids and traces, faults.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use http::{Request, Response};
use mmf::chaos::{ChaosConfig, ChaosKind, Fault, history, points, scope};
use mmf::correlation::{self, CorrelationId};
use mmf::resilience::{Refusal, time_left};
use mmf::tower::{ChaosLayer, CorrelationLayer, DeadlineLayer, Error};
use tower::{Layer, Service, ServiceExt, service_fn};

const MILLI: Duration = Duration::from_millis(1);
const HEADER: &str = "x-request-timeout-ms";

fn request(headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// Answers with what is left of the deadline.
fn left()
-> impl Service<Request<()>, Response = Option<Duration>, Error = io::Error, Future: Send> + Clone {
    service_fn(|_| async { Ok(time_left()) })
}

#[tokio::test(start_paused = true)]
async fn a_deadline_bounds_the_service_and_what_it_calls() {
    #[mmf::resilient(name = "layers.inner", timeout = "1h")]
    async fn inner() -> Result<(), mmf::ResilienceError> {
        std::future::pending().await
    }
    let limit = DeadlineLayer::new(30 * MILLI).name("orders");
    let layer = limit.layer(service_fn(|_: u64| inner()));
    let refused = layer.oneshot(7).await.unwrap_err();
    let refusal = refused.refusal().expect("a refusal, not an error of the service");
    assert_eq!((refusal.refusal(), refusal.policy()), (Refusal::Deadline, "orders"));
    assert_eq!(mmf::resilience::policy("layers.inner").unwrap().snapshot().cancelled, 1);

    let failing =
        DeadlineLayer::new(30 * MILLI).layer(service_fn(|_: u64| async { Err::<(), _>("broken") }));
    assert_eq!(failing.oneshot(7).await, Err(Error::Inner("broken")));
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_shorten_its_deadline_and_not_lengthen_it() {
    let layer = DeadlineLayer::new(100 * MILLI).timeout_header(HEADER);
    for (said, expected) in [
        (&[][..], 100),
        (&[(HEADER, "30")], 30),
        (&[(HEADER, "3000")], 100),
        (&[(HEADER, "soon")], 100),
        (&[(HEADER, "-1")], 100),
        (&[(HEADER, "30"), (HEADER, "30")], 100),
    ] {
        let left = layer.layer(left()).oneshot(request(said)).await.unwrap();
        assert_eq!(left, Some(expected * MILLI), "{said:?}");
    }
    let by_words = DeadlineLayer::new(100 * MILLI)
        .limit_by(|words: &&str| words.parse().ok().map(Duration::from_millis));
    for (words, expected) in [("7", 7), ("700", 100), ("none", 100)] {
        let service = by_words.layer(service_fn(|_| async { Ok::<_, io::Error>(time_left()) }));
        assert_eq!(service.oneshot(words).await.unwrap(), Some(expected * MILLI), "{words}");
    }
    let none = DeadlineLayer::new(Duration::ZERO).layer(left()).oneshot(request(&[])).await;
    assert!(none.unwrap_err().refusal().is_some(), "no time at all is a time");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_goes_out_rounded_down() {
    let told = service_fn(|request: Request<()>| async move {
        Ok::<_, io::Error>(
            request.headers().get(HEADER).map(|value| value.to_str().unwrap().to_owned()),
        )
    });
    let client = DeadlineLayer::outgoing(HEADER).layer(told);
    assert_eq!(client.clone().oneshot(request(&[])).await.unwrap(), None, "under no deadline");
    let server = DeadlineLayer::new(Duration::from_micros(30_999)).layer(client);
    let told = server.oneshot(request(&[])).await.unwrap();
    assert_eq!(told.as_deref(), Some("30"));
}

#[test]
#[should_panic(expected = "the name of a header")]
fn a_header_has_a_name_that_headers_can_have() {
    let _ = DeadlineLayer::new(MILLI).timeout_header("not a name");
}

#[tokio::test]
async fn an_id_is_taken_over_and_answered_with_and_goes_on() {
    let outgoing =
        CorrelationLayer::outgoing().layer(service_fn(|request: Request<()>| async move {
            Ok::<_, io::Error>(request.into_parts().0.headers)
        }));
    let client = outgoing.clone();
    // Both where the future is made and where it is polled.
    let server = CorrelationLayer::incoming().layer(service_fn(move |_| {
        let (made, client) = (correlation::current(), client.clone());
        async move {
            assert_eq!(correlation::current(), made);
            Ok::<_, io::Error>(Response::new(client.oneshot(request(&[])).await?))
        }
    }));
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let asked = request(&[("x-correlation-id", "req-7"), ("traceparent", parent)]);
    let response = server.clone().oneshot(asked).await.unwrap();
    assert_eq!(response.headers()["x-correlation-id"], "req-7");
    assert_eq!(response.body()["x-correlation-id"], "req-7");
    let trace = response.body()["traceparent"].to_str().unwrap();
    assert!(trace.contains("0af7651916cd43dd8448eb211c80319c") && trace != parent, "{trace}");

    let response = server.oneshot(request(&[])).await.unwrap();
    let id = response.headers()["x-correlation-id"].to_str().unwrap();
    assert!(CorrelationId::parse(id).is_ok(), "a new one");
    assert!(!outgoing.oneshot(request(&[])).await.unwrap().contains_key("x-correlation-id"));
}

fn always(kind: ChaosKind) -> ChaosConfig {
    ChaosConfig::new().fault(Fault::new(kind).probability(1.0))
}

#[tokio::test(start_paused = true)]
async fn a_service_is_struck_where_its_layer_is() {
    let service = ChaosLayer::new("layers.users")
        .layer(service_fn(|id: u64| async move { Ok::<_, io::Error>(id) }));
    assert_eq!(service.clone().oneshot(7).await.unwrap(), 7, "nothing is armed");
    let armed = always(ChaosKind::NetworkFailure).target("layers.users");
    let struck =
        scope(armed.clone()).seed(1).run(async { (service.clone().oneshot(7).await, history()) });
    let (struck, injected) = struck.await;
    let struck = struck.unwrap_err().to_string();
    assert!(
        struck.contains("network_failure") && struck.contains("at layers.users, call 1"),
        "{struck}"
    );
    assert_eq!((injected.len(), injected[0].point), (1, "layers.users"));
    let other = scope(armed.target("layers.orders")).seed(1).run(service.clone().oneshot(7));
    assert_eq!(other.await.unwrap(), 7);
    let slow = Fault::new(ChaosKind::NetworkDelay).probability(1.0).delay(50 * MILLI, 50 * MILLI);
    let begun = tokio::time::Instant::now();
    let late = scope(ChaosConfig::new().fault(slow)).seed(1).run(service.oneshot(7));
    assert_eq!((late.await.unwrap(), begun.elapsed()), (7, 50 * MILLI));
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_made_under_an_experiment_is_struck_as_well() {
    let armed = always(ChaosKind::ServiceUnavailable).target("layers.late*");
    let struck = scope(armed).seed(1).run(async {
        let make = |name| {
            ChaosLayer::new(name).layer(service_fn(|id: u64| async move { Ok::<_, io::Error>(id) }))
        };
        let (late, other) = (make("layers.late"), make("layers.not_meant"));
        (late.oneshot(7).await, other.oneshot(7).await)
    });
    let (late, other) = struck.await;
    assert!(late.unwrap_err().to_string().contains("service_unavailable at layers.late, call 1"));
    assert_eq!(other.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_fault_may_be_answered_with_a_response() {
    let service = ChaosLayer::new("layers.answers")
        .answer(|fault| Ok::<_, Infallible>(fault.kind.to_string()))
        .layer(service_fn(|_: u64| async { Ok::<_, Infallible>("well".to_owned()) }));
    let struck = scope(always(ChaosKind::RandomErrors)).seed(1).run(service.clone().oneshot(7));
    assert_eq!(struck.await.unwrap(), "random_errors");
    assert_eq!(service.oneshot(7).await.unwrap(), "well");
}

#[test]
fn a_layer_is_one_point_however_often_it_is_made() {
    let make = || ChaosLayer::new("layers.one_point");
    for _ in 0..3 {
        let _ = make();
    }
    let found: Vec<_> =
        points().into_iter().filter(|point| point.name == "layers.one_point").collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].location.contains("layers.rs:"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn an_experiment_sees_how_calls_end() {
    let service = ChaosLayer::new("layers.seen")
        .layer(service_fn(|_: u64| async { Err::<(), _>(io::Error::other("broken")) }));
    let quiet = Fault::new(ChaosKind::NetworkDelay).probability(0.0);
    let armed = ChaosConfig::new().fault(quiet).stop_if_error_rate_above(0.5);
    let (_, injector) = scope(armed)
        .seed(1)
        .run_reported(async {
            for _ in 0..20 {
                let _ = service.clone().oneshot(7).await;
            }
        })
        .await;
    assert!(injector.was_stopped());
}
