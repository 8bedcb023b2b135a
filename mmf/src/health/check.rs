//! A check, as it is registered.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::time::Duration;

/// What a check is to the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Importance {
    /// Without it nothing can be served: while it is down, the service is not ready.
    Critical,
    /// Without it something is missing: while it is down, the service is degraded. The default.
    Degrading,
    /// It is told, and changes nothing.
    Informing,
}

impl Importance {
    /// Its word, such as `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Degrading => "degrading",
            Self::Informing => "informing",
        }
    }
}

impl Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

type Work = dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// Asks whether something is well, in the background, again and again; see [`register`](super::register).
///
/// ```
/// use std::time::Duration;
/// use mmf::health::Check;
///
/// # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
/// let database = Check::new("database", || async { ping().await })
///     .timeout(Duration::from_secs(1))
///     .every(Duration::from_secs(5))
///     .critical();
/// ```
#[must_use = "a check does nothing until it is registered"]
#[doc(alias = "ResilienceHealthCheck")]
pub struct Check {
    pub(super) name: String,
    pub(super) work: Box<Work>,
    pub(super) timeout: Duration,
    pub(super) every: Duration,
    pub(super) importance: Importance,
}

impl Check {
    /// A check by this name: an error, whose text is told in the log, is down. What blocks belongs into `spawn_blocking`, with a
    /// limit of its own: it cannot be given up. Default: every 5 s, each time at most 1 s,
    /// [`Degrading`](Importance::Degrading).
    pub fn new<F, Fut, E>(name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let work = move || -> Pin<Box<dyn Future<Output = _> + Send>> {
            let check = check();
            Box::pin(async move { check.await.map_err(|error| error.to_string()) })
        };
        Self {
            name: name.into(),
            work: Box::new(work),
            timeout: Duration::from_secs(1),
            every: Duration::from_secs(5),
            importance: Importance::Degrading,
        }
    }

    /// How long it may take; what takes longer is down, and is given up. No time at all is a millisecond.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit.max(Duration::from_millis(1));
        self
    }

    /// How long it is from the begin of one to the begin of the next; no time at all is a millisecond.
    pub fn every(mut self, period: Duration) -> Self {
        self.every = period.max(Duration::from_millis(1));
        self
    }

    /// The service is not ready while it is down.
    pub fn critical(mut self) -> Self {
        self.importance = Importance::Critical;
        self
    }

    /// The service is degraded while it is down.
    pub fn degrading(mut self) -> Self {
        self.importance = Importance::Degrading;
        self
    }

    /// It is told, and changes nothing.
    pub fn informing(mut self) -> Self {
        self.importance = Importance::Informing;
        self
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("importance", &self.importance)
            .field("timeout", &self.timeout)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}
