//! A test of a consumer, which writes the Pact file when it passes.

use std::path::PathBuf;

use super::super::report::{Checked, ContractReport};
use super::file::PactFile;
use super::interaction::Interaction;
use super::server::{Server, Shared};
use crate::testing::body::{Verdict, attempt};
use crate::testing::results::Contract;

/// The provider that a test of a consumer talks to.
#[derive(Clone, Debug)]
pub struct ConsumerPact {
    url: String,
    shared: Shared,
}

impl ConsumerPact {
    /// Where it listens: `http://127.0.0.1:` and a port.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it answers by this interaction as well. One that is never asked for fails the test.
    ///
    /// # Panics
    ///
    /// Where a pattern in it is none, with its place.
    pub fn expect(&self, interaction: Interaction) {
        let Interaction { http, wrong } = interaction;
        assert!(wrong.is_empty(), "{:?}: {}", http.description, wrong.join("; "));
        self.shared.lock().expected.push((http, 0));
    }
}

/// A test of a consumer against a provider that answers by interactions;
/// `#[contract_test(consumer = …, provider = …, writes = …)]` in code.
///
/// ```no_run
/// use mmf::testing::pact::{ConsumerTest, Interaction, like};
///
/// # async fn fetch(_: &str) -> Result<String, std::io::Error> { Ok(String::new()) }
/// # async fn example() {
/// ConsumerTest::new("reads a user", "web", "user-service", "pacts")
///     .run(|pact| async move {
///         pact.expect(
///             Interaction::new("a request for user 1")
///                 .given("user 1 exists")
///                 .request("GET /users/1")
///                 .json(serde_json::json!({ "name": like("Ada") })),
///         );
///         fetch(&format!("{}/users/1", pact.url())).await.map(drop)
///     })
///     .await
///     .assert_passed();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ConsumerTest {
    name: String,
    consumer: String,
    provider: String,
    folder: PathBuf,
    should_fail: bool,
}

impl ConsumerTest {
    /// A test of `consumer` against `provider`; where it passes, its interactions go into `consumer-provider.json` in
    /// the folder, beside those of other tests. Those that it wrote before and has no more are taken out.
    pub fn new(
        name: impl Into<String>,
        consumer: impl Into<String>,
        provider: impl Into<String>,
        folder: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            consumer: consumer.into(),
            provider: provider.into(),
            folder: folder.into(),
            should_fail: false,
        }
    }

    /// It is a test of `#[should_panic]`: it is recorded as passed where a check fails.
    #[must_use]
    pub fn should_fail(mut self) -> Self {
        self.should_fail = true;
        self
    }

    /// Runs the body against the provider, checks what it asked, and writes the file where all is well.
    pub async fn run<F, R>(self, body: impl FnOnce(ConsumerPact) -> F) -> ContractReport
    where
        F: Future<Output = R>,
        R: Verdict,
    {
        let contract = Contract {
            service: self.provider.clone(),
            endpoint: format!("pact with {}", self.consumer),
            samples: 1,
            percentile: 100.0,
            ..Contract::default()
        };
        let mut checked = Checked::begin(&self.name, contract, self.should_fail);
        let shared = Shared::default();
        match Server::start(shared.clone()).await {
            Ok(server) => {
                let pact = ConsumerPact { url: server.url.clone(), shared: shared.clone() };
                let outcome = attempt(|| body(pact)).await;
                checked.add_result("body", outcome.map_err(|failure| failure.to_string()));
                self.judge(&shared, &mut checked);
            }
            Err(error) => {
                checked.add("reachable", false, format!("no port of loopback: {error}"));
            }
        }
        checked.end()
    }

    fn judge(&self, shared: &Shared, checked: &mut Checked) {
        let exchange = shared.lock();
        for what in &exchange.unexpected {
            checked.add("unexpected request", false, what.clone());
        }
        if exchange.expected.is_empty() {
            checked.add("interactions", false, "none was declared: `pact.expect(…)`");
        }
        for (interaction, asked) in &exchange.expected {
            checked.add(
                format!("interaction {}", interaction.description),
                *asked > 0,
                format!("asked {asked} times"),
            );
        }
        if checked.contract.checks.iter().all(|check| check.passed) {
            let interactions: Vec<_> =
                exchange.expected.iter().map(|(http, _)| http.clone()).collect();
            let file = PactFile::new(&self.folder, &self.consumer, &self.provider);
            let merged = file.and_then(|file| file.merge(&self.name, interactions));
            checked.add_result("pact file", merged);
        }
    }
}
