//! The check of one endpoint, from where it is to what it answers.

use std::time::Duration;

use tokio::time::Instant;

use super::http::{ContractResponse, Request};
use super::report::{Checked, ContractReport};
use crate::testing::body::{Verdict, attempt};
use crate::testing::results::Contract;

/// Between two attempts to reach a service that is not ready yet.
const PAUSE: Duration = Duration::from_millis(50);

/// A contract of one endpoint; `#[contract_test(…)]` in code.
///
/// ```no_run
/// use std::time::Duration;
/// use mmf_runtime::testing::ContractTest;
///
/// # async fn example() {
/// ContractTest::new("a user has a name", "user-service", "GET /users/1")
///     .base_url("http://127.0.0.1:8080")
///     .status(200)
///     .sla(Duration::from_secs(2))
///     .run(|response| async move { assert_eq!(response.json()["name"], "Ada") })
///     .await
///     .assert_passed();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ContractTest {
    name: String,
    service: String,
    endpoint: String,
    base_url: Option<String>,
    health: Vec<String>,
    request_headers: Vec<(String, String)>,
    request_body: Option<Vec<u8>>,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    #[cfg(feature = "schema")]
    schema: Option<(String, String)>,
    #[cfg(feature = "openapi")]
    openapi: Option<super::openapi::OpenApiContract>,
    #[cfg(feature = "pact")]
    pact: Option<super::pact::PactContract>,
    #[cfg(feature = "grpc")]
    grpc_services: Vec<String>,
    sla: Option<Duration>,
    samples: u64,
    percentile: f64,
    wait_ready: Option<Duration>,
    should_fail: bool,
}

