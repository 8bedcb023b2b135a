//! What a consumer asks, and what it expects to be answered.

use std::collections::HashMap;

use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::generators::{Generator, GeneratorCategory, Generators};
use pact_models::matchingrules::MatchingRules;
use pact_models::path_exp::DocPath;
use pact_models::provider_states::ProviderState;
use pact_models::query_strings::parse_query_string;
use pact_models::v4::synch_http::SynchronousHttp;
use serde_json::{Map, Value};

use super::super::http::Request;
use super::pattern::{Rules, example};

/// A request of the consumer, and the answer that it expects.
///
/// ```
/// use mmf_runtime::testing::pact::{Interaction, integer, like};
/// use serde_json::json;
///
/// let user = Interaction::new("a request for user 1")
///     .given("user 1 exists")
///     .request("GET /users/1")
///     .status(200)
///     .json(json!({ "id": integer(1), "name": like("Ada") }));
/// # let _ = user;
/// ```
#[derive(Clone, Debug)]
#[must_use = "an interaction is declared by `ConsumerPact::expect`"]
pub struct Interaction {
    pub(super) http: SynchronousHttp,
    /// Patterns that are none.
    pub(super) wrong: Vec<String>,
}

impl Interaction {
    /// An interaction by what it is about: a `GET /` that is answered with 200.
    pub fn new(description: impl Into<String>) -> Self {
        let http =
            SynchronousHttp { description: description.into(), ..SynchronousHttp::default() };
        Self { http, wrong: Vec::new() }
    }

    /// A state that the provider has to be in.
    pub fn given(self, state: impl Into<String>) -> Self {
        self.given_with(state, Map::new())
    }

    /// A state with more about it.
    pub fn given_with(mut self, state: impl Into<String>, params: Map<String, Value>) -> Self {
        let params = params.into_iter().collect();
        self.http.provider_states.push(ProviderState { name: state.into(), params });
        self
    }

    /// Method and path with its query: `GET /users?page=2`.
    pub fn request(mut self, endpoint: &str) -> Self {
        let asked = Request::of_endpoint(endpoint);
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        self.http.request.method = asked.method;
        self.http.request.path = path.to_owned();
        self.http.request.query = parse_query_string(query);
        self
    }

    /// The path of the request, where a state of the provider gives a part of it: `/users/${id}`. The consumer is
    /// answered at the path that [`request`](Self::request) says.
    pub fn path_from_state(mut self, expression: &str) -> Self {
        let generator = Generator::ProviderStateGenerator(expression.to_owned(), None);
        self.http.request.generators.add_generator(&GeneratorCategory::PATH, generator);
        self
    }

    /// A header of the request: a text, or a pattern.
    pub fn request_header(mut self, name: &str, value: impl Into<Value>) -> Self {
        let request = &mut self.http.request;
        let (matching, generators) = (&mut request.matching_rules, &mut request.generators);
        let text = header(name, &value.into(), matching, generators, &mut self.wrong);
        request.headers.get_or_insert_with(HashMap::new).insert(name.into(), vec![text]);
        self
    }

    /// A JSON body of the request, with patterns in it, and its `content-type`.
    pub fn request_json(mut self, body: impl Into<Value>) -> Self {
        let request = &mut self.http.request;
        let (matching, generators) = (&mut request.matching_rules, &mut request.generators);
        request.body = json_body(&body.into(), matching, generators, &mut self.wrong);
        self.request_header("Content-Type", "application/json")
    }

    /// The status of the answer. Default: 200.
    pub fn status(mut self, status: u16) -> Self {
        self.http.response.status = status;
        self
    }

    /// A header of the answer: a text, or a pattern.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        let response = &mut self.http.response;
        let (matching, generators) = (&mut response.matching_rules, &mut response.generators);
        let text = header(name, &value.into(), matching, generators, &mut self.wrong);
        response.headers.get_or_insert_with(HashMap::new).insert(name.into(), vec![text]);
        self
    }

    /// A JSON body of the answer, with patterns in it, and its `content-type`.
    pub fn json(mut self, body: impl Into<Value>) -> Self {
        let response = &mut self.http.response;
        let (matching, generators) = (&mut response.matching_rules, &mut response.generators);
        response.body = json_body(&body.into(), matching, generators, &mut self.wrong);
        self.header("Content-Type", "application/json")
    }
}

fn header(
    name: &str,
    value: &Value,
    matching: &mut MatchingRules,
    generators: &mut Generators,
    wrong: &mut Vec<String>,
) -> String {
    let mut path = DocPath::root();
    path.push_field(name);
    let mut rules = Rules { matching, generators, part: GeneratorCategory::HEADER };
    match taken(value, &path, &mut rules, wrong) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn json_body(
    body: &Value,
    matching: &mut MatchingRules,
    generators: &mut Generators,
    wrong: &mut Vec<String>,
) -> OptionalBody {
    let mut rules = Rules { matching, generators, part: GeneratorCategory::BODY };
    let body = taken(body, &DocPath::root(), &mut rules, wrong);
    let kind = ContentType::parse("application/json").ok();
    OptionalBody::Present(body.to_string().into(), kind, None)
}

fn taken(pattern: &Value, path: &DocPath, rules: &mut Rules<'_>, wrong: &mut Vec<String>) -> Value {
    example(pattern, path, rules).unwrap_or_else(|why| {
        wrong.push(why);
        Value::Null
    })
}
