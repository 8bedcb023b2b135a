//! Time, by `tokio::time`, so that `#[tokio::test(start_paused = true)]` drives every policy.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

/// Where [`nanos`] begins to count, in the middle of its range: a paused clock may stand before the
/// instant at which this process first asked.
const ORIGIN: u64 = 1 << 62;

static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The current instant.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The current instant as nanoseconds on a scale of this process, for keeping in an atomic.
pub(crate) fn nanos() -> u64 {
    let first = *FIRST;
    let now = now();
    match now.checked_duration_since(first) {
        Some(since) => ORIGIN.saturating_add(saturating_nanos(since)),
        None => ORIGIN.saturating_sub(saturating_nanos(first.duration_since(now))),
    }
}

/// A duration in whole nanoseconds; one above 584 years becomes 584 years.
pub(crate) fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `instant + duration`, or about thirty years ahead where that is out of range.
pub(crate) fn later(instant: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
    instant.checked_add(duration.min(FAR)).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_that_overflows_the_clock_saturates() {
        assert!(later(now(), Duration::MAX) > now());
        assert_eq!(saturating_nanos(Duration::MAX), u64::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_stands_still_and_advances_exactly() {
        let before = nanos();
        assert_eq!(nanos(), before);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(nanos() - before, 60_000_000_000);
    }
}
