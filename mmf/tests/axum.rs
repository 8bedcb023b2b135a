//! What each request of an axum service gets, over its routes as they are served.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use http_body_util::BodyExt;
use mmf::axum::{Problem, ServiceLayer};
use mmf::resilience::{
    self, AdaptiveLimit, Bulkhead, Key, KeyedRateLimiters, LimitAlgorithm, ResilienceError,
    time_left,
};
use tower::{Layer, Service, ServiceExt};

fn app(layer: ServiceLayer) -> Router {
    Router::new()
        .route("/users/{id}", get(|| async { "Ada" }))
        .route("/left", get(|| async { format!("{:?}", time_left().map(|left| left.as_millis())) }))
        .route("/slow", get(slow))
        .route("/broken", get(broken))
        .layer(layer)
}

async fn slow() -> Result<&'static str, Problem> {
    let call = resilience::call("inner").deadline(Duration::from_secs(60));
    Ok(call.run(std::future::pending::<Result<_, ResilienceError>>).await?)
}

async fn broken() -> Result<&'static str, Problem> {
    Err(ResilienceError::circuit_open("db", Duration::from_millis(2500)).into())
}

async fn ask(app: &Router, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn ids_are_taken_over_or_made_and_go_back() {
    let app = app(ServiceLayer::new("users"));
    let response = ask(&app, "/users/7", &[("x-correlation-id", "req-123")]).await;
    assert_eq!(response.headers()["x-correlation-id"], "req-123");
    let response = ask(&app, "/users/7", &[("x-correlation-id", "not safe")]).await;
    assert_eq!(response.headers()["x-correlation-id"].len(), 32);
    assert_eq!(text(response).await, "Ada");
    assert_eq!(ask(&app, "/nowhere", &[]).await.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_the_callers_word_up_to_the_longest() {
    let layer = || ServiceLayer::new("users").timeout_header("x-request-timeout-ms");
    let left = async |app: &Router, said: Option<&str>| {
        let headers: Vec<_> = said.map(|said| ("x-request-timeout-ms", said)).into_iter().collect();
        text(ask(app, "/left", &headers).await).await
    };
    let limited = app(layer().max_deadline(Duration::from_secs(30)));
    assert_eq!(left(&limited, Some("1500")).await, "Some(1500)");
    assert_eq!(left(&limited, Some("60000")).await, "Some(30000)");
    assert_eq!(left(&limited, None).await, "Some(30000)");
    for nonsense in ["-1", "soon", "99999999999999999999"] {
        assert_eq!(left(&limited, Some(nonsense)).await, "Some(30000)", "{nonsense}");
    }
    let free = app(layer());
    assert_eq!(left(&free, Some("1500")).await, "Some(1500)");
    assert_eq!(left(&free, None).await, "None");
    let deaf = app(ServiceLayer::new("users"));
    assert_eq!(left(&deaf, Some("1500")).await, "None");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_what_is_called_within() {
    let app = app(ServiceLayer::new("users").max_deadline(Duration::from_secs(2)));
    let begun = tokio::time::Instant::now();
    let response = ask(&app, "/slow", &[]).await;
    // A tick of the timer before, by which a limit that is found learns of it.
    assert_eq!((response.status().as_u16(), begun.elapsed().as_millis()), (504, 1999));
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(text(response).await.contains("The request took too long"));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_one_tick_is_one() {
    let app = app(ServiceLayer::new("users").max_deadline(Duration::from_millis(1)));
    let begun = tokio::time::Instant::now();
    let response = ask(&app, "/slow", &[]).await;
    assert_eq!((response.status().as_u16(), begun.elapsed().as_millis()), (504, 1));
}

/// Is ready at the second question.
#[derive(Clone, Default)]
struct Hesitant {
    asked: bool,
    is_ready: bool,
}

impl Service<Request> for Hesitant {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !std::mem::replace(&mut self.asked, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without being ready");
        ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn the_one_that_is_ready_serves() {
    let service = ServiceLayer::new("users").layer(Hesitant::default());
    assert_eq!(service.oneshot(Request::default()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_problems() {
    let response = ask(&app(ServiceLayer::new("users")), "/broken", &[]).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "3");
    let body: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!((&body["status"], &body["type"]), (&503.into(), &"about:blank".into()));
    assert_eq!(
        (&body["title"], &body["detail"]),
        (&"A dependency is unavailable".into(), &serde_json::Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn more_requests_at_once_than_may_are_shed() {
    let layer = ServiceLayer::new("users").max_deadline(Duration::from_secs(2));
    let app = app(layer.shed(Bulkhead::builder("http").max_concurrent(1).build()));
    let (slow, shed) = tokio::join!(biased; ask(&app, "/slow", &[]), ask(&app, "/users/7", &[]));
    assert_eq!((slow.status().as_u16(), shed.status().as_u16()), (504, 503));
    assert_eq!(ask(&app, "/users/7", &[]).await.status(), 200, "the permit is back");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_found_learns_from_requests() {
    let limit = AdaptiveLimit::new().max(50).algorithm(LimitAlgorithm::Aimd);
    let found = |begin| {
        Arc::new(Bulkhead::builder("axum.found").max_concurrent(begin).adaptive(limit).build())
    };
    let well = found(4);
    let service = app(ServiceLayer::new("axum.found").shed(Arc::clone(&well)));
    for _ in 0..50 {
        let asked = [
            ask(&service, "/users/7", &[]),
            ask(&service, "/users/8", &[]),
            ask(&service, "/users/9", &[]),
        ];
        let [one, two, three] = asked;
        tokio::join!(one, two, three);
    }
    assert!(well.limit() >= 4, "{}", well.limit());
    let badly = found(20);
    let service = app(ServiceLayer::new("axum.found").shed(Arc::clone(&badly)));
    for _ in 0..5 {
        assert_eq!(ask(&service, "/broken", &[]).await.status(), 503);
    }
    assert!(badly.limit() < 20, "{}", badly.limit());
    let late = found(20);
    let layer = ServiceLayer::new("axum.found").max_deadline(Duration::from_secs(2));
    let service = app(layer.shed(Arc::clone(&late)));
    for _ in 0..5 {
        assert_eq!(ask(&service, "/slow", &[]).await.status(), 504);
    }
    assert!(late.limit() < 20, "a request that was cut teaches as well: {}", late.limit());
}

#[tokio::test(start_paused = true)]
async fn each_tenant_has_its_own_limit() {
    let limits = KeyedRateLimiters::builder("tenants").permits(1).build();
    let app = app(ServiceLayer::new("axum.tenants").limit(limits, |request| {
        request.headers().get("x-tenant").and_then(|tenant| tenant.to_str().ok()).map(Key::of)
    }));
    let status =
        async |tenant: &str| ask(&app, "/users/7", &[("x-tenant", tenant)]).await.status().as_u16();
    assert_eq!(
        [status("acme").await, status("acme").await, status("umbrella").await],
        [200, 429, 200]
    );
    let refused = ask(&app, "/users/7", &[("x-tenant", "acme")]).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.headers().contains_key("x-correlation-id"));
    for _ in 0..3 {
        assert_eq!(ask(&app, "/users/7", &[]).await.status(), 200, "no key, no limit");
    }
    let policy = resilience::policy("axum.tenants").expect("on the list");
    assert_eq!(policy.snapshot().rate_limited, 2);
    assert_eq!(&*policy.keys()[0].key, "acme");
    assert!(policy.location().contains("tests/axum.rs"), "{}", policy.location());
}
