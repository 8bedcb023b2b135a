//! What is asked by hand.

use mmf::contract_test;
use mmf::testing::ContractResponse;

#[contract_test(
    service = "users",
    base_url(super::app::spawn().await),
    endpoint = "PUT /echo",
    request_json(serde_json::json!({ "name": "Ada" })),
    request_headers("authorization" = format!("Bearer {}", 7))
)]
async fn a_request_has_headers_and_a_body(response: ContractResponse) {
    assert_eq!(response.json()["token"], "Bearer 7");
    assert_eq!(response.json()["body"], r#"{"name":"Ada"}"#);
}

#[contract_test(
    service = "users",
    base_url(super::app::spawn().await),
    endpoint = "/v1/moved",
    status = 302,
    header("location" = "/health")
)]
async fn a_redirect_is_an_answer(response: ContractResponse) {
    assert_eq!(response.bytes(), b"");
    assert!(response.headers().any(|(name, _)| name == "location"));
}

#[contract_test(service = "users", base_url("127.0.0.1:1"), endpoint = "/")]
#[should_panic(expected = "the base_url \"127.0.0.1:1\" has no scheme: \"http://127.0.0.1:1\"")]
async fn a_base_url_needs_its_scheme(_: ContractResponse) {}

#[contract_test(service = "users", base_url("ada:s3cr3t@127.0.0.1:1"), endpoint = "/")]
#[should_panic(
    expected = "the base_url \"[redacted]@127.0.0.1:1\" has no scheme: \"http://[redacted]@127.0.0.1:1\""
)]
async fn a_password_is_not_shown_without_a_scheme_either(_: ContractResponse) {}

/// A service that fails every third time.
async fn at_times() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static ASKED: AtomicU32 = AtomicU32::new(1);
    let app = axum::Router::new().route(
        "/at-times",
        axum::routing::get(|| async {
            match ASKED.fetch_add(1, Ordering::Relaxed) % 3 {
                0 => axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                _ => axum::http::StatusCode::OK,
            }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    url
}

#[contract_test(service = "users", base_url(at_times().await), endpoint = "/at-times", samples = 5)]
#[should_panic(expected = "status: 500, expected success (answer 3 of 5)")]
async fn every_answer_is_checked(_: ContractResponse) {}

#[contract_test(service = "users", base_url(super::app::spawn().await), endpoint = "/v1/moved")]
#[should_panic(expected = "status: 302, expected success")]
async fn a_redirect_is_no_success(_: ContractResponse) {}

/// A server without TLS, so that what is told shows whether TLS was spoken.
async fn over_tls() -> String {
    super::app::spawn().await.replace("http:", "https:")
}

#[cfg(feature = "tls")]
#[contract_test(service = "users-by-tls", base_url(over_tls().await), endpoint = "/")]
#[should_panic(expected = "InvalidContentType")]
async fn tls_is_spoken(_: ContractResponse) {}

#[cfg(not(feature = "tls"))]
#[contract_test(service = "users-by-tls", base_url(over_tls().await), endpoint = "/")]
#[should_panic(expected = "https needs the feature `tls`")]
async fn tls_needs_its_feature(_: ContractResponse) {}
