//! A service that is not ready yet.

use std::time::Duration;

use tokio::time::Instant;

/// Between two attempts to reach one.
const PAUSE: Duration = Duration::from_millis(50);
/// An attempt is given at least so long.
const LEAST: Duration = Duration::from_millis(1);

/// Tries again until it succeeds, for so long; without a limit once. Each attempt is told how long it may take, so
/// that none outlasts the limit.
pub(super) async fn until_ready<T, E, F>(
    limit: Option<Duration>,
    timeout: Duration,
    mut attempt: impl FnMut(Duration) -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let start = Instant::now();
    loop {
        let left = limit.map_or(timeout, |limit| limit.saturating_sub(start.elapsed()));
        let ended = attempt(left.min(timeout).max(LEAST)).await;
        let left = limit.map_or(Duration::ZERO, |limit| limit.saturating_sub(start.elapsed()));
        if ended.is_ok() || left <= PAUSE {
            return ended;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
