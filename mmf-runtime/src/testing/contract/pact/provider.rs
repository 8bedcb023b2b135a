//! A service against an interaction of a Pact file.

use std::collections::HashMap;
use std::panic::RefUnwindSafe;
use std::sync::Arc;

use pact_matching::Mismatch;
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::generators::{Generator, GeneratorTestMode};
use pact_models::headers::parse_header;
use pact_models::interaction::Interaction;
use pact_models::pact::{Pact, load_pact_from_json};
use pact_models::query_strings::build_query_string;
use pact_models::v4::http_parts::HttpResponse;
use pact_models::v4::synch_http::SynchronousHttp;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::super::http::{ContractResponse, Request};
use super::super::report::Checked;
use super::state::{ProviderState, StateAction, States};

/// What a path cannot hold as it is; what is encoded already stays.
const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'?')
    .add(b'#');

/// An interaction that a contract is checked against.
#[derive(Clone, Debug)]
pub(in super::super) struct PactContract {
    file: String,
    path: std::path::PathBuf,
    label: String,
    parsed: Result<Arc<Parsed>, String>,
}

/// A file with one interaction alone.
#[derive(Debug)]
struct Parsed {
    pact: Box<dyn Pact + Send + Sync + RefUnwindSafe>,
    http: SynchronousHttp,
}

impl Parsed {
    fn new(
        file: &str,
        json: Result<Value, serde_json::Error>,
        number: usize,
    ) -> Result<Self, String> {
        let told = |why: String| format!("{file}: {why}");
        let mut json = json.map_err(|error| told(format!("it is no JSON: {error}")))?;
        let Some(interaction) = json["interactions"].get(number).cloned() else {
            return Err(told(format!("it has no interaction {}", number + 1)));
        };
        json["interactions"] = json!([interaction]);
        let pact = load_pact_from_json(file, &json).map_err(|error| told(error.to_string()))?;
        let http = pact.interactions().first().and_then(|first| first.as_v4_http());
        let http =
            http.ok_or_else(|| told(format!("interaction {} is not one of HTTP", number + 1)))?;
        Ok(Self { pact, http })
    }

    fn states(&self, action: StateAction, base: &str) -> Vec<ProviderState> {
        let states = self.http.provider_states.iter();
        let states = states.map(|state| ProviderState {
            name: state.name.clone(),
            params: state.params.clone().into_iter().collect(),
            action,
            base_url: base.to_owned(),
        });
        states.collect()
    }

    async fn mismatches(&self, answer: &ContractResponse) -> Result<Vec<Mismatch>, String> {
        let expected = self.http.response.clone();
        pact_matching::match_response(expected, actual(answer), &self.pact, &self.http.boxed())
            .await
            .map_err(|error| error.to_string())
    }
}

impl PactContract {
    pub(in super::super) fn new(file: String, text: &str, interaction: usize) -> Self {
        let json = serde_json::from_str::<Value>(text);
        let description = json.as_ref().ok();
        let description =
            description.and_then(|json| json["interactions"][interaction]["description"].as_str());
        let label = match description {
            Some(description) => description.to_owned(),
            None => format!("interaction {} of {file}", interaction + 1),
        };
        let parsed = Parsed::new(&file, json, interaction).map(Arc::new);
        Self { path: (&file).into(), file, label, parsed }
    }

    /// Where the file lies, if that is elsewhere than its name says.
    pub(in super::super) fn lies_at(&mut self, path: &str) {
        self.path = path.into();
    }

    /// What tells the interaction from others, before it is asked.
    pub(in super::super) fn label(&self) -> &str {
        &self.label
    }

    /// Whether it is one that never fails, as V4 has it.
    pub(in super::super) fn is_pending(&self) -> bool {
        self.parsed.as_ref().is_ok_and(|parsed| parsed.http.pending)
    }

