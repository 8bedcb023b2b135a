//! A request of a contract, and the answer to it.

use std::fmt;
use std::time::Duration;

/// How long a request may take before it counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

impl Request {
    /// `/users` or `GET /users`.
    pub(crate) fn of_endpoint(endpoint: &str) -> Self {
        let (method, path) = endpoint.split_once(' ').unwrap_or(("GET", endpoint));
        Self {
            method: method.to_owned(),
            path: path.trim_start().to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// Adds what was written by hand: of a header the last one holds.
    pub(crate) fn with(mut self, headers: &[(String, String)], body: Option<&Vec<u8>>) -> Self {
        for (name, value) in headers {
            self.set_header(name, value);
        }
        self.body = body.cloned().or(self.body);
        self
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Sends it, from a thread that may block.
    pub(crate) async fn send(&self, base: &str) -> Result<ContractResponse, String> {
        let (base, request) = (base.to_owned(), self.clone());
        let asked = tokio::task::spawn_blocking(move || request.send_blocking(&base));
        asked.await.map_err(|error| error.to_string())?
    }

    fn send_blocking(self, base: &str) -> Result<ContractResponse, String> {
        let agent = ureq::Agent::new_with_config(
            ureq::config::Config::builder()
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .max_redirects(0)
                .timeout_global(Some(PATIENCE))
                .build(),
        );
        let mut request = ureq::http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("{base}{}", self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let start = std::time::Instant::now();
        let answer = match self.body {
            Some(body) => agent.run(request.body(body).map_err(|error| error.to_string())?),
            None => agent.run(request.body(()).map_err(|error| error.to_string())?),
        };
        let mut response = answer.map_err(|error| error.to_string())?;
        let body = response.body_mut().read_to_vec().map_err(|error| error.to_string())?;
        let elapsed = start.elapsed();
        let text = |value: &ureq::http::HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        let headers =
            response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
        Ok(ContractResponse {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body,
            elapsed,
        })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// An answer of an endpoint.
#[derive(Clone, Debug)]
pub struct ContractResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    elapsed: Duration,
}

impl ContractResponse {
    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header by its name in any case; of several the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Every header, in the order they came.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// Where it is none, with what it is.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is no JSON: {error}: {}", self.text()))
    }

    /// How long the answer took, its body included.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}
