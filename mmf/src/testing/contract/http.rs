//! A request of a contract, and the answer to it.

use std::fmt;
use std::io::Read as _;
use std::net::IpAddr;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a path and a query cannot hold as it is. What is encoded already stays; a `#` is part of the path, since
/// nothing behind one would be sent.
const NOT_ON_THE_WIRE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// Whether there was nobody to ask.
    is_absent: bool,
    why: String,
}

impl Unanswered {
    fn new(why: impl Into<String>) -> Self {
        Self { is_absent: false, why: why.into() }
    }

    fn of(error: &ureq::Error, Client { timeout, .. }: Client, by: &str) -> Self {
        use ureq::{Error, Timeout};
        let is_absent = matches!(
            error,
            Error::Io(_)
                | Error::HostNotFound
                | Error::ConnectionFailed
                | Error::Timeout(Timeout::Connect | Timeout::Resolve)
        );
        let why = match error {
            Error::Timeout(_) => format!("`timeout`: no answer within {timeout:?}{by}"),
            error => format!("{error}{by}"),
        };
        Self { is_absent, why }
    }

    /// In words, of what was asked.
    pub(crate) fn told(&self, base: &str, request: &Request) -> String {
        match self.is_absent {
            true => format!("nothing answers at {base}: {}", self.why),
            false => format!("{base}: {request}: {}", self.why),
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// How a contract asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// How long one request may take, its answer included.
    pub(crate) timeout: Duration,
    /// How many bytes a body may have.
    pub(crate) max_body: u64,
}

impl Default for Client {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), max_body: 64 << 20 }
    }
}

impl Client {
    /// Asks, from a thread that may block.
    pub(crate) async fn send(
        &self,
        request: &Request,
        base: &str,
    ) -> Result<ContractResponse, Unanswered> {
        self.ask(request, base, true).await
    }

    /// Asks for the status alone, within this time as well. The body is not waited for.
    pub(crate) async fn status(
        &self,
        request: &Request,
        base: &str,
        within: Duration,
    ) -> Result<u16, Unanswered> {
        let client = Self { timeout: self.timeout.min(within), ..*self };
        client.ask(request, base, false).await.map(|answer| answer.status)
    }

    async fn ask(
        self,
        request: &Request,
        base: &str,
        with_body: bool,
    ) -> Result<ContractResponse, Unanswered> {
        let (base, request) = (base.to_owned(), request.clone());
        let asked =
            tokio::task::spawn_blocking(move || self.ask_blocking(request, &base, with_body));
        asked.await.map_err(|error| Unanswered::new(error.to_string()))?
    }

    fn ask_blocking(
        self,
        request: Request,
        base: &str,
        with_body: bool,
    ) -> Result<ContractResponse, Unanswered> {
        let path = utf8_percent_encode(&request.path, NOT_ON_THE_WIRE);
        let mut built = ureq::http::Request::builder()
            .method(request.method.as_str())
            .uri(format!("{base}{path}"));
        for (name, value) in &request.headers {
            built = built.header(name, value);
        }
        let has_body = request.body.is_some();
        let built = built.body(request.body.unwrap_or_default());
        let built = built.map_err(|error| Unanswered::new(error.to_string()))?;
        let host = built.uri().host().unwrap_or_default();
        let proxy = proxy_to(host).map_err(Unanswered::new)?;
        let by = proxy.as_ref().map_or_else(String::new, |proxy| {
            format!(" (asked by the proxy {}:{})", proxy.host(), proxy.port())
        });
        let agent = ureq::Agent::new_with_config(
            ureq::config::Config::builder()
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .max_redirects(0)
                .timeout_global(Some(self.timeout))
                .proxy(proxy)
                .build(),
        );
        let start = std::time::Instant::now();
        let answer = match has_body {
            true => agent.run(built),
            false => agent.run(built.map(|_| ())),
        };
        let mut response = answer.map_err(|error| Unanswered::of(&error, self, &by))?;
        let mut body = Vec::new();
        if with_body {
            let mut reader = response.body_mut().as_reader().take(self.max_body.saturating_add(1));
            if let Err(error) = reader.read_to_end(&mut body) {
                let (timeout, size) = (self.timeout, body.len());
                return Err(Unanswered::new(match start.elapsed() >= timeout {
                    true => format!(
                        "`timeout`: the answer did not end within {timeout:?}, after {size} bytes{by}"
                    ),
                    false => format!("the answer broke off after {size} bytes: {error}{by}"),
                }));
            }
            if body.len() as u64 > self.max_body {
                let why =
                    format!("`max_body`: the body is larger than {} bytes{by}", self.max_body);
                return Err(Unanswered::new(why));
            }
        }
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

/// The proxy on the way to a host: none to loopback, `MMF_HTTP_PROXY` or that of the environment elsewhere.
fn proxy_to(host: &str) -> Result<Option<ureq::Proxy>, String> {
    if is_loopback(host) {
        return Ok(None);
    }
    let given = std::env::var("MMF_HTTP_PROXY").unwrap_or_default();
    if given.is_empty() {
        return Ok(ureq::Proxy::try_from_env());
    }
    ureq::Proxy::new(&given).map(Some).map_err(|error| format!("MMF_HTTP_PROXY: {error}"))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

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

    /// A header by its name in any case; of several the first.
    #[cfg(feature = "openapi")]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
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

    /// The values of a header by its name in any case, in the order they came.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_many_names() {
        for host in [
            "localhost",
            "a.localhost",
            "LOCALHOST.",
            "127.0.0.1",
            "127.8.8.8",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "10.0.0.1", "[::2]", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
