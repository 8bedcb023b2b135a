//! A service against an interaction of a Pact file.

use std::collections::HashMap;
use std::panic::RefUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pact_matching::Mismatch;
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::generators::{Generator, GeneratorTestMode};
use pact_models::headers::parse_header;
use pact_models::interaction::Interaction;
use pact_models::pact::{Pact, load_pact_from_json};
use pact_models::v4::http_parts::{HttpRequest, HttpResponse};
use pact_models::v4::synch_http::SynchronousHttp;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::super::http::{ContractResponse, Request};
use super::super::report::Checked;
use super::state::{ProviderState, StateAction, States};
use crate::testing::body::caught;
use crate::testing::results::PactSource;

/// A larger file is no pact.
const MOST_BYTES: u64 = 64 << 20;

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
    path: PathBuf,
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
        let interaction = self.http.boxed();
        // A rule that it does not know panics in `pact_matching`.
        let matched = caught(|| {
            pact_matching::match_response(expected, actual(answer), &self.pact, &interaction)
        });
        matched.await.map_err(|failure| failure.to_string())?.map_err(|error| error.to_string())
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

    /// Where the file lies, with those beside it; nothing where it is not on this machine.
    pub(in super::super) fn source(&self) -> Option<PactSource> {
        beside(&self.path)
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
        if let Err(why) = values_fit(http, &values) {
            checked.add("state values", false, why);
            return None;
        }
        let values: HashMap<_, _> =
            values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let mode = GeneratorTestMode::Provider;
        // A generator that cannot be met panics in `pact_matching`.
        let made = caught(|| pact_matching::generate_request(&http.request, &mode, &values)).await;
        let made = made.map_err(|failure| failure.to_string());
        match made.and_then(|request| as_sent(&request)) {
            Ok(request) => Some(request),
            Err(why) => {
                checked.add("generated values", false, why);
                None
            }
        }
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

/// A Pact file and the others of its folder, which is looked through once a process.
fn beside(file: &Path) -> Option<PactSource> {
    static KNOWN: Mutex<Vec<(PathBuf, PactSource)>> = Mutex::new(Vec::new());
    let file = file.canonicalize().ok()?;
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, source)) = known.iter().find(|(name, _)| *name == file) {
        return Some(source.clone());
    }
    let others =
        std::fs::read_dir(file.parent()?).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut beside: Vec<_> = others
        .filter(|other| *other != file && is_pact(other))
        .map(|other| other.display().to_string())
        .collect();
    beside.sort();
    let source = PactSource { file: file.display().to_string(), beside };
    known.push((file, source.clone()));
    Some(source)
}

/// By what every version of such a file has.
fn is_pact(file: &Path) -> bool {
    if file.extension().is_none_or(|end| end != "json") {
        return false;
    }
    let text = crate::testing::file::read(file, MOST_BYTES).unwrap_or_default();
    let json = serde_json::from_str::<Value>(&text).unwrap_or_default();
    json["consumer"]["name"].is_string()
        && json["provider"]["name"].is_string()
        && (json["interactions"].is_array() || json["messages"].is_array())
}

/// The names that expressions such as `/users/${id}` ask the states for.
fn asked_of_states(http: &SynchronousHttp) -> Vec<String> {
    let generators = http.request.generators.categories.values().flat_map(HashMap::values);
    let mut names: Vec<_> = generators.filter_map(expression_of).flat_map(names_in).collect();
    names.sort();
    names.dedup();
    names
}

fn expression_of(generator: &Generator) -> Option<&str> {
    match generator {
        Generator::ProviderStateGenerator(expression, _) => Some(expression),
        _ => None,
    }
}

/// Those of `/users/${id}`, or the name itself.
fn names_in(expression: &str) -> Vec<String> {
    if !expression.contains("${") {
        return vec![expression.to_owned()];
    }
    let parts = expression.split("${").skip(1);
    parts.filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect()
}

/// Whether values of states are such that a path, a query or a header can carry them.
fn values_fit(http: &SynchronousHttp, values: &HashMap<String, Value>) -> Result<(), String> {
    for (category, generators) in &http.request.generators.categories {
        let part: &str = (*category).into();
        if !["path", "query", "header"].contains(&part) {
            continue;
        }
        let expressions = generators.values().filter_map(expression_of);
        for name in expressions.flat_map(names_in) {
            match values.get(&name) {
                Some(value @ (Value::Object(_) | Value::Array(_) | Value::Null)) => {
                    return Err(format!("`{name}` is {value}, which no {part} can carry"));
                }
                Some(Value::String(text)) if text.is_empty() && part == "path" => {
                    return Err(format!("`{name}` is empty, which is no part of a path"));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A request that was made, where it can be sent.
fn as_sent(request: &HttpRequest) -> Result<Request, String> {
    let is_control = |text: &str| text.chars().any(char::is_control);
    if !request.path.starts_with('/') || is_control(&request.path) {
        return Err(format!("{:?} is no path that can be asked", request.path));
    }
    let mut path = utf8_percent_encode(&request.path, NOT_IN_PATH).to_string();
    let query = request.query.as_ref().map(query_of).filter(|query| !query.is_empty());
    if let Some(query) = query {
        path = format!("{path}?{query}");
    }
    let headers = request.headers.iter().flatten();
    let mut headers: Vec<_> =
        headers.map(|(name, values)| (name.clone(), values.join(", "))).collect();
    headers.sort();
    // Tabs may stand in a header, and nothing else that commands (RFC 9110, 5.5).
    if let Some((name, value)) =
        headers.iter().find(|(_, value)| is_control(&value.replace('\t', "")))
    {
        return Err(format!("{value:?} cannot be sent as the header {name}"));
    }
    let names_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if let (false, true, Some(kind)) =
        (names_type, request.body.is_present(), request.content_type())
    {
        headers.push(("content-type".into(), kind.to_string()));
    }
    let body = request.body.value().map(|body| body.to_vec());
    Ok(Request { method: request.method.clone(), path, headers, body })
}

/// A query in the order of its names, in UTF-8: `pact_models` writes code points, and no name encoded.
fn query_of(query: &HashMap<String, Vec<Option<String>>>) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut pairs = Vec::new();
    for (name, values) in query {
        for value in values {
            pairs.push((
                name,
                match value {
                    Some(value) => format!("{}={}", encoded(name), encoded(value)),
                    None => encoded(name),
                },
            ));
        }
    }
    // Those of one name stay in their order.
    pairs.sort_by_key(|(name, _)| *name);
    pairs.into_iter().map(|(_, pair)| pair).collect::<Vec<_>>().join("&")
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
