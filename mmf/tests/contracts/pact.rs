//! Contracts of Pact files, and the tests of consumers that write them.

use std::path::PathBuf;

use mmf::contract_test;
use mmf::testing::pact::{
    ConsumerPact, ConsumerTest, Interaction, ProviderState, StateAction, each_like, from_state,
    integer, like, matching,
};
use mmf::testing::{ContractReport, ContractResponse, ContractTest};
use serde_json::{Value, json};

use super::app::spawn;

/// Creates the user of the state, whose id the interaction is made with.
async fn states(state: ProviderState) -> Result<Value, String> {
    assert_eq!(state.name, "a user exists");
    if state.action == StateAction::TearDown {
        return Ok(Value::Null);
    }
    let body = json!({ "name": state.params["name"] }).to_string();
    let url = format!("{}/v1/users", state.base_url);
    let created = tokio::task::spawn_blocking(move || {
        ureq::post(url).header("content-type", "application/json").send(&body)
    });
    let mut created = created.await.unwrap().map_err(|error| error.to_string())?;
    let text = created.body_mut().read_to_string().map_err(|error| error.to_string())?;
    let user: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok(json!({ "id": user["id"] }))
}

#[contract_test(
    service = "users",
    base_url(spawn().await),
    pact = "tests/contracts/web-users.json",
    provider_states(states),
    sla = "10s"
)]
async fn of_version_3(response: ContractResponse) {
    // The user that the state has created, not the first one.
    assert!(response.status() == 404 || response.json()["id"] == 2, "{}", response.text());
}

#[contract_test(
    service = "users",
    base_url(spawn().await),
    pact = "tests/contracts/web-users-v2.json",
    openapi = "tests/contracts/openapi.yaml"
)]
async fn of_version_2_and_a_document(_: ContractResponse) {}

// The message among them is ignored.
#[contract_test(service = "users", base_url(spawn().await), pact = "tests/contracts/web-users-v4.json")]
async fn of_version_4(_: ContractResponse) {}

async fn of_file(change: (&str, &str), with_states: bool) -> ContractReport {
    let text = include_str!("web-users.json");
    let changed = text.replacen(change.0, change.1, 1);
    let mut test = ContractTest::new("contracts::pact::changed", "users", "")
        .base_url(spawn().await)
        .pact("changed.json", changed, 0);
    if with_states {
        test = test.provider_states(states);
    }
    test.run(|_| async {}).await
}

