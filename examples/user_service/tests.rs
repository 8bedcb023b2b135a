//! Contracts, a measurement and an experiment of one service. `cargo mmf` runs them, decides and reports:
//!
//! ```sh
//! cargo mmf test -- -p mmf-examples --test user_service
//! cargo mmf gate --config examples/user_service/mmf.toml
//! cargo mmf report --config examples/user_service/mmf.toml
//! ```

mod app;

use app::{Client, ClientError, url};
use mmf::testing::ContractResponse;
use mmf::{chaos, contract_test, performance_test};

#[contract_test(
    service = "user-service",
    base_url(url().await),
    health_check_endpoints("/health"),
    wait_ready = "10s",
    endpoint = "GET /users/1",
    status = 200,
    header("content-type" = "application/json"),
    schema = "user_service/user.json",
    sla = "2s",
    samples = 20,
    percentile = 95
)]
async fn a_user_has_a_name(response: ContractResponse) {
    assert_eq!(response.json()["name"], "Ada");
}

#[contract_test(
    service = "user-service",
    base_url(url().await),
    endpoint = "GET /users/3",
    status = 404
)]
async fn nobody_is_not_found(response: ContractResponse) {
    assert_eq!(response.text(), "");
}

#[contract_test(service = "user-service", endpoints("/users" = "2s", "/health" = "500ms"))]
async fn answers_in_time(endpoint: &str) -> Result<(), ClientError> {
    reqwest::get(format!("{}{endpoint}", url().await)).await?.error_for_status()?;
    Ok(())
}

#[performance_test(
    endpoint = "a request to a new service",
    iterations = 200,
    concurrency = 4,
    max_response_time = "2s",
    max_memory = "512MiB",
    min_throughput = 5.0
)]
async fn fetching() -> Result<(), ClientError> {
    Client::new(url().await).fetch(1).await.map(drop)
}

#[chaos(
    target = "users.client.*",
    seed = 42,
    scenarios("errors"),
    calls = 30,
    expect(success_rate >= 0.95, no_panics, recovers_within = "10s")
)]
#[tokio::test]
async fn the_client_survives() {
    let user = Client::new(url().await).fetch(2).await.expect("retries ride it out");
    assert_eq!(user["name"], "Grace");
}

#[test]
fn plain_tests_count_as_well() {
    assert_eq!(Client::new("http://localhost".into()).address(), "http://localhost");
}
