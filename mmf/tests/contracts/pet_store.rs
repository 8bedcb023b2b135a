//! The pet store, and every other example document of the OpenAPI project, as the npm package
//! `@readme/oas-examples` has them. They are not ours to keep a copy of: `MMF_OAS_EXAMPLES` says where they are.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use mmf::testing::{ContractReport, ContractTest};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What a server answers, and whether the document says so.
struct Case {
    endpoint: &'static str,
    body: Value,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    answer: Value,
    /// A part of the reason, or nothing where the answer is as documented.
    wrong: &'static str,
}

impl Case {
    fn get(endpoint: &'static str, answer: Value, wrong: &'static str) -> Self {
        Self { endpoint, body: Value::Null, status: 200, headers: &[], answer, wrong }
    }
}

fn pet(name: &str) -> Value {
    json!({ "id": 1, "name": name, "photoUrls": [], "status": "sold", "tags": [{ "id": 1, "name": "a" }] })
}

/// Those of `petstore`, alike in 3.0 and 3.1.
fn pet_store() -> Vec<Case> {
    let order = json!({ "petId": 1, "quantity": 2, "shipDate": "2026-11-27T10:00:00Z", "status": "placed" });
    vec![
        Case::get("/pet/1", pet("doggie"), ""),
        Case::get(
            "/pet/1",
            json!({ "name": "doggie" }),
            "documented body: \"photoUrls\" is a required",
        ),
        Case::get("/pet/one", pet("doggie"), "`petId` is not as documented"),
        Case::get(
            "/pet/1",
            json!({ "name": "a", "photoUrls": [7] }),
            "documented body: at /photoUrls/0: 7",
        ),
        Case::get(
            "/pet/1",
            json!({ "name": "a", "photoUrls": [], "tags": [{ "id": "b" }] }),
            "at /tags/0/id",
        ),
        Case::get("/pet/findByStatus?status=sold&status=pending", json!([pet("a"), pet("b")]), ""),
        Case::get(
            "/pet/findByStatus?status=eaten",
            json!([]),
            "`status` is not as documented: at /0",
        ),
        Case::get("/pet/findByStatus", json!([]), "the parameter `status` is required"),
        Case::get("/pet/findByStatus?status=sold", pet("a"), "is not of type \"array\""),
        Case::get("/store/inventory", json!({ "sold": 3 }), ""),
        Case::get("/store/inventory", json!({ "sold": "three" }), "documented body: at /sold"),
        Case::get("/pets", json!([]), "no path of the document is /pets"),
        Case {
            endpoint: "POST /store/order",
            body: order.clone(),
            ..Case::get("", order.clone(), "")
        },
        Case {
            endpoint: "POST /store/order",
            body: json!({ "status": "lost" }),
            ..Case::get("", order.clone(), "the request body is not as documented: at /status")
        },
        Case {
            endpoint: "POST /store/order",
            ..Case::get("", order.clone(), "a request body is required")
        },
        Case {
            endpoint: "POST /store/order",
            body: order,
            ..Case::get("", json!({ "shipDate": "soon" }), "documented body: at /shipDate")
        },
        Case {
            headers: &[("x-rate-limit", "100"), ("x-expires-after", "2026-11-27T10:00:00Z")],
            ..Case::get("/user/login?username=a&password=b", json!("token"), "")
        },
        Case {
            headers: &[("x-rate-limit", "many")],
            ..Case::get(
                "/user/login?username=a&password=b",
                json!("token"),
                "documented headers: X-Rate-Limit",
            )
        },
        Case {
            status: 201,
            ..Case::get(
                "/store/inventory",
                json!({}),
                "201 is not documented for getInventory, which has 200",
            )
        },
    ]
}

/// Those of `petstore-expanded`, whose pet is made of two schemas.
fn expanded() -> Vec<Case> {
    vec![
        Case::get("/pets?limit=2", json!([{ "id": 1, "name": "a" }]), ""),
        Case::get("/pets?limit=2", json!([{ "id": 1 }]), "at /0: \"name\" is a required property"),
        Case::get(
            "/pets?limit=2",
            json!([{ "name": "a" }]),
            "at /0: \"id\" is a required property",
        ),
        Case {
            status: 500,
            ..Case::get("/pets", json!({ "code": 1, "message": "no" }), "status: 500")
        },
        Case { status: 500, ..Case::get("/pets", json!({ "code": "1" }), "documented body: ") },
    ]
}

fn folder() -> PathBuf {
    std::env::var_os("MMF_OAS_EXAMPLES")
        .expect("MMF_OAS_EXAMPLES says where the documents are")
        .into()
}

async fn check(document: &Path, case: Case) -> (ContractReport, &'static str) {
    let Case { endpoint, body, status, headers, answer, wrong } = case;
    let app = Router::new().fallback(move || async move {
        let mut response = Response::new(Body::from(answer.to_string()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        let headers = headers.iter().chain(&[("content-type", "application/json")]);
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        response
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    let text = std::fs::read_to_string(document).unwrap();
    let name = document.display().to_string();
    let mut test = ContractTest::new("contracts::pet_store", "pet-store", endpoint)
        .base_url(url)
        .openapi(name, text, "");
    if !body.is_null() {
        test = test.request_json(&body);
    }
    (test.run(|_| async {}).await, wrong)
}

#[tokio::test]
#[ignore = "needs the documents: MMF_OAS_EXAMPLES"]
async fn the_pet_store_is_checked_as_documented() {
    let documents = [
        ("3.0/json/petstore.json", pet_store as fn() -> Vec<Case>),
        ("3.0/yaml/petstore.yaml", pet_store),
        ("3.1/json/petstore.json", pet_store),
        ("3.1/yaml/petstore.yaml", pet_store),
        ("3.0/json/petstore-expanded.json", expanded),
        ("3.0/yaml/petstore-expanded.yaml", expanded),
    ];
    let mut checked = 0;
    for (document, cases) in documents {
        for case in cases() {
            let (report, wrong) = check(&folder().join(document), case).await;
            checked += 1;
            match wrong {
                "" => assert!(report.passed, "{document}: {report}"),
                wrong => assert!(
                    report.reasons.join("; ").contains(wrong),
                    "{document}: {wrong}: {report}"
                ),
            }
        }
    }
    println!("{checked} answers were judged as documented");
}

#[tokio::test]
#[ignore = "needs the documents: MMF_OAS_EXAMPLES"]
async fn every_example_document_is_read() {
    let mut read = 0;
    for version in ["3.0", "3.1"] {
        for kind in ["json", "yaml"] {
            for entry in std::fs::read_dir(folder().join(version).join(kind)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|end| end != kind) {
                    continue;
                }
                let case = Case::get("/no/such/path", Value::Null, "");
                let (report, _) = check(&path, case).await;
                let reason = report.reasons.join("; ");
                let is_read = reason.contains("no path of the document is")
                    || reason.contains("it has no `paths`");
                assert!(is_read, "{}: {reason}", path.display());
                read += 1;
            }
        }
    }
    assert!(read > 100, "only {read} documents were found");
    println!("{read} documents were read");
}