impl ContractTest {
    /// A contract that asks for an answer only. An endpoint is a path, or a method and a path; it is empty where
    /// an OpenAPI document or a Pact file says what to ask, or where gRPC services alone are.
    pub fn new(
        name: impl Into<String>,
        service: impl Into<String>,
        endpoint: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            service: service.into(),
            endpoint: endpoint.into(),
            base_url: None,
            health: Vec::new(),
            request_headers: Vec::new(),
            request_body: None,
            status: None,
            headers: Vec::new(),
            #[cfg(feature = "schema")]
            schema: None,
            #[cfg(feature = "openapi")]
            openapi: None,
            #[cfg(feature = "pact")]
            pact: None,
            #[cfg(feature = "grpc")]
            grpc_services: Vec::new(),
            sla: None,
            samples: 1,
            percentile: 95.0,
            wait_ready: None,
            should_fail: false,
        }
    }

    /// Where the service is. `MMF_BASE_URL_` and the name of the service in capitals goes before it.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Endpoints that have to be well before anything else is asked.
    pub fn health_check(mut self, endpoint: impl Into<String>) -> Self {
        self.health.push(endpoint.into());
        self
    }

    /// A header of the request.
    pub fn request_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request_headers.push((name.into(), value.into()));
        self
    }

    /// A JSON body of the request, with its `content-type`.
    pub fn request_json(mut self, body: &serde_json::Value) -> Self {
        self.request_body = Some(body.to_string().into_bytes());
        self.request_header("content-type", "application/json")
    }

    /// The status of the answer. Default: any of success.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// A header of the answer. What stands behind a semicolon in it need not be given.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The JSON Schema of the body: the name of its file, and its text.
    #[cfg(feature = "schema")]
    pub fn schema(mut self, file: impl Into<String>, text: impl Into<String>) -> Self {
        self.schema = Some((file.into(), text.into()));
        self
    }

    /// The OpenAPI document that request and answer are checked against: the name of its file, and its text.
    ///
    /// The operation is an `operationId`, or a method and a path as the document writes it. Where it is empty, the
    /// operation is the one that the endpoint belongs to; where the endpoint is empty, the operation's own
    /// examples make the request.
    #[cfg(feature = "openapi")]
    pub fn openapi(
        mut self,
        file: impl Into<String>,
        text: impl Into<String>,
        operation: impl Into<String>,
    ) -> Self {
        self.openapi =
            Some(super::openapi::OpenApiContract::new(file.into(), text.into(), operation.into()));
        self
    }

    /// An interaction of a Pact file, by its place in it, from 0 on: it says what to ask and what to expect.
    #[cfg(feature = "pact")]
    pub fn pact(
        mut self,
        file: impl Into<String>,
        text: impl Into<String>,
        interaction: usize,
    ) -> Self {
        self.pact = Some(super::pact::PactContract::new(file.into(), text.into(), interaction));
        self
    }

    /// What brings the service into the states that the interaction of the Pact file presupposes.
    #[cfg(feature = "pact")]
    pub fn provider_states<F, R>(
        mut self,
        set_up: impl Fn(super::pact::ProviderState) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = R> + Send + 'static,
        R: super::pact::IntoStateValues,
    {
        if let Some(pact) = &mut self.pact {
            pact.set_states(set_up);
        }
        self
    }

    /// A gRPC service that has to be serving, or a method of it (`users.v1.Users/Get`) that has to exist.
    #[cfg(feature = "grpc")]
    pub fn grpc_service(mut self, service: impl Into<String>) -> Self {
        self.grpc_services.push(service.into());
        self
    }

    /// How long an answer may take, at the percentile.
    pub fn sla(mut self, sla: Duration) -> Self {
        self.sla = Some(sla);
        self
    }

    /// How many answers are timed. Default: 1.
    pub fn samples(mut self, samples: u64) -> Self {
        self.samples = samples.max(1);
        self
    }

    /// The percentile of their times, 0 to 100. Default: 95.
    pub fn percentile(mut self, percentile: f64) -> Self {
        self.percentile = percentile;
        self
    }

    /// How long to ask again until the service can be reached.
    pub fn wait_ready(mut self, at_most: Duration) -> Self {
        self.wait_ready = Some(at_most);
        self
    }

    /// It is a test of `#[should_panic]`: it is recorded as passed where a check fails.
    #[must_use]
    pub fn should_fail(mut self) -> Self {
        self.should_fail = true;
        self
    }

    /// Asks the endpoint, checks what it answers, hands the last answer to the body, and records the result.
    pub async fn run<F, R>(self, body: impl FnOnce(ContractResponse) -> F) -> ContractReport
    where
        F: Future<Output = R>,
        R: Verdict,
    {
        let mut checked = self.begin();
        if let Some(response) = self.ask(&mut checked).await {
            let outcome = attempt(|| body(response)).await;
            checked.add_result("body", outcome.map_err(|failure| failure.to_string()));
        }
        checked.end()
    }

    /// Has the body ask the endpoint by itself, times it, and records the result.
    pub async fn run_timed<F, R>(self, mut body: impl FnMut() -> F) -> ContractReport
    where
        F: Future<Output = R>,
        R: Verdict,
    {
        let mut checked = self.begin();
        let mut times = Vec::new();
        let mut outcome = Ok(());
        for _ in 0..self.samples {
            let start = Instant::now();
            outcome = attempt(&mut body).await;
            times.push(start.elapsed());
            if outcome.is_err() {
                break;
            }
        }
        checked.add_result("body", outcome.map_err(|failure| failure.to_string()));
        checked.time(times, self.sla);
        checked.end()
    }

    /// Asks for its gRPC services only, then runs the body, and records the result.
    #[cfg(feature = "grpc")]
    pub async fn run_grpc<F, R>(self, body: impl FnOnce() -> F) -> ContractReport
    where
        F: Future<Output = R>,
        R: Verdict,
    {
        let mut checked = self.begin();
        let start = Instant::now();
        if self.ask_grpc(&mut checked).await {
            checked.time(vec![start.elapsed()], self.sla);
            let outcome = attempt(body).await;
            checked.add_result("body", outcome.map_err(|failure| failure.to_string()));
        }
        checked.end()
    }

    fn begin(&self) -> Checked {
        let contract = Contract {
            service: self.service.clone(),
            endpoint: self.label(),
            sla_ms: self.sla.map(|sla| sla.as_secs_f64() * 1000.0),
            samples: self.samples,
            percentile: self.percentile,
            ..Contract::default()
        };
        Checked::begin(&self.name, contract, self.should_fail)
    }

    /// The endpoint, or what says what it is.
    fn label(&self) -> String {
        #[cfg(feature = "openapi")]
        if let (true, Some(openapi)) = (self.endpoint.is_empty(), &self.openapi) {
            return openapi.operation_name().to_owned();
        }
        #[cfg(feature = "pact")]
        if let (true, Some(pact)) = (self.endpoint.is_empty(), &self.pact) {
            return pact.label();
        }
        self.endpoint.clone()
    }

    /// The last answer, where there was one.
    async fn ask(&self, checked: &mut Checked) -> Option<ContractResponse> {
        let base = self.reached(checked).await?;
        #[cfg(feature = "grpc")]
        if !self.grpc_services.is_empty() && !self.serves(&base, checked).await {
            return None;
        }
        let request = self.request(&base, checked).await?;
        if self.endpoint.is_empty() {
            checked.contract.endpoint = request.to_string();
        }
        let mut times = Vec::new();
        let mut last = None;
        for _ in 0..self.samples {
            match request.send(&base).await {
                Ok(response) => {
                    times.push(response.elapsed());
                    last = Some(response);
                }
                Err(error) => {
                    checked.add("reachable", false, format!("{base}: {request}: {error}"));
                    last = None;
                    break;
                }
            }
        }
        if let Some(response) = &last {
            checked.add("reachable", true, "");
            self.check(&request, response, checked).await;
            checked.time(times, self.sla);
        }
        #[cfg(feature = "pact")]
        if let Some(pact) = &self.pact {
            pact.tear_down(&base, checked).await;
        }
        last
    }

    /// Where the service is, once it can be reached and says that it is well.
    async fn reached(&self, checked: &mut Checked) -> Option<String> {
        let base = self.located(checked)?;
        if let Err(error) = self.wait_until_ready(&base).await {
            checked.add("reachable", false, format!("nothing answers at {base}: {error}"));
            return None;
        }
        for endpoint in &self.health {
            let well = match Request::of_endpoint(endpoint).send(&base).await {
                Ok(response) if response.status() < 400 => Ok(()),
                Ok(response) => Err(format!("{} is down: {}", self.service, response.status())),
                Err(error) => Err(format!("{} is down: {error}", self.service)),
            };
            let is_well = well.is_ok();
            checked.add_result(format!("health {endpoint}"), well);
            if !is_well {
                return None;
            }
        }
        Some(base)
    }

    /// By the variable, or else as given.
    fn located(&self, checked: &mut Checked) -> Option<String> {
        let capital = |letter: char| match letter {
            letter if letter.is_ascii_alphanumeric() => letter.to_ascii_uppercase(),
            _ => '_',
        };
        let name: String = self.service.chars().map(capital).collect();
        let variable = format!("MMF_BASE_URL_{name}");
        let url = std::env::var(&variable).ok().or_else(|| self.base_url.clone());
        if url.is_none() {
            let missing = format!("no base_url is given, and {variable} is not set");
            checked.add("reachable", false, missing);
        }
        url.map(|url| url.trim_end_matches('/').to_owned())
    }

    async fn wait_until_ready(&self, base: &str) -> Result<(), String> {
        let endpoint = self.health.first().map_or("/", |health| health);
        let request = Request::of_endpoint(endpoint);
        let start = Instant::now();
        loop {
            match request.send(base).await {
                Ok(_) => return Ok(()),
                Err(error) if self.wait_ready.is_none_or(|limit| start.elapsed() >= limit) => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// What to ask: of the Pact file, the OpenAPI document, or by hand.
    async fn request(&self, base: &str, checked: &mut Checked) -> Option<Request> {
        #[cfg(feature = "pact")]
        if let Some(pact) = &self.pact {
            let request = pact.request(base, checked).await?;
            return Some(request.with(&self.request_headers, self.request_body.as_ref()));
        }
        #[cfg(feature = "openapi")]
        if let Some(openapi) = &self.openapi {
            let given = (&*self.request_headers, self.request_body.as_ref());
            let request = openapi.request(base, &self.endpoint, given);
            checked
                .add_result("documented request", request.as_ref().map(drop).map_err(Clone::clone));
            return request.ok();
        }
        let _ = (base, checked);
        let request = Request::of_endpoint(&self.endpoint);
        Some(request.with(&self.request_headers, self.request_body.as_ref()))
    }

    #[cfg_attr(
        not(feature = "pact"),
        expect(clippy::unused_async, reason = "a Pact file alone is checked asynchronously")
    )]
    async fn check(&self, request: &Request, response: &ContractResponse, checked: &mut Checked) {
        let status = response.status();
        #[cfg(feature = "pact")]
        let is_by_pact = self.pact.is_some();
        #[cfg(not(feature = "pact"))]
        let is_by_pact = false;
        match self.status {
            Some(wanted) => {
                checked.add("status", status == wanted, format!("{status}, expected {wanted}"));
            }
            // An interaction says itself which status it expects.
            None if is_by_pact => {}
            None => checked.add("status", status < 400, format!("{status}, expected success")),
        }
        for (name, wanted) in &self.headers {
            let found = response.header(name);
            let is_met = found.is_some_and(|found| {
                found == wanted || found.split(';').next().is_some_and(|main| main.trim() == wanted)
            });
            let detail = format!("{}, expected {wanted}", found.unwrap_or("none"));
            checked.add(format!("header {name}"), is_met, detail);
        }
        #[cfg(feature = "schema")]
        if let Some((file, text)) = &self.schema {
            let outcome = super::schema::Schema::parse(text)
                .and_then(|schema| schema.check(response.bytes()))
                .map_err(|error| format!("{file}: {error}"));
            checked.add_result("schema", outcome);
        }
        #[cfg(feature = "openapi")]
        if let Some(openapi) = &self.openapi {
            openapi.check(request, response, checked);
        }
        let _ = request;
        #[cfg(feature = "pact")]
        if let Some(pact) = &self.pact {
            pact.check(response, checked).await;
        }
    }

    #[cfg(feature = "grpc")]
    async fn ask_grpc(&self, checked: &mut Checked) -> bool {
        match self.located(checked) {
            Some(base) => self.serves(&base, checked).await,
            None => false,
        }
    }

    /// Whether all gRPC services do.
    #[cfg(feature = "grpc")]
    async fn serves(&self, base: &str, checked: &mut Checked) -> bool {
        let before = checked.contract.checks.len();
        super::grpc::check(base, &self.service, &self.grpc_services, self.wait_ready, checked)
            .await;
        checked.contract.checks[before..].iter().all(|check| check.passed)
    }
}