    /// Brings the states about, and makes the request.
    pub(in super::super) async fn request(
        &self,
        base: &str,
        states: Option<&States>,
        checked: &mut Checked,
    ) -> Option<Request> {
        let parsed = match &self.parsed {
            Ok(parsed) => parsed,
            Err(why) => {
                checked.add("interaction", false, why.clone());
                return None;
            }
        };
        let http = &parsed.http;
        let mut values = HashMap::new();
        for state in parsed.states(StateAction::SetUp, base) {
            let check = format!("state {}", state.name);
            let Some(states) = states else {
                let why = "provider_states(a function) brings it about, and is not given";
                checked.add(check, false, why);
                return None;
            };
            match states.call(state).await {
                Ok(more) => values.extend(more),
                Err(why) => {
                    checked.add(check, false, why);
                    return None;
                }
            }
            checked.add(check, true, "");
        }
        for name in asked_of_states(http) {
            if !values.contains_key(&name) {
                // Pact falls back to the example, which may be meant; the answer will tell.
                let why = format!("no state gave `{name}`: the example is sent in place of it");
                println!("{}: {why}", self.file);
                checked.add("state values", true, why);
            }
        }
        let values = values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let request =
            pact_matching::generate_request(&http.request, &GeneratorTestMode::Provider, &values)
                .await;
        let mut path = utf8_percent_encode(&request.path, NOT_IN_PATH).to_string();
        if let Some(query) = &request.query {
            path = format!("{path}?{}", build_query_string(query.clone()));
        }
        let headers = request.headers.iter().flatten();
        let mut headers: Vec<_> =
            headers.map(|(name, values)| (name.clone(), values.join(", "))).collect();
        headers.sort();
        let names_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if let (false, true, Some(kind)) =
            (names_type, request.body.is_present(), request.content_type())
        {
            headers.push(("content-type".into(), kind.to_string()));
        }
        let body = request.body.value().map(|body| body.to_vec());
        Some(Request { method: request.method.clone(), path, headers, body })
    }

    /// Checks an answer by the rules of the interaction.
    pub(in super::super) async fn check(&self, answer: &ContractResponse, checked: &mut Checked) {
        let mismatches = match &self.parsed {
            Ok(parsed) => parsed.mismatches(answer).await,
            Err(why) => Err(why.clone()),
        };
        let mismatches = match mismatches {
            Ok(found) => found,
            Err(why) => return checked.add("interaction", false, why),
        };
        for part in ["status", "headers", "body"] {
            let wrong = mismatches.iter().filter(|mismatch| part_of(mismatch) == part);
            let wrong: Vec<_> = wrong.map(Mismatch::description).collect();
            checked.add(format!("pact {part}"), wrong.is_empty(), wrong.join("; "));
        }
    }

    /// Undoes the states.
    pub(in super::super) async fn tear_down(
        &self,
        base: &str,
        states: Option<&States>,
        checked: &mut Checked,
    ) {
        let (Some(states), Ok(parsed)) = (states, &self.parsed) else { return };
        for state in parsed.states(StateAction::TearDown, base) {
            let check = format!("tear-down {}", state.name);
            if let Err(why) = states.call(state).await {
                checked.add(check, false, why);
            }
        }
    }
}

/// The names that expressions such as `/users/${id}` ask the states for.
fn asked_of_states(http: &SynchronousHttp) -> Vec<String> {
    let generators = http.request.generators.categories.values().flat_map(HashMap::values);
    let expressions = generators.filter_map(|generator| match generator {
        Generator::ProviderStateGenerator(expression, _) => Some(expression),
        _ => None,
    });
    let mut names: Vec<_> = expressions
        .flat_map(|expression| expression.split("${").skip(1))
        .filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn actual(answer: &ContractResponse) -> HttpResponse {
    let mut headers = HashMap::<String, Vec<String>>::new();
    for (name, value) in answer.headers() {
        headers.entry(name.to_owned()).or_default().extend(parse_header(name, value));
    }
    let kind = answer.header("content-type").and_then(|kind| ContentType::parse(kind).ok());
    let body = match answer.bytes() {
        [] => OptionalBody::Empty,
        bytes => OptionalBody::Present(bytes.to_vec().into(), kind, None),
    };
    HttpResponse {
        status: answer.status(),
        headers: Some(headers),
        body,
        ..HttpResponse::default()
    }
}

fn part_of(mismatch: &Mismatch) -> &'static str {
    match mismatch {
        Mismatch::StatusMismatch { .. } => "status",
        Mismatch::HeaderMismatch { .. } => "headers",
        _ => "body",
    }
}
