//! Contracts of an OpenAPI document.

use mmf::contract_test;
use mmf::testing::{ContractResponse, ContractTest};
use serde_json::json;

use super::app::spawn;

const DOCUMENT: &str = include_str!("openapi.yaml");

#[contract_test(
    service = "users",
    base_url(spawn().await),
    openapi = "tests/contracts/openapi.yaml",
    operation = "getUser"
)]
async fn an_operation(response: ContractResponse) {
    assert_eq!(response.json()["name"], "Ada");
}

#[contract_test(
    service = "users",
    base_url(spawn().await),
    openapi = "tests/contracts/openapi.yaml",
    endpoint = "GET /users/99",
    status = 404
)]
async fn a_request_by_hand_finds_its_operation(response: ContractResponse) {
    assert_eq!(response.text(), "");
}

// `getPhoto` has no example, and is ignored.
#[contract_test(
    service = "users",
    base_url(spawn().await),
    openapi = "tests/contracts/openapi.yaml",
    sla = "10s",
    samples = 2
)]
async fn every_operation(_: ContractResponse) {}

#[contract_test(
    service = "users",
    base_url(format!("{}/v1", spawn().await)),
    openapi = "tests/contracts/openapi.yaml",
    operation = "createUser",
    request_json(json!({ "name": "Ada" })),
    status = 201
)]
fn a_base_url_may_have_the_path_of_the_server(response: ContractResponse) {
    assert_eq!(response.json(), json!({ "id": 2, "name": "Ada" }));
}

#[contract_test(
    service = "users",
    base_url(spawn().await),
    openapi = "tests/contracts/openapi.yaml",
    endpoint = "GET /users/0"
)]
#[should_panic(
    expected = "documented request: tests/contracts/openapi.yaml: the parameter `id` is not as documented"
)]
async fn a_parameter_is_wrong(_: ContractResponse) {}

/// Why the contract is broken, where another document is what the service is checked against.
async fn broken(change: (&str, &str), endpoint: &str) -> Vec<String> {
    let changed = DOCUMENT.replacen(change.0, change.1, 1);
    assert_ne!(changed, DOCUMENT);
    let test = ContractTest::new("contracts::openapi::changed", "users", endpoint)
        .base_url(spawn().await)
        .openapi("changed.yaml", changed, "");
    test.run(|_| async {}).await.reasons
}

#[tokio::test]
async fn what_is_not_documented_fails() {
    let status = broken(
        (
            r#"        "200":
          description: a user"#,
            r#"        "201":
          description: a user"#,
        ),
        "/users/1",
    )
    .await;
    assert_eq!(
        status,
        ["documented status: 200 is not documented for getUser, which has 201, 404"]
    );
    let kind = broken(
        (
            "a user\n          content: { application/json",
            "a user\n          content: { application/xml",
        ),
        "/users/1",
    )
    .await;
    assert_eq!(
        kind,
        ["documented content-type: application/json is not documented, but application/xml"]
    );
    let body =
        broken(("nick: { type: string, nullable: true }", "nick: { type: string }"), "/users/1")
            .await;
    assert!(body[0].starts_with("documented body: at /nick: null is not of type"), "{body:?}");
    let header = broken(("X-Total: {", "X-Sum: {"), "/users?page=1").await;
    assert_eq!(header, ["documented headers: X-Sum is missing"]);
    let header = broken(
        (
            "X-Total: { required: true, schema: { type: integer }",
            "X-Total: { required: true, schema: { type: boolean }",
        ),
        "/users?page=1",
    )
    .await;
    assert!(header[0].starts_with("documented headers: X-Total: "), "{header:?}");
    let query = broken(("minimum: 1, default", "minimum: 2, default"), "/users?page=1").await;
    assert!(query[0].contains("`page` is not as documented: 1 is less than"), "{query:?}");
    let path = broken(("  /users/{id}:", "  /user/{id}:"), "/users/1").await;
    assert_eq!(path, ["documented request: changed.yaml: no path of the document is /users/1"]);
}

#[tokio::test]
async fn what_is_wrong_with_the_document_is_told() {
    let astray =
        broken(("#/components/schemas/User", "#/components/schemas/Usr"), "/users?page=1").await;
    assert!(astray[0].contains(r##"there is no "#/components/schemas/Usr""##), "{astray:?}");
    let none = broken(("openapi: 3.0.3", "openapi: ["), "/users/1").await;
    assert!(none[0].starts_with("documented request: changed.yaml: it is no YAML: "), "{none:?}");
}
