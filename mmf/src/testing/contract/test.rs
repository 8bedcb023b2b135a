//! What is said of one endpoint.

#[cfg(feature = "schema")]
use std::sync::Arc;
use std::time::Duration;

use super::http::Client;
#[cfg(feature = "schema")]
use super::schema::Schema;

/// A contract of one endpoint; `#[contract_test(…)]` in code.
///
/// ```no_run
/// use std::time::Duration;
/// use mmf::testing::ContractTest;
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
    pub(super) name: String,
    pub(super) service: String,
    pub(super) endpoint: String,
    pub(super) base_url: Option<String>,
    pub(super) health: Vec<String>,
    pub(super) request_headers: Vec<(String, String)>,
    pub(super) request_body: Option<Vec<u8>>,
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(String, String)>,
    #[cfg(feature = "schema")]
    pub(super) schema: Option<(String, Result<Arc<Schema>, String>)>,
    #[cfg(feature = "openapi")]
    pub(super) openapi: Option<super::openapi::OpenApiContract>,
    #[cfg(feature = "pact")]
    pub(super) pact: Option<super::pact::PactContract>,
    #[cfg(feature = "pact")]
    pub(super) states: Option<super::pact::States>,
    #[cfg(feature = "grpc")]
    pub(super) grpc_services: Vec<String>,
    pub(super) sla: Option<Duration>,
    pub(super) samples: u64,
    pub(super) percentile: f64,
    pub(super) wait_ready: Option<Duration>,
    pub(super) client: Client,
    pub(super) should_fail: bool,
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
            #[cfg(feature = "pact")]
            states: None,
            #[cfg(feature = "grpc")]
            grpc_services: Vec::new(),
            sla: None,
            samples: 1,
            percentile: 95.0,
            wait_ready: None,
            client: Client::default(),
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
        self.schema = Some((file.into(), Schema::parse(&text.into()).map(Arc::new)));
        self
    }

    /// The OpenAPI document that request and answer are checked against: the name of its file, and its text.
    ///
    /// The operation is an `operationId`, or a method and a path as the document writes it. Where it is empty, the
    /// operation is the one that the endpoint belongs to; where the endpoint is empty, the operation's own
    /// examples make the request. Files that the document refers to are read from its folder, and from nowhere else.
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

    /// A document that the program holds with all its files, each by its name below the folder of the document.
    #[cfg(feature = "openapi")]
    #[doc(hidden)]
    pub fn openapi_files(
        mut self,
        file: &str,
        files: &'static [(&'static str, &'static [u8])],
        operation: impl Into<String>,
    ) -> Self {
        self.openapi =
            Some(super::openapi::OpenApiContract::of_files(file, files, operation.into()));
        self
    }

    /// Whether what the request of the document's operation needs, and has no example, is made of its schema: the
    /// smallest valid value, the same in each run. Default: no.
    #[cfg(feature = "openapi")]
    pub fn generate(mut self, yes: bool) -> Self {
        if let Some(openapi) = &mut self.openapi {
            openapi.generates = yes;
        }
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
        self.pact = Some(super::pact::PactContract::new(file.into(), &text.into(), interaction));
        self
    }

    /// Where the Pact file lies: those beside it that no test names are told of.
    #[cfg(feature = "pact")]
    #[doc(hidden)]
    pub fn pact_path(mut self, path: &str) -> Self {
        if let Some(pact) = &mut self.pact {
            pact.lies_at(path);
        }
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
        self.states = Some(super::pact::States::new(set_up));
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

    /// How long one request may take, to the end of its answer. Default: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.client.timeout = timeout;
        self
    }

    /// How many bytes the body of an answer may have. Default: 64 MiB.
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.client.max_body = bytes;
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
}