#[tokio::test]
async fn an_answer_that_does_not_match_fails() {
    assert_eq!(of_file(("", ""), true).await.reasons, Vec::<String>::new());
    let name = of_file((r#""name": "Ada" }"#, r#""name": "Grace" }"#), true).await;
    // The state asks for Grace as well, the first of the two in the file.
    assert_eq!(name.reasons.len(), 1, "{name}");
    assert!(name.reasons[0].starts_with("pact body: "), "{name}");
    let status = of_file((r#""status": 200"#, r#""status": 201"#), true).await;
    assert_eq!(status.reasons, ["pact status: expected 201 but was 200"]);
    let header =
        of_file((r#"{ "Content-Type": "application/json" }"#, r#"{ "X-A": "b" }"#), true).await;
    assert!(header.reasons[0].starts_with("pact headers: "), "{header}");
    let rule = of_file((r#""match": "integer""#, r#""match": "decimal""#), true).await;
    assert!(rule.reasons[0].starts_with("pact body: "), "{rule}");
}

#[tokio::test]
async fn a_state_is_never_passed_over() {
    let none = of_file(("", ""), false).await;
    assert_eq!(
        none.reasons,
        ["state a user exists: provider_states(a function) brings it about, and is not given"]
    );
    let refused = of_file((r#""name": "Ada" } }]"#, r#""nam": "Ada" } }]"#), true).await;
    assert!(refused.reasons[0].starts_with("state a user exists: panic: "), "{refused}");
}

#[contract_test(consumer = "web", provider = "users", writes = "../target/mmf-test-pacts")]
async fn a_consumer(pact: ConsumerPact) -> Result<(), ureq::Error> {
    pact.expect(user());
    let url = format!("{}/users/7", pact.url());
    tokio::task::spawn_blocking(move || ureq::get(url).header("accept", "application/json").call())
        .await
        .unwrap()
        .map(drop)
}

#[contract_test(consumer = "web", provider = "users", writes = "../target/mmf-test-pacts")]
#[should_panic(expected = "interaction a request for a user: asked 0 times")]
fn what_is_never_asked_fails(pact: ConsumerPact) {
    pact.expect(user());
}

fn user() -> Interaction {
    Interaction::new("a request for a user")
        .given("user 7 exists")
        .request("GET /users/7")
        .request_header("Accept", "application/json")
        .header("ETag", matching("^\".+\"$", "\"1\""))
        .json(json!({ "id": integer(7), "name": like("Ada"), "tags": each_like("admin") }))
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("mmf-pacts-{}-{name}", std::process::id()))
}

/// Asks a URL with the header that the interaction wants.
async fn ask(url: String) -> (u16, String) {
    let asked = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(url).header("accept", "application/json").call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    });
    asked.await.unwrap()
}

#[tokio::test]
async fn what_a_consumer_writes_its_provider_is_checked_by() {
    let folder = folder("both-sides");
    let test = |name: &str| ConsumerTest::new(name, "web", "users", &folder);
    let first = test("contracts::pact::first").run(|pact| async move {
        pact.expect(user());
        let (status, body) = ask(format!("{}/users/7", pact.url())).await;
        assert_eq!((status, body.as_str()), (200, r#"{"id":7,"name":"Ada","tags":["admin"]}"#));
    });
    first.await.assert_passed();
    let second = test("contracts::pact::second").run(|pact| async move {
        pact.expect(
            Interaction::new("a page of users").request("GET /users?page=2").json(json!([])),
        );
        assert_eq!(ask(format!("{}/users?page=2", pact.url())).await.0, 200);
    });
    second.await.assert_passed();
    let file = folder.join("web-users.json");
    let written = || std::fs::metadata(&file).unwrap().modified().unwrap();
    let before = written();
    let again = test("contracts::pact::first").run(|pact| async move {
        pact.expect(user());
        ask(format!("{}/users/7", pact.url())).await;
    });
    again.await.assert_passed();
    assert_eq!(written(), before, "nothing is new, and what is built of it stays built");

    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let pact: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(pact["metadata"]["pactSpecification"]["version"], "4.0");
    let interactions = pact["interactions"].as_array().unwrap();
    assert_eq!(interactions.len(), 2, "the second test is merged with the first: {text}");
    let number = interactions.iter().position(|one| one["description"] == "a request for a user");
    let number = number.unwrap();
    assert_eq!(interactions[number]["providerStates"][0]["name"], "user 7 exists");

    // A provider that answers so fulfils it, another one does not.
    let provider = |body: Value| {
        use axum::routing::get;
        let app = axum::Router::new().route(
            "/users/7",
            get(move || async move { ([("etag", "\"abc\"")], axum::Json(body)) }),
        );
        async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(axum::serve(listener, app).into_future());
            url
        }
    };
    let check = |url: String| {
        ContractTest::new("contracts::pact::written", "provider-of-web", "")
            .base_url(url)
            .pact("web-users.json", &*text, number)
            .provider_states(|_| async {})
            .run(|_| async {})
    };
    let good = provider(json!({ "id": 8, "name": "Grace", "tags": ["a", "b"], "more": 1 })).await;
    check(good).await.assert_passed();
    let bad = provider(json!({ "id": "8", "name": "Grace", "tags": [] })).await;
    let report = check(bad).await;
    assert!(report.reasons[0].contains("id") && report.reasons[0].contains("tags"), "{report}");
}

/// Declares an interaction and asks for it, as the test of that name; what is wrong.
async fn declared(folder: &std::path::Path, test: &str, interaction: Interaction) -> String {
    let test = ConsumerTest::new(test, "web", "users", folder);
    let report = test
        .run(|pact| async move {
            pact.expect(interaction);
            ask(format!("{}/users/7", pact.url())).await;
        })
        .await;
    report.reasons.join("; ")
}

#[tokio::test]
async fn a_test_replaces_its_own_interactions_and_contradicts_no_other() {
    let folder = folder("replaced");
    let interaction = |description: &str, body: Value| {
        Interaction::new(description).request("GET /users/7").json(body)
    };
    let descriptions = || {
        let text = std::fs::read_to_string(folder.join("web-users.json")).unwrap();
        let pact: Value = serde_json::from_str(&text).unwrap();
        let all = pact["interactions"].as_array().unwrap().clone();
        all.iter().map(|one| one["description"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(declared(&folder, "a", interaction("old", json!(1))).await, "");
    assert_eq!(declared(&folder, "b", interaction("other", json!(1))).await, "");
    assert_eq!(descriptions(), ["old", "other"]);
    assert_eq!(declared(&folder, "a", interaction("new", json!(1))).await, "");
    assert_eq!(descriptions(), ["new", "other"]);
    let wrong = declared(&folder, "a", interaction("other", json!(2))).await;
    assert!(wrong.contains("b says something else of \"other\""), "{wrong}");
    assert_eq!(
        declared(&folder, "a", interaction("other", json!(1))).await,
        "",
        "the same is none"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_write_at_once_lose_nothing() {
    let folder = folder("at-once");
    let writers: Vec<_> = (0..24)
        .map(|number| {
            let folder = folder.clone();
            tokio::spawn(async move {
                let interaction = Interaction::new(format!("{number:02}")).request("GET /users/7");
                declared(&folder, &format!("test {number}"), interaction).await
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap(), "");
    }
    let text = std::fs::read_to_string(folder.join("web-users.json")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let pact: Value = serde_json::from_str(&text).unwrap();
    let written = pact["interactions"].as_array().unwrap().iter();
    let written: Vec<_> =
        written.map(|one| one["description"].as_str().unwrap().to_owned()).collect();
    assert_eq!(written, (0..24).map(|number| format!("{number:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn values_of_a_state_go_into_the_request() {
    let folder = folder("generated");
    let interaction = Interaction::new("a user that a state creates")
        .given_with("a user exists", json!({ "name": "Grace" }).as_object().unwrap().clone())
        .request("GET /users/7")
        .path_from_state("/v1/users/${id}")
        .json(json!({ "id": from_state("${id}", 7), "name": "Grace" }));
    assert_eq!(declared(&folder, "generated", interaction).await, "");
    let text = std::fs::read_to_string(folder.join("web-users.json")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let check = || {
        ContractTest::new("contracts::pact::generated", "users", "").pact(
            "web-users.json",
            &*text,
            0,
        )
    };
    let report = check().base_url(spawn().await).provider_states(states).run(|_| async {}).await;
    report.assert_passed();
    assert_eq!(report.contract.endpoint, "GET /v1/users/2");
    let report =
        check().base_url(spawn().await).provider_states(|_| async {}).run(|_| async {}).await;
    assert!(!report.passed, "the example is asked for, which is not there");
}

#[tokio::test]
async fn a_request_of_no_interaction_fails_and_writes_nothing() {
    let folder = folder("unexpected");
    let report = ConsumerTest::new("contracts::pact::unexpected", "web", "users", &folder)
        .run(|pact| async move {
            pact.expect(user());
            ask(format!("{}/users/7", pact.url())).await;
            let (status, body) = ask(format!("{}/users/8", pact.url())).await;
            assert_eq!(status, 500);
            assert!(body.contains("no interaction of the pact is about this request"), "{body}");
        })
        .await;
    assert_eq!(report.reasons.len(), 1, "{report}");
    assert!(
        report.reasons[0].starts_with("unexpected request: GET /users/8; nearest is"),
        "{report}"
    );
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_pattern_that_is_none_is_told() {
    let report = ConsumerTest::new("contracts::pact::pattern", "web", "users", folder("pattern"))
        .run(|pact| async move {
            let wrong = json!({ "id": { "pact:matcher:type": "intger", "value": 1 } });
            pact.expect(Interaction::new("a user").json(wrong));
        })
        .await;
    assert!(report.reasons[0].contains("at $.id: Pact has no rule \"intger\""), "{report}");
}

#[contract_test(
    service = "users",
    base_url(spawn().await),
    pacts("tests/contracts/web-users*.json"),
    provider_states(states)
)]
async fn of_a_folder(_: ContractResponse) {}

/// A pact whose request is made with this generator in this place; what is wrong with it.
async fn generated(request: Value, values: Value) -> Result<String, String> {
    let interaction = json!({
        "type": "Synchronous/HTTP",
        "description": "made",
        "providerStates": [{ "name": "a state" }],
        "request": request,
        "response": { "status": 200 },
    });
    let pact = json!({
        "consumer": { "name": "web" },
        "provider": { "name": "users" },
        "interactions": [interaction],
        "metadata": { "pactSpecification": { "version": "4.0" } },
    });
    let app = axum::Router::new().fallback(|uri: axum::http::Uri| async move { uri.to_string() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    let mut asked = String::new();
    let report = ContractTest::new("contracts::pact::made", "users", "")
        .base_url(url)
        .pact("made.json", pact.to_string(), 0)
        .provider_states(move |_| {
            let values = values.clone();
            async move { values }
        })
        .run(|response| {
            asked = response.text();
            async {}
        })
        .await;
    if report.passed { Ok(asked) } else { Err(report.reasons.join("; ")) }
}

fn from_id(part: &str, request: Value) -> Value {
    let mut request = request;
    let generator = json!({ "type": "ProviderState", "expression": "${id}" });
    request["generators"] = match part {
        "path" => json!({ "path": { "type": "ProviderState", "expression": "/users/${id}" } }),
        part => json!({ part: { "id": generator } }),
    };
    request
}

#[tokio::test]
async fn values_are_such_that_their_place_can_carry_them() {
    let path = |value: Value| {
        let request = from_id("path", json!({ "method": "GET", "path": "/users/7" }));
        generated(request, json!({ "id": value }))
    };
    assert_eq!(path(json!(7)).await.unwrap(), "/users/7");
    assert_eq!(path(json!("é?#x")).await.unwrap(), "/users/%C3%A9%3F%23x");
    assert!(path(json!({ "a": 1 })).await.unwrap_err().contains("which no path can carry"));
    assert!(path(json!([1])).await.unwrap_err().contains("which no path can carry"));
    assert!(path(json!("")).await.unwrap_err().contains("`id` is empty"));
    assert!(path(json!("a\r\nb")).await.unwrap_err().contains("is no path that can be asked"));
    let query = |value: Value| {
        let request = json!({ "method": "GET", "path": "/users", "query": { "id": ["7"] } });
        generated(from_id("query", request), json!({ "id": value }))
    };
    assert_eq!(query(json!("é&a=b")).await.unwrap(), "/users?id=%C3%A9%26a%3Db");
    assert_eq!(
        query(json!("\u{103}")).await.unwrap(),
        "/users?id=%C4%83",
        "`pact_models` panics of it"
    );
    let named =
        json!({ "method": "GET", "path": "/users", "query": { "a&b": ["7"], "flag": [null] } });
    assert_eq!(generated(named, json!({})).await.unwrap(), "/users?a%26b=7&flag");
    let header = |value: Value| {
        let request = json!({ "method": "GET", "path": "/users", "headers": { "id": ["7"] } });
        generated(from_id("header", request), json!({ "id": value }))
    };
    assert_eq!(header(json!("a b")).await.unwrap(), "/users");
    let broken = header(json!("a\r\nx: y")).await.unwrap_err();
    assert!(broken.contains("cannot be sent as the header id"), "{broken}");
}

#[tokio::test]
async fn a_generator_that_cannot_be_met_fails_the_test_alone() {
    let request = json!({
        "method": "GET",
        "path": "/users",
        "query": { "id": ["7"] },
        "generators": { "query": { "id": { "type": "RandomInt", "min": 9, "max": 1 } } },
    });
    let panicked = generated(request, json!({})).await.unwrap_err();
    assert!(panicked.starts_with("generated values: panic: "), "{panicked}");
}

#[tokio::test]
async fn names_that_lead_out_of_the_folder_are_refused() {
    let folder = folder("names");
    for (consumer, provider) in
        [("../web", "users"), ("web", "a/b"), ("", "users"), (".web", "users"), ("web", "a\\b")]
    {
        let report = ConsumerTest::new("contracts::pact::names", consumer, provider, &folder)
            .run(|pact| async move {
                pact.expect(user());
                ask(format!("{}/users/7", pact.url())).await;
            })
            .await;
        assert!(report.reasons[0].contains("it leads out of the folder"), "{report}");
    }
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_pact_file_is_replaced_as_a_whole() {
    let folder = folder("whole");
    assert_eq!(declared(&folder, "a", user()).await, "");
    let names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["web-users.json"], "nothing is left beside it");
    #[cfg(unix)]
    {
        let file = folder.join("web-users.json");
        std::fs::rename(&file, folder.join("other.json")).unwrap();
        std::os::unix::fs::symlink(folder.join("other.json"), &file).unwrap();
        let other = Interaction::new("another").request("GET /users/7");
        let link = declared(&folder, "b", other).await;
        assert!(link.contains("a link is there"), "{link}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn the_provider_bounds_what_it_reads() {
    let folder = folder("bounds");
    let report = ConsumerTest::new("contracts::pact::bounds", "web", "users", &folder)
        .run(|pact| async move {
            pact.expect(user());
            ask(format!("{}/users/7", pact.url())).await;
            let url = format!("{}/users/7", pact.url());
            let sent = tokio::task::spawn_blocking(move || {
                ureq::post(url).send(vec![b'a'; 65 << 20].as_slice()).is_ok()
            });
            let _ = sent.await.unwrap();
        })
        .await;
    assert!(
        report.reasons[0].contains("POST /users/7; its body is larger than 64 MiB"),
        "{report}"
    );
    let _ = std::fs::remove_dir_all(&folder);
}

#[tokio::test]
async fn pacts_beside_one_that_a_test_names_are_told_of() {
    let report = of_file(("\"web\"", "\"web\""), true).await;
    assert!(report.record.pact.is_none(), "it is no file of this machine");
    let test = ContractTest::new("contracts::pact::beside", "users", "")
        .base_url(spawn().await)
        .pact("tests/contracts/web-users-v2.json", include_str!("web-users-v2.json"), 0);
    let source = test.run(|_| async {}).await.record.pact.unwrap();
    assert!(source.file.ends_with("contracts/web-users-v2.json"), "{source:?}");
    let beside: Vec<_> =
        source.beside.iter().map(|file| file.rsplit('/').next().unwrap()).collect();
    assert_eq!(beside, ["web-users-v4.json", "web-users.json"]);
}
