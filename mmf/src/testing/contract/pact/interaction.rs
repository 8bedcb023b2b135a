//! What a consumer asks, and what it expects to be answered.

use std::collections::HashMap;

use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::generators::{Generator, GeneratorCategory, Generators};
use pact_models::matchingrules::MatchingRules;
use pact_models::path_exp::DocPath;
use pact_models::provider_states::ProviderState;
use pact_models::query_strings::parse_query_string;
use pact_models::v4::http_parts::{HttpRequest, HttpResponse};
use pact_models::v4::synch_http::SynchronousHttp;
use serde_json::{Map, Value};

use super::super::http::Request;
use super::pattern::{Rules, example};

/// A request of the consumer, and the answer that it expects.
///
/// ```
/// use mmf::testing::pact::{Interaction, integer, like};
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
        Side::of_request(&mut self.http.request).header(name, &value.into(), &mut self.wrong);
        self
    }

    /// A JSON body of the request, with patterns in it, and its `content-type`.
    pub fn request_json(mut self, body: impl Into<Value>) -> Self {
        Side::of_request(&mut self.http.request).json(&body.into(), &mut self.wrong);
        self
    }

    /// The status of the answer. Default: 200.
    pub fn status(mut self, status: u16) -> Self {
        self.http.response.status = status;
        self
    }

    /// A header of the answer: a text, or a pattern.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        Side::of_response(&mut self.http.response).header(name, &value.into(), &mut self.wrong);
        self
    }

    /// A JSON body of the answer, with patterns in it, and its `content-type`.
    pub fn json(mut self, body: impl Into<Value>) -> Self {
        Side::of_response(&mut self.http.response).json(&body.into(), &mut self.wrong);
        self
    }
}

/// What a request and an answer have in common.
struct Side<'s> {
    headers: &'s mut Option<HashMap<String, Vec<String>>>,
    body: &'s mut OptionalBody,
    matching: &'s mut MatchingRules,
    generators: &'s mut Generators,
}

impl<'s> Side<'s> {
    fn of_request(request: &'s mut HttpRequest) -> Self {
        Self {
            headers: &mut request.headers,
            body: &mut request.body,
            matching: &mut request.matching_rules,
            generators: &mut request.generators,
        }
    }

    fn of_response(response: &'s mut HttpResponse) -> Self {
        Self {
            headers: &mut response.headers,
            body: &mut response.body,
            matching: &mut response.matching_rules,
            generators: &mut response.generators,
        }
    }

    fn header(&mut self, name: &str, value: &Value, wrong: &mut Vec<String>) {
        let mut path = DocPath::root();
        path.push_field(name);
        let text = match self.taken(value, &path, GeneratorCategory::HEADER, wrong) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        self.headers.get_or_insert_with(HashMap::new).insert(name.into(), vec![text]);
    }

    fn json(&mut self, body: &Value, wrong: &mut Vec<String>) {
        let body = self.taken(body, &DocPath::root(), GeneratorCategory::BODY, wrong);
        let kind = ContentType::parse("application/json").ok();
        *self.body = OptionalBody::Present(body.to_string().into(), kind, None);
        self.header("Content-Type", &"application/json".into(), wrong);
    }

    /// The example of a pattern, whose rules it takes.
    fn taken(
        &mut self,
        pattern: &Value,
        path: &DocPath,
        part: GeneratorCategory,
        wrong: &mut Vec<String>,
    ) -> Value {
        let mut rules = Rules { matching: self.matching, generators: self.generators, part };
        example(pattern, path, &mut rules).unwrap_or_else(|why| {
            wrong.push(why);
            Value::Null
        })
    }
}
