//! What an endpoint has to answer, and how soon.

use std::time::Duration;

use tokio::time::Instant;

use super::body::{Verdict, attempt};
use super::results::{Check, Contract, Outcome, Record};

/// How long a request may take before it counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(60);

/// A contract of one endpoint; `#[contract_test(…)]` in code.
#[derive(Clone, Debug)]
pub struct ContractTest {
    name: String,
    service: String,
    endpoint: String,
    base_url: Option<String>,
    health: Vec<String>,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    #[cfg(feature = "schema")]
    schema: Option<(String, String)>,
    sla: Option<Duration>,
    samples: u64,
    percentile: f64,
    wait_ready: Option<Duration>,
    should_fail: bool,
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

    /// A header by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
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

impl ContractTest {
    /// A contract that asks for an answer only. An endpoint is a path, or a method and a path.
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
            status: None,
            headers: Vec::new(),
            #[cfg(feature = "schema")]
            schema: None,
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

    /// Asks the endpoint, checks what it answers, and hands the last answer to the body.
    ///
    /// # Panics
    ///
    /// Where a check fails: this is the failing of the test.
    pub async fn run<F, R>(self, body: impl FnOnce(ContractResponse) -> F)
    where
        F: Future<Output = R>,
        R: Verdict,
    {
        let mut checked = Checked::begin(&self);
        if let Some(response) = self.ask(&mut checked).await {
            let outcome = attempt(|| body(response)).await;
            let detail = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
            checked.add("body", outcome.is_ok(), detail);
        }
        checked.end();
    }

    /// Has the body ask the endpoint by itself, and times it.
    ///
    /// # Panics
    ///
    /// Where a check fails: this is the failing of the test.
    pub async fn run_timed<F, R>(self, mut body: impl FnMut() -> F)
    where
        F: Future<Output = R>,
        R: Verdict,
    {
        let mut checked = Checked::begin(&self);
        let mut times = Vec::new();
        let mut failure = None;
        for _ in 0..self.samples {
            let start = Instant::now();
            let outcome = attempt(&mut body).await;
            times.push(start.elapsed());
            failure = outcome.err();
            if failure.is_some() {
                break;
            }
        }
        let detail = failure.as_ref().map(ToString::to_string).unwrap_or_default();
        checked.add("body", failure.is_none(), detail);
        checked.time(&self, times);
        checked.end();
    }

    async fn ask(&self, checked: &mut Checked) -> Option<ContractResponse> {
        let base = match self.base() {
            Ok(base) => base,
            Err(missing) => {
                checked.add("reachable", false, missing);
                return None;
            }
        };
        if let Err(error) = self.wait_until_ready(&base).await {
            checked.add("reachable", false, format!("nothing answers at {base}: {error}"));
            return None;
        }
        for endpoint in &self.health {
            let is_well = get(&base, endpoint).await;
            let (passed, detail) = match is_well {
                Ok(response) if response.status < 400 => (true, String::new()),
                Ok(response) => (false, format!("{} is down: {}", self.service, response.status)),
                Err(error) => (false, format!("{} is down: {error}", self.service)),
            };
            checked.add(format!("health {endpoint}"), passed, detail);
            if !passed {
                return None;
            }
        }
        let (mut times, mut last) = (Vec::new(), None);
        for _ in 0..self.samples {
            match get(&base, &self.endpoint).await {
                Ok(response) => {
                    times.push(response.elapsed);
                    last = Some(response);
                }
                Err(error) => {
                    checked.add("reachable", false, format!("{base}: {}: {error}", self.endpoint));
                    return None;
                }
            }
        }
        let response = last?;
        checked.add("reachable", true, String::new());
        self.check(&response, checked);
        checked.time(self, times);
        Some(response)
    }

    fn base(&self) -> Result<String, String> {
        let name: String = self
            .service
            .chars()
            .map(
                |letter| {
                    if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' }
                },
            )
            .collect();
        let variable = format!("MMF_BASE_URL_{name}");
        let url = std::env::var(&variable).ok().or_else(|| self.base_url.clone());
        url.map(|url| url.trim_end_matches('/').to_owned())
            .ok_or_else(|| format!("no base_url is given, and {variable} is not set"))
    }

