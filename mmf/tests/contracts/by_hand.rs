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
