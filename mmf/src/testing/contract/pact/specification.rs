//! The test cases of the Pact specification, V2 to V4, those of HTTP, over real connections: each request is sent
//! to the consumer's server, each answer comes from a server to the provider's check. The cases come with the
//! source of `pact_matching`; where it is itself of another opinion than the case, so may we be.

use std::panic::RefUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Command;

use pact_models::PactSpecification;
use pact_models::interaction::Interaction as _;
use pact_models::pact::Pact;
use pact_models::query_strings::build_query_string;
use pact_models::v4::http_parts::{HttpRequest, HttpResponse};
use pact_models::v4::pact::V4Pact;
use pact_models::v4::synch_http::SynchronousHttp;
use serde_json::{Value, json};

use super::super::http::{Client, Request};
use super::super::report::Checked;
use super::provider::PactContract;
use super::server::{Server, Shared};
use crate::testing::results::Contract;

/// Nobody can send them: a header with a line break in it, and an empty path, which HTTP writes as `/`.
const NOT_ON_THE_WIRE: [&str; 2] = [
    "headers/matches content type with parameters in different order.json",
    "path/empty path found when forward slash expected.json",
];

struct Case {
    file: PathBuf,
    version: PactSpecification,
    json: Value,
}

/// What came of the cases.
#[derive(Default)]
struct Tally {
    cases: usize,
    passed: usize,
    /// Where we and `pact_matching` are of another opinion.
    ours: Vec<String>,
    /// Where `pact_matching` fails by itself.
    theirs: usize,
}

impl Tally {
    fn count(&mut self, case: &Case, wanted: bool, direct: bool, over_the_wire: bool) {
        self.cases += 1;
        self.passed += usize::from(over_the_wire == wanted);
        self.theirs += usize::from(direct != wanted);
        let name = case.file.display().to_string();
        if over_the_wire != direct {
            self.ours.push(format!("{name}: {over_the_wire} over the wire, {direct} without"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_judged_as_by_pact_matching() {
    let mut tally = Tally::default();
    for case in cases("response") {
        let (expected, actual) = (&case.json["expected"], response(&case, "actual"));
        let interaction =
            SynchronousHttp { response: actual.clone(), ..SynchronousHttp::default() };
        let shared = Shared::default();
        shared.lock().expected.push((interaction, 0));
        let server = Server::start(shared).await.unwrap();
        let version = case.version.version_str();
        let text = json!({
            "interactions": [{ "type": "Synchronous/HTTP", "description": "case", "request": {}, "response": expected }],
            "metadata": { "pactSpecification": { "version": version } },
        });
        let contract = PactContract::new("case".into(), &text.to_string(), 0);
        let mut checked = Checked::begin("case", Contract::default(), false);
        let answer = Client::default().send(&Request::of_endpoint("/"), &server.url).await.unwrap();
        contract.check(&answer, &mut checked).await;
        let passed = checked.contract.checks.iter().all(|check| check.passed);

        let expected =
            SynchronousHttp { response: response(&case, "expected"), ..SynchronousHttp::default() };
        let boxed = expected.boxed();
        let direct = pact_matching::match_response(expected.response, actual, &pact(), &boxed)
            .await
            .unwrap();
        tally.count(&case, case.json["match"] == true, direct.is_empty(), passed);
    }
    assert_as_good(&tally);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_judged_as_by_pact_matching() {
    let mut tally = Tally::default();
    for case in cases("request") {
        let (expected, actual) = (request(&case, "expected"), request(&case, "actual"));
        let interaction = SynchronousHttp { request: expected, ..SynchronousHttp::default() };
        let shared = Shared::default();
        shared.lock().expected.push((interaction.clone(), 0));
        let server = Server::start(shared).await.unwrap();
        let sent = Client::default().send(&as_sent(&actual), &server.url).await;
        let passed =
            sent.unwrap_or_else(|why| panic!("{}: {why}", case.file.display())).status() == 200;

        let boxed = interaction.boxed();
        let direct =
            pact_matching::match_request(interaction.request, actual, &pact(), &boxed).await;
        tally.count(&case, case.json["match"] == true, direct.unwrap().all_matched(), passed);
    }
    assert_as_good(&tally);
}

fn assert_as_good(tally: &Tally) {
    let Tally { cases, passed, theirs, ours } = tally;
    println!("{passed} of {cases} cases; pact_matching by itself: {}", cases - theirs);
    assert!(*cases > 100, "only {cases} cases were found");
    assert!(ours.is_empty(), "{}", ours.join("\n"));
}

fn pact() -> Box<dyn Pact + Send + Sync + RefUnwindSafe> {
    V4Pact::default().boxed()
}

fn request(case: &Case, side: &str) -> HttpRequest {
    let json = &case.json[side];
    match case.version {
        PactSpecification::V4 => HttpRequest::from_json(json).unwrap(),
        version => {
            pact_models::request::Request::from_json(json, &version).unwrap().as_v4_request()
        }
    }
}

fn response(case: &Case, side: &str) -> HttpResponse {
    let json = &case.json[side];
    match case.version {
        PactSpecification::V4 => HttpResponse::from_json(json).unwrap(),
        version => {
            pact_models::response::Response::from_json(json, &version).unwrap().as_v4_response()
        }
    }
}

fn as_sent(request: &HttpRequest) -> Request {
    let query = request.query.clone().map(|query| format!("?{}", build_query_string(query)));
    let headers = request.headers.iter().flatten();
    Request {
        method: request.method.clone(),
        path: format!("{}{}", request.path, query.unwrap_or_default()),
        headers: headers.map(|(name, values)| (name.clone(), values.join(", "))).collect(),
        body: request.body.value().map(|body| body.to_vec()),
    }
}

/// The cases of one side, of every version.
fn cases(side: &str) -> Vec<Case> {
    let root = source_of_pact_matching().join("tests").join("spec_testcases");
    let versions = [
        ("v2", PactSpecification::V2),
        ("v3", PactSpecification::V3),
        ("v4", PactSpecification::V4),
    ];
    let mut cases = Vec::new();
    for (folder, version) in versions {
        let mut files = Vec::new();
        collect(&root.join(folder).join(side), &mut files);
        files.sort();
        for file in files.into_iter().filter(|file| can_be_sent(file)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let json = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
            cases.push(Case { file, version, json });
        }
    }
    cases
}

fn can_be_sent(file: &Path) -> bool {
    !NOT_ON_THE_WIRE.iter().any(|case| file.ends_with(case))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "json") {
            files.push(path);
        }
    }
}

fn source_of_pact_matching() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--all-features",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "pact_matching").unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}