    async fn wait_until_ready(&self, base: &str) -> Result<(), String> {
        let endpoint = self.health.first().map_or("/", |health| health);
        let start = Instant::now();
        loop {
            match get(base, endpoint).await {
                Ok(_) => return Ok(()),
                Err(error) if self.wait_ready.is_none_or(|limit| start.elapsed() >= limit) => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn check(&self, response: &ContractResponse, checked: &mut Checked) {
        let status = response.status;
        match self.status {
            Some(wanted) => {
                checked.add("status", status == wanted, format!("{status}, expected {wanted}"));
            }
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
                .and_then(|schema| schema.check(&response.body))
                .map_err(|error| format!("{file}: {error}"));
            checked.add("schema", outcome.is_ok(), outcome.err().unwrap_or_default());
        }
    }
}

/// What has been checked so far.
struct Checked {
    name: String,
    started: Instant,
    contract: Contract,
    should_fail: bool,
}

impl Checked {
    fn begin(test: &ContractTest) -> Self {
        Record::start(&test.name);
        let contract = Contract {
            service: test.service.clone(),
            endpoint: test.endpoint.clone(),
            sla_ms: test.sla.map(|sla| sla.as_secs_f64() * 1000.0),
            samples: test.samples,
            percentile: test.percentile,
            ..Contract::default()
        };
        Self {
            name: test.name.clone(),
            started: Instant::now(),
            contract,
            should_fail: test.should_fail,
        }
    }

    fn add(&mut self, name: impl Into<String>, passed: bool, detail: String) {
        self.contract.checks.push(Check { name: name.into(), passed, detail });
    }

    fn time(&mut self, test: &ContractTest, mut times: Vec<Duration>) {
        times.sort();
        let rank = (test.percentile / 100.0 * times.len() as f64).ceil() as usize;
        let Some(measured) = times.get(rank.saturating_sub(1)) else { return };
        self.contract.measured_ms = Some(measured.as_secs_f64() * 1000.0);
        if let Some(sla) = test.sla {
            let detail = format!(
                "{measured:.1?} at the {}th percentile of {}, at most {sla:?}",
                test.percentile,
                times.len()
            );
            self.add("sla", *measured <= sla, detail);
        }
    }

    /// Records it, and fails the test where a check has failed.
    fn end(self) {
        let failed: Vec<_> = self.contract.checks.iter().filter(|check| !check.passed).collect();
        let reasons: Vec<_> =
            failed.iter().map(|check| format!("{}: {}", check.name, check.detail)).collect();
        let taken = self.started.elapsed().as_secs_f64() * 1000.0;
        let (service, endpoint) = (self.contract.service.clone(), self.contract.endpoint.clone());
        let outcome = Outcome::Contract(self.contract);
        let passed = reasons.is_empty() != self.should_fail;
        let mut record = Record::new(self.name, passed, taken, outcome);
        record.reasons.clone_from(&reasons);
        record.write_or_say();
        assert!(
            reasons.is_empty(),
            "the contract of {service} {endpoint} is broken: {}",
            reasons.join("; ")
        );
    }
}

/// One request, from a thread that may block.
async fn get(base: &str, endpoint: &str) -> Result<ContractResponse, String> {
    let (method, path) = endpoint.split_once(' ').unwrap_or(("GET", endpoint));
    let (method, url) = (method.to_owned(), format!("{base}{path}"));
    let asked = tokio::task::spawn_blocking(move || request(&method, &url));
    asked.await.map_err(|error| error.to_string())?
}

fn request(method: &str, url: &str) -> Result<ContractResponse, String> {
    let agent = ureq::Agent::new_with_config(
        ureq::config::Config::builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build(),
    );
    let request = ureq::http::Request::builder().method(method).uri(url).body(());
    let request = request.map_err(|error| error.to_string())?;
    let start = std::time::Instant::now();
    let mut response = agent.run(request).map_err(|error| error.to_string())?;
    let body = response.body_mut().read_to_vec().map_err(|error| error.to_string())?;
    let elapsed = start.elapsed();
    let text =
        |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers =
        response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    Ok(ContractResponse {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body,
        elapsed,
    })
}
