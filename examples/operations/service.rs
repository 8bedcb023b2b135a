//! The service: prices that it cannot do without, and tips that it can.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use mmf::axum::{Problem, ServiceLayer, probes};
use mmf::{ResilienceError, http, resilient};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ShopError {
    #[error("no price: {0}")]
    Price(#[from] reqwest::Error),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

impl http::Outcome for ShopError {
    fn status(&self) -> Option<::http::StatusCode> {
        match self {
            Self::Price(error) => error.status(),
            Self::Refused(_) => None,
        }
    }

    fn is_transport(&self) -> bool {
        matches!(self, Self::Price(error) if error.status().is_none())
    }
}

impl From<ShopError> for Problem {
    fn from(error: ShopError) -> Self {
        match error {
            ShopError::Refused(refusal) => refusal.into(),
            error => Self::new(::http::StatusCode::BAD_GATEWAY).told(error),
        }
    }
}

/// Where the prices are.
#[derive(Clone)]
pub(crate) struct Prices {
    pub(crate) client: reqwest::Client,
    pub(crate) url: String,
}

impl Prices {
    #[resilient(
        name = "shop.price",
        timeout = "1s",
        retry(max_attempts = 2, base_delay = "5ms", budget = 0.1, retry_if(http::is_transient)),
        breaker(failure_threshold = 10, recovery_timeout = "500ms", fail_if(http::is_failure)),
        bulkhead(max_concurrent = 64)
    )]
    pub(crate) async fn get(&self) -> Result<String, ShopError> {
        Ok(self.client.get(&self.url).send().await?.error_for_status()?.text().await?)
    }
}

#[resilient(
    name = "shop.tips",
    feature = "tips",
    disable_at = "minor",
    fallback(value("no tips today"))
)]
async fn tips() -> Result<&'static str, ResilienceError> {
    Ok("buy two")
}

async fn offer(State(prices): State<Prices>) -> Result<String, Problem> {
    let price = prices.get().await?;
    Ok(format!("{price} ({})", tips().await?))
}

pub(crate) fn app(prices: Prices) -> Router {
    let shop = Router::new().route("/offer", get(offer)).with_state(prices);
    probes().merge(shop.layer(ServiceLayer::new("shop")))
}
