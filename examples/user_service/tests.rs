//! Contracts by hand, of an OpenAPI document and of a Pact file, a measurement and an experiment of one service. `cargo mmf` runs them, decides and reports:
//!
//! ```sh
//! cargo mmf test -- -p mmf-examples --test user_service
//! cargo mmf gate --config examples/user_service/mmf.toml
//! cargo mmf report --config examples/user_service/mmf.toml
//! ```

mod app;

use app::{Client, ClientError, url};
use mmf::testing::ContractResponse;
use mmf::testing::pact::{ConsumerPact, Interaction, ProviderState, StateAction, integer, like};
use mmf::{chaos, contract_test, performance_test};
use serde_json::json;

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

// Every operation of the document that has examples is a test: `documented::get_user`, `documented::list_users`…
#[contract_test(service = "user-service", base_url(url().await), openapi = "user_service/openapi.yaml")]
async fn documented(_: ContractResponse) {}

// What the client of another service expects, against a server that answers so. It writes the file that
// `fulfils_the_pact` checks the service by.
#[contract_test(consumer = "web", provider = "user-service", writes = "user_service/pacts")]
async fn web_reads_users(pact: ConsumerPact) -> Result<(), ClientError> {
    pact.expect(
        Interaction::new("a request for a user")
            .given_with("a user exists", [("id".into(), json!(1))].into_iter().collect())
            .request("GET /users/1")
            .json(json!({ "id": integer(1), "name": like("Ada") })),
    );
    let user = Client::new(pact.url().into()).fetch(1).await?;
    assert_eq!(user["name"], "Ada");
    Ok(())
}

#[contract_test(
    service = "user-service",
    base_url(url().await),
    pact = "user_service/pacts/web-user-service.json",
    provider_states(states),
    sla = "2s"
)]
async fn fulfils_the_pact(_: ContractResponse) {}

/// The users are there from the start: a state has only to be looked for.
async fn states(state: ProviderState) -> Result<(), ClientError> {
    if state.action == StateAction::SetUp {
        let url = format!("{}/users/{}", state.base_url, state.params["id"]);
        reqwest::get(url).await?.error_for_status()?;
    }
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
    assert_eq!(app::user(1)["name"], "Ada");
}
