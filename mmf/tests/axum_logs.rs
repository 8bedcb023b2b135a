//! The log of requests to an axum service. A process of its own, whose subscriber is there before the first request.

mod log_lines;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use mmf::axum::{Problem, ServiceLayer};
use serde_json::Value;
use tower::ServiceExt;

use log_lines::lines_of;

fn app() -> Router {
    let layer = ServiceLayer::new("users").timeout_header("x-request-timeout-ms");
    Router::new()
        .route("/users/{id}", get(|| async { "Ada" }))
        .route("/broken", get(|| async { axum::http::StatusCode::BAD_GATEWAY }))
        .route("/hanging", get(std::future::pending::<&'static str>))
        .route("/refused", get(refused))
        .route("/panics", get(|| async { panic!("as it should") as &'static str }))
        .layer(layer)
}

async fn refused() -> Problem {
    mmf::ResilienceError::circuit_open("db.secret", Duration::from_secs(9)).into()
}

fn request(id: &str, path: &str, header: (&str, &str)) -> Request {
    let request = Request::builder().uri(path).header("x-correlation-id", id);
    request.header(header.0, header.1).body(Body::empty()).unwrap()
}

fn plain(id: &str, path: &str) -> Request {
    request(id, path, ("accept", "*/*"))
}

#[tokio::test]
async fn begin_and_end_are_told_with_the_route() {
    let lines = lines_of("req-1", app().oneshot(plain("req-1", "/users/7"))).await;
    let [begin, end] = &lines[..] else { panic!("{lines:?}") };
    for line in [begin, end] {
        assert_eq!(line["operation"], "GET /users/{id}", "not the path, of which there are many");
        assert_eq!((&line["service"], &line["component"]), (&"users".into(), &Value::Null));
        assert_eq!(line["level"], "INFO");
    }
    assert_eq!((&begin["phase"], &end["phase"]), (&"start".into(), &"end".into()));
    assert_eq!((&end["status"], &end["success"]), (&200.into(), &true.into()));
    assert!(end["duration_ms"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn what_does_not_end_well_is_a_warning() {
    let lines = lines_of("req-2", app().oneshot(plain("req-2", "/broken"))).await;
    let end = lines.last().unwrap();
    assert_eq!(
        (&end["status"], &end["success"], &end["level"]),
        (&502.into(), &false.into(), &"WARN".into())
    );
    assert!(end["message"].as_str().unwrap().ends_with("failed"));

    let given_up =
        tokio::time::timeout(Duration::from_millis(5), app().oneshot(plain("req-3", "/hanging")));
    let lines = lines_of("req-3", given_up).await;
    let end = lines.last().unwrap();
    assert!(end["message"].as_str().unwrap().ends_with("cancelled"), "{end}");
    assert_eq!((&end["status"], &end["success"]), (&Value::Null, &false.into()));

    let panicking = tokio::spawn(app().oneshot(plain("req-4", "/panics")));
    let lines = lines_of("req-4", panicking).await;
    assert!(lines.last().unwrap()["message"].as_str().unwrap().ends_with("panicked"));
}

#[tokio::test]
async fn why_a_request_was_refused_is_in_the_log_and_not_in_the_response() {
    let response = app().oneshot(plain("req-8", "/refused")).await.unwrap();
    let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains("db.secret"), "{body:?}");
    let lines = lines_of("req-9", app().oneshot(plain("req-9", "/refused"))).await;
    assert_eq!(lines.last().unwrap()["error"], "db.secret: circuit open, retry after 9s");
}

#[tokio::test]
async fn a_timeout_that_is_no_number_is_told_in_the_log_of_its_request() {
    let said = ("x-request-timeout-ms", "soon");
    let lines = lines_of("req-5", app().oneshot(request("req-5", "/users/7", said))).await;
    let told: Vec<_> = lines.iter().filter(|line| line["level"] == "WARN").collect();
    assert_eq!(told.len(), 1);
    assert!(told[0]["message"].as_str().unwrap().contains("it is left aside"), "{lines:?}");
    assert_eq!(told[0]["operation"], "GET /users/{id}");
}

#[tokio::test]
async fn paths_and_methods_that_nobody_serves_have_one_name() {
    let lines = lines_of("req-6", app().oneshot(plain("req-6", "/admin.php"))).await;
    assert_eq!(lines[0]["operation"], "GET unmatched");
    let mut strange = plain("req-7", "/users/7");
    *strange.method_mut() = "BREW".parse().unwrap();
    let lines = lines_of("req-7", app().oneshot(strange)).await;
    assert_eq!(lines[0]["operation"], "other /users/{id}");
    assert_eq!(lines.last().unwrap()["success"], true, "405 is an answer");
    assert_eq!(lines.last().unwrap()["message"], "other /users/{id} was answered 405");
}
