//! The client: what a user of MMF writes.

use std::net::SocketAddr;
use std::time::Duration;

use mmf::chaos::InjectedFault;
use mmf::{ResilienceError, resilient};
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;

use crate::server::Server;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("status {0}")]
    Status(u16),
    #[error("too many requests, come back in {0:?}")]
    TooMany(Duration),
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
    /// Only experiments make it.
    #[error(transparent)]
    Injected(#[from] InjectedFault),
}

impl ApiError {
    /// The server's own hint, for `retry_after`.
    fn come_back_in(&self) -> Option<Duration> {
        match self {
            Self::TooMany(delay) => Some(*delay),
            _ => None,
        }
    }

    fn is_connection(&self) -> bool {
        matches!(self, Self::Http(error) if !error.is_builder())
    }
}

pub(crate) struct Shop {
    http: reqwest::Client,
    base: String,
    breaking: String,
}

impl Shop {
    pub(crate) fn new(server: &Server) -> Self {
        Self { breaking: format!("http://{}/stock", server.breaking), ..Self::at(server.http) }
    }

    /// A shop whose server is reached at this address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: format!("http://{address}"),
            breaking: String::new(),
        }
    }

    #[resilient(
        name = "shop.orders",
        retry(
            max_attempts = 5,
            base_delay = "50ms",
            backoff = "jittered_exponential",
            retry_on(ApiError::Status(500..=599))
        )
    )]
    pub(crate) async fn orders(&self) -> Result<String, ApiError> {
        self.get(&format!("{}/bursts", self.base)).await
    }

    #[resilient(
        name = "shop.item",
        deadline = "3s",
        timeout = "300ms",
        retry(max_attempts = 3, base_delay = "50ms", backoff = "fibonacci")
    )]
    pub(crate) async fn item(&self, id: u32) -> Result<String, ApiError> {
        self.get(&format!("{}/hanging?id={id}", self.base)).await
    }

    #[resilient(name = "shop.price", hedge(delay = "100ms"))]
    pub(crate) async fn price(&self, item: &str) -> Result<String, ApiError> {
        self.get(&format!("{}/slow?item={item}", self.base)).await
    }

    #[resilient(
        name = "shop.stock",
        timeout = "1s",
        retry(max_attempts = 4, base_delay = "100ms", retry_if(ApiError::is_connection))
    )]
    pub(crate) async fn stock(&self) -> Result<String, ApiError> {
        self.get(&self.breaking).await
    }

    #[resilient(
        name = "shop.review",
        retry(base_delay = "50ms", retry_after(ApiError::come_back_in))
    )]
    pub(crate) async fn review(&self) -> Result<String, ApiError> {
        self.get(&format!("{}/limited", self.base)).await
    }

    #[resilient(
        name = "shop.catalogue",
        timeout = "300ms",
        retry(
            max_attempts = 10,
            base_delay = "20ms",
            backoff = "jittered_exponential",
            max_delay = "200ms"
        )
    )]
    pub(crate) async fn catalogue(&self) -> Result<String, ApiError> {
        self.get(&format!("{}/catalogue", self.base)).await
    }

    #[resilient(name = "shop.report", bulkhead(max_concurrent = 2, max_queue = 2))]
    pub(crate) async fn report(&self) -> Result<String, ApiError> {
        self.get(&format!("{}/busy", self.base)).await
    }

    #[resilient(
        name = "shop.recommendations",
        timeout = "500ms",
        breaker(failure_threshold = 3, recovery_timeout = "800ms", success_threshold = 2),
        fallback(Self::bestsellers)
    )]
    pub(crate) async fn recommendations(&self) -> Result<String, ApiError> {
        self.get(&format!("{}/down", self.base)).await
    }

    fn bestsellers(&self, _: ApiError) -> Result<String, ApiError> {
        Ok("bestsellers".into())
    }

    async fn get(&self, url: &str) -> Result<String, ApiError> {
        let response = self.http.get(url).send().await?;
        match response.status() {
            status if status.is_success() => Ok(response.text().await?),
            StatusCode::TOO_MANY_REQUESTS => {
                let header = response.headers().get(RETRY_AFTER);
                let seconds = header.and_then(|value| value.to_str().ok()?.parse().ok());
                Err(ApiError::TooMany(Duration::from_secs(seconds.unwrap_or(1))))
            }
            status => Err(ApiError::Status(status.as_u16())),
        }
    }
}
