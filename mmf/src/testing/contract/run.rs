//! The check of one endpoint, from where it is to what it answers.

use tokio::time::Instant;

use super::http::{ContractResponse, Request};
use super::ready::until_ready;
use super::report::{Checked, ContractReport};
use super::test::ContractTest;
use crate::testing::body::{Verdict, attempt};
use crate::testing::results::Contract;

impl ContractTest {
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
        #[cfg_attr(
            not(feature = "pact"),
            expect(unused_mut, reason = "a Pact file alone is noted")
        )]
        let mut checked = Checked::begin(&self.name, contract, self.should_fail);
        #[cfg(feature = "pact")]
        if let Some(pact) = &self.pact {
            checked.pact = pact.source();
        }
        checked
    }

    /// The endpoint, or what says what it is.
    fn label(&self) -> String {
        #[cfg(feature = "openapi")]
        if let (true, Some(openapi)) = (self.endpoint.is_empty(), &self.openapi) {
            return openapi.operation_name().to_owned();
        }
        #[cfg(feature = "pact")]
        if let (true, Some(pact)) = (self.endpoint.is_empty(), &self.pact) {
            return pact.label().to_owned();
        }
        self.endpoint.clone()
    }

    /// The last answer, where each was as it should be or at least came.
    async fn ask(&self, checked: &mut Checked) -> Option<ContractResponse> {
        let base = self.reached(checked).await?;
        #[cfg(feature = "grpc")]
        if !self.grpc_services.is_empty() && !self.serves(&base, checked).await {
            return None;
        }
        let mut times = Vec::new();
        let mut last = None;
        let before = checked.contract.checks.len();
        // Every answer is checked: the checks of the first that fails are kept, or else those of the last.
        for number in 1..=self.samples {
            checked.contract.checks.truncate(before);
            last = self.sample(&base, checked).await;
            times.extend(last.as_ref().map(ContractResponse::elapsed));
            let failed = checked.contract.checks[before..].iter_mut().find(|check| !check.passed);
            if let Some(failed) = failed {
                if number > 1 {
                    failed.detail += &format!(" (answer {number} of {})", self.samples);
                }
                break;
            }
            last.as_ref()?;
        }
        checked.time(times, self.sla);
        last
    }

    /// Asks once, and checks the answer.
    async fn sample(&self, base: &str, checked: &mut Checked) -> Option<ContractResponse> {
        #[cfg(feature = "pact")]
        let before = checked.contract.checks.len();
        #[cfg(feature = "pact")]
        let states = self.states.as_ref();
        let mut answer = None;
        if let Some(request) = self.request(base, checked).await {
            if self.endpoint.is_empty() {
                checked.contract.endpoint = request.to_string();
            }
            match self.client.send(&request, base).await {
                Ok(response) => {
                    checked.add("reachable", true, "");
                    self.check(&request, &response, checked).await;
                    answer = Some(response);
                }
                Err(error) => {
                    checked.add("reachable", false, error.told(base, &request));
                }
            }
        }
        #[cfg(feature = "pact")]
        if let Some(pact) = &self.pact {
            pact.tear_down(base, states, checked).await;
            if pact.is_pending() {
                checked.forgive(before, "pending");
            }
        }
        answer
    }

    fn is_by_pact(&self) -> bool {
        #[cfg(feature = "pact")]
        return self.pact.is_some();
        #[cfg(not(feature = "pact"))]
        false
    }

    /// Where the service is, once it can be reached and says that it is well.
    async fn reached(&self, checked: &mut Checked) -> Option<String> {
        let base = self.located(checked)?;
        let client = self.client;
        // Without either, what is asked tells.
        if self.wait_ready.is_some() || !self.health.is_empty() {
            let request = Request::of_endpoint(self.health.first().map_or("/", |health| health));
            let (base_url, asked) = (&base, &request);
            let ask = |within| async move { client.status(asked, base_url, within).await };
            if let Err(error) = until_ready(self.wait_ready, client.timeout, ask).await {
                checked.add("reachable", false, error.told(&base, &request));
                return None;
            }
        }
        for endpoint in &self.health {
            let request = Request::of_endpoint(endpoint);
            let well = match client.status(&request, &base, client.timeout).await {
                Ok(status) if is_success(status) => Ok(()),
                Ok(status) => Err(format!("{} is down: {status}", self.service)),
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
        let by_variable = std::env::var(&variable).ok().filter(|url| !url.trim().is_empty());
        let url = by_variable.or_else(|| self.base_url.clone());
        let wrong = match &url {
            Some(url) if cfg!(not(feature = "tls")) && url.starts_with("https:") => {
                Some("https needs the feature `tls` of `mmf`".into())
            }
            Some(url) if url.contains("://") => None,
            Some(url) => Some(without_scheme(url)),
            None => Some(format!("no base_url is given, and {variable} is not set")),
        };
        if let Some(wrong) = wrong {
            checked.add("reachable", false, wrong);
            return None;
        }
        url.map(|url| url.trim_end_matches('/').to_owned())
    }

    /// What to ask: of the Pact file, the OpenAPI document, or by hand.
    async fn request(&self, base: &str, checked: &mut Checked) -> Option<Request> {
        #[cfg(feature = "pact")]
        if let Some(pact) = &self.pact {
            let request = pact.request(base, self.states.as_ref(), checked).await?;
            let request = request.with(&self.request_headers, self.request_body.as_ref());
            #[cfg(feature = "openapi")]
            if let Some(openapi) = &self.openapi {
                checked.add_result("documented request", openapi.check_request(&request));
            }
            return Some(request);
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
        match self.status {
            Some(wanted) => {
                checked.add("status", status == wanted, format!("{status}, expected {wanted}"));
            }
            // An interaction says itself which status it expects.
            None if self.is_by_pact() => {}
            None => {
                checked.add("status", is_success(status), format!("{status}, expected success"));
            }
        }
        for (name, wanted) in &self.headers {
            let found: Vec<_> = response.header_values(name).collect();
            let is_it = |found: &str| {
                found == wanted || found.split(';').next().is_some_and(|main| main.trim() == wanted)
            };
            // Several are one list (RFC 9110, 5.3): it is the list that is wanted, or each says the same.
            let joined = found.join(", ");
            let is_met =
                !found.is_empty() && (joined == *wanted || found.iter().all(|found| is_it(found)));
            let found = if found.is_empty() { "none" } else { &joined };
            let detail = format!("{found}, expected {wanted}");
            checked.add(format!("header {name}"), is_met, detail);
        }
        #[cfg(feature = "schema")]
        if let Some((file, schema)) = &self.schema {
            let outcome = match schema {
                Ok(schema) => schema.check(response.bytes()),
                Err(why) => Err(why.clone()),
            };
            checked.add_result("schema", outcome.map_err(|why| format!("{file}: {why}")));
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
        let patience = (self.wait_ready, self.client.timeout);
        super::grpc::check(base, &self.service, &self.grpc_services, patience, checked).await;
        checked.contract.checks[before..].iter().all(|check| check.passed)
    }
}

/// A redirect is an answer of its own, and none of success.
fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// What is wrong with a URL that has no scheme. With one, its credentials are found, and not shown.
fn without_scheme(url: &str) -> String {
    let url = format!("http://{url}");
    let url = mmf_runtime::url::without_credentials(&url);
    format!("the base_url {:?} has no scheme: {url:?}", url.trim_start_matches("http://"))
}
