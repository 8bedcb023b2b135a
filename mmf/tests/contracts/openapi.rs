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
    operation = "getPhoto",
    generate = true
)]
async fn a_request_without_examples_is_made(_: ContractResponse) {}

#[contract_test(
    service = "users",
    base_url(spawn().await),
    openapi = "tests/contracts/split/openapi.yaml"
)]
async fn a_document_of_several_files(_: ContractResponse) {}

/// As far as it stands by itself: what it is asked for is answered with what it was asked.
async fn asked(document: &str, endpoint: &str, operation: &str) -> Result<String, String> {
    let app = axum::Router::new().fallback(|uri: axum::http::Uri| async move { uri.to_string() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    let mut answer = String::new();
    let report = ContractTest::new("contracts::openapi::asked", "any", endpoint)
        .base_url(url)
        .openapi("asked.yaml", document, operation)
        .run(|response| {
            answer = response.text();
            async {}
        })
        .await;
    if report.passed { Ok(answer) } else { Err(report.reasons.join("; ")) }
}

#[tokio::test]
async fn the_path_that_is_asked_is_that_of_the_document() {
    let document = |rest: &str| {
        format!(
            "openapi: 3.0.4\nservers: [{{ url: https://example.com/api }}]\n\
             components: {{ responses: {{ well: {{ content: {{ text/plain: {{}} }} }} }} }}\npaths:\n  {rest}"
        )
    };
    let answers = "responses: { default: { $ref: '#/components/responses/well' } }";
    let keys = document(&format!("/api/keys: {{ get: {{ {answers} }} }}"));
    assert_eq!(asked(&keys, "/api/keys", "").await.unwrap(), "/api/api/keys");
    let below =
        document(&format!("/a: {{ servers: [{{ url: https://h/v9 }}], get: {{ {answers} }} }}"));
    assert_eq!(asked(&below, "/a", "").await.unwrap(), "/v9/a");
    assert_eq!(asked(&below, "/v9/a", "").await.unwrap(), "/v9/a");
    assert_eq!(asked(&below, "", "GET /a").await.unwrap(), "/v9/a");
    let nearest = document(&format!("/a: {{ get: {{ servers: [{{ url: /op }}], {answers} }} }}"));
    assert_eq!(asked(&nearest, "/a", "").await.unwrap(), "/op/a");
    let link = document(&format!(
        "'/links/{{id}}#add': {{ get: {{ parameters: [{{ name: id, in: path, required: true, example: 7 }}, \
         {{ name: fields, in: query, required: true, example: x }}], {answers} }} }}"
    ));
    assert_eq!(
        asked(&link, "", "GET /links/{id}#add").await.unwrap(),
        "/api/links/7%23add?fields=x"
    );
    assert_eq!(
        asked(&link, "/links/7#add?fields=y", "").await.unwrap(),
        "/api/links/7%23add?fields=y"
    );
    assert!(asked(&link, "/links/7#add", "").await.unwrap_err().contains("`fields` is required"));
}

#[tokio::test]
async fn what_stands_twice_is_refused_with_both_places() {
    let twice = "openapi: 3.0.4\npaths: { /a: { get: { operationId: x } }, /k: { get: { operationId: x } } }";
    let why = asked(twice, "", "x").await.unwrap_err();
    assert!(why.contains("the `operationId` \"x\": GET /a and GET /k"), "{why}");
    let json = r#"{"openapi": "3.0.4", "paths": {"/a": {}, "/a": {}}}"#;
    assert!(asked(json, "/a", "").await.unwrap_err().contains("the key \"/a\" stands twice"));
}

#[tokio::test]
async fn what_a_schema_says_and_nobody_can_check_is_told() {
    let document = "openapi: 3.0.4\npaths: { /a: { get: { responses: { '200': { content: { text/plain: { schema: { pattern: '(' } } } } } } } }";
    let app = axum::Router::new().fallback(|| async { "x" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    let test = ContractTest::new("contracts::openapi::pattern", "any", "/a").base_url(url);
    let report = test.openapi("pattern.yaml", document, "").run(|_| async {}).await;
    let body = report.contract.checks.iter().find(|check| check.name == "documented body").unwrap();
    assert!(body.passed && body.detail.contains("the pattern \"(\" at "), "{body:?}");
}

#[tokio::test]
async fn a_generated_request_is_the_same_in_each_run() {
    let document = "openapi: 3.0.4\npaths: { '/a/{id}': { get: { parameters: [{ name: id, in: path, required: true, schema: { type: string, pattern: '^[a-f]{3}$' } }], responses: { '200': { content: { text/plain: {} } } } } } }";
    let app = axum::Router::new().fallback(|uri: axum::http::Uri| async move { uri.to_string() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    for _ in 0..2 {
        let test = ContractTest::new("contracts::openapi::generated", "any", "").base_url(&url);
        let test = test.openapi("generated.yaml", document, "GET /a/{id}");
        let without = test.clone().run(|_| async {}).await;
        assert!(
            without.reasons[0].contains("has no example; `generate = true` makes one"),
            "{without}"
        );
        let with = test
            .generate(true)
            .run(|response| async move { assert_eq!(response.text(), "/a/aaa") });
        with.await.assert_passed();
    }
}

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

// Without `generate`, `getPhoto` has no example, and is ignored.
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
