//! Retry, breaker, timeout and bulkhead as one would join them from libraries, by hand.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use recloser::AsyncRecloser;
use tokio::sync::Semaphore;

use crate::functions::{Error, work};

/// A call through all four.
///
/// # Errors
///
/// What the function answers, or a refusal.
pub async fn by_hand(
    breaker: &AsyncRecloser,
    semaphore: &Semaphore,
    backoff: ConstantBuilder,
    id: u64,
) -> Result<u64, Error> {
    let attempt = || async {
        let limited = tokio::time::timeout(Duration::from_secs(1), async {
            let _permit = semaphore.acquire().await.map_err(|_| Error)?;
            work(id).await
        });
        breaker.call(async { limited.await.unwrap_or(Err(Error)) }).await
    };
    attempt.retry(backoff).await.map_err(|_| Error)
}
