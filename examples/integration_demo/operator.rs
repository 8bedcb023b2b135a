//! What an operator has: probes, metrics, and the page's JSON with its token.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Error;

pub(crate) const TOKEN: &str = "demo";

pub(crate) struct Operator {
    client: reqwest::Client,
    pub(crate) base: String,
    /// Number of the last event that was told.
    last: u64,
}

impl Operator {
    pub(crate) fn new(base: String) -> Self {
        Self { client: reqwest::Client::new(), base, last: 0 }
    }

    pub(crate) async fn text(&self, path: &str) -> Result<(u16, String), Error> {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    pub(crate) async fn json(&self, path: &str) -> Result<Value, Error> {
        Ok(serde_json::from_str(&self.text(path).await?.1)?)
    }

    /// What was changed; what is refused is an error, in the words of the service.
    pub(crate) async fn change(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let request =
            self.client.post(format!("{}/admin/api/{path}", self.base)).bearer_auth(TOKEN);
        let answer = request.json(body).send().await?;
        let is_refused = !answer.status().is_success();
        let told: Value = answer.json().await?;
        match told["detail"].as_str() {
            Some(detail) if is_refused => Err(detail.into()),
            _ if is_refused => Err(told.to_string().into()),
            _ => Ok(told),
        }
    }

    /// One more request, with an id of its own.
    pub(crate) async fn request(&self, id: &str) -> Result<(), Error> {
        let request = self.client.get(format!("{}/users/1", self.base));
        request.header("x-correlation-id", id).send().await?.error_for_status()?;
        Ok(())
    }

    /// The counters of the policy around the accounts.
    pub(crate) async fn snapshot(&self) -> Result<Value, Error> {
        Ok(self.json("/admin/api/policies/users.account").await?["snapshot"].take())
    }

    /// The value of a series of the metrics.
    pub(crate) async fn metric(&self, series: &str) -> Result<f64, Error> {
        let (_, text) = self.text("/metrics").await?;
        let line = text
            .lines()
            .find(|line| line.starts_with(series))
            .ok_or_else(|| format!("no {series}"))?;
        Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
    }

    pub(crate) async fn readiness(&self) -> Result<String, Error> {
        Ok(self.json("/readyz").await?["status"].as_str().unwrap_or("no answer").to_owned())
    }

    pub(crate) async fn level(&self) -> Result<String, Error> {
        Ok(self.json("/admin/api/health").await?["level"].as_str().unwrap_or_default().to_owned())
    }

    /// What happened to the accounts' policy since it was asked last, a line each: milliseconds since 1970, and what it was.
    pub(crate) async fn events(&mut self) -> Result<Vec<(u64, String)>, Error> {
        let path = format!("/admin/api/events?policy=users.account&most=1000&after={}", self.last);
        let events = self.json(&path).await?;
        let events = events.as_array().cloned().unwrap_or_default();
        self.last =
            events.iter().filter_map(|event| event["number"].as_u64()).max().unwrap_or(self.last);
        let line = |event: &Value| {
            let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            let times = event["times"].as_u64().filter(|times| *times > 1);
            let times = times.map(|times| format!("{times} × ")).unwrap_or_default();
            (
                event["at"].as_u64().unwrap_or_default(),
                format!("{:9} {times}{}", text("kind"), text("text")),
            )
        };
        Ok(events.iter().map(line).collect())
    }

    /// Waits for something to hold, at most five seconds; whether it does.
    pub(crate) async fn until(
        &self,
        holds: impl AsyncFn(&Self) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let began = Instant::now();
        loop {
            if holds(self).await? {
                return Ok(true);
            }
            if began.elapsed() > Duration::from_secs(5) {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A new configuration; what it changes, a line each.
    pub(crate) async fn configure(&self, text: &str, check: bool) -> Result<Vec<String>, Error> {
        let told = self.change("configuration", &json!({ "text": text, "check": check })).await?;
        let changes = told["changes"].as_array().ok_or("no changes are told")?;
        Ok(changes.iter().filter_map(|change| change.as_str().map(str::to_owned)).collect())
    }
}
