//! The last service: HTTP, with a database behind it.

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use mmf::axum::{Problem, ServiceLayer};
use mmf::correlation;
use mmf::sqlx::{TransactionOptions, is_transient, transaction};
use mmf::{ResilienceError, resilient};
use sqlx::PgPool;

use crate::hops::left_here;

#[derive(Debug, thiserror::Error)]
enum StockError {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

impl From<StockError> for Problem {
    fn from(error: StockError) -> Self {
        match error {
            StockError::Refused(refusal) => refusal.into(),
            error if is_transient(&error) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE).title("The database is away").told(error)
            }
            error => Self::new(StatusCode::INTERNAL_SERVER_ERROR).told(error),
        }
    }
}

/// Reserves what was ordered. The key is the caller's: another attempt for it finds what the first has done.
#[resilient(
    name = "stock.database",
    timeout = "300ms",
    retry(max_attempts = 2, base_delay = "20ms", budget = 0.05, retry_if(is_transient)),
    breaker(failure_threshold = 10, recovery_timeout = "500ms", fail_if(is_transient)),
    bulkhead(max_concurrent = 16, max_queue = 64, max_wait = "200ms")
)]
async fn reserve(pool: &PgPool, key: &str) -> Result<(), StockError> {
    let request = correlation::current_context();
    let id = request.as_ref().map(|request| request.id.to_string());
    let trace = request.and_then(|request| request.trace).map(|trace| trace.trace_id().to_owned());
    transaction!(pool, TransactionOptions::new(), |tx| {
        sqlx::query("INSERT INTO reservations VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(key)
            .bind(&id)
            .bind(&trace)
            .execute(&mut **tx)
            .await
            .map(drop)
    })?;
    Ok(())
}

async fn reservations(
    State(pool): State<PgPool>,
    Path(key): Path<String>,
) -> Result<Json<Vec<u64>>, Problem> {
    let left = left_here();
    reserve(&pool, &key).await?;
    Ok(Json(vec![left]))
}

pub(crate) fn app(pool: PgPool) -> Router {
    let layer = ServiceLayer::new("stock").timeout_header("x-request-timeout-ms");
    Router::new().route("/reservations/{key}", post(reservations)).layer(layer).with_state(pool)
}
