//! Metadata that says nothing: left aside, counted, and told once a minute.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What of one name came and could not be read.
#[derive(Debug)]
pub(super) struct Malformed {
    name: &'static str,
    /// All of them.
    count: AtomicU64,
    /// As many had come when it was told last.
    told: AtomicU64,
    /// When it may be told again, in milliseconds of the process; 0 before the first.
    due: AtomicU64,
}

const MINUTE: Duration = Duration::from_secs(60);

/// `grpc-timeout` that is no time.
pub(super) static TIMEOUTS: Malformed = Malformed::of("grpc-timeout");
/// `grpc-retry-pushback-ms` that is no number.
pub(super) static PUSHBACKS: Malformed = Malformed::of("grpc-retry-pushback-ms");

/// `grpc-status-details-bin` that is no base64.
pub(super) static DETAILS: Malformed = Malformed::of("grpc-status-details-bin");

impl Malformed {
    const fn of(name: &'static str) -> Self {
        let (count, told, due) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { name, count, told, due }
    }

    /// One more came.
    #[cold]
    pub(super) fn note(&self) {
        // Relaxed throughout: statistics, and whoever moves the time on tells.
        self.count.fetch_add(1, Ordering::Relaxed);
        let now = millis();
        let due = self.due.load(Ordering::Relaxed);
        let next = now.saturating_add(MINUTE.as_millis() as u64);
        if due <= now
            && self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            let total = self.count.load(Ordering::Relaxed);
            let since_last = total - self.told.swap(total, Ordering::Relaxed).min(total);
            tracing::warn!(
                target: "mmf::grpc", metadata = self.name, since_last, total,
                "malformed {} was left aside", self.name
            );
        }
    }

    /// All that came so far.
    pub(super) fn total(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Of tokio's clock, so that a test may move it on.
fn millis() -> u64 {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let begin = *BEGIN.get_or_init(Instant::now);
    u64::try_from(Instant::now().saturating_duration_since(begin).as_millis()).unwrap_or(u64::MAX)
}

/// How often metadata of this name came and could not be read, in this process: `grpc-timeout`,
/// `grpc-retry-pushback-ms` or `grpc-status-details-bin`. It is left aside each time, and told by a warning at most once a minute.
///
/// ```
/// assert_eq!(mmf::tonic::malformed("grpc-timeout"), 0);
/// ```
pub fn malformed(name: &str) -> u64 {
    [&TIMEOUTS, &PUSHBACKS, &DETAILS]
        .into_iter()
        .filter(|malformed| malformed.name == name)
        .map(Malformed::total)
        .sum()
}
