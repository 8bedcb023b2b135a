//! Which faults strike, where, and within which limits.

use std::fmt;
use std::time::Duration;

use super::fault::Fault;
use super::kind::ChaosKind;

/// A config that can never work, by what is wrong with it, or that may not be armed, by what allows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidChaos(pub(super) String);

/// Which faults strike, where, and within which limits.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::chaos::{ChaosConfig, ChaosKind, Fault};
///
/// let config = ChaosConfig::new()
///     .target("users.*")
///     .fault(Fault::new(ChaosKind::NetworkFailure).probability(0.2))
///     .kind(ChaosKind::HighLatency)
///     .blast_radius(0.5, 1000);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ChaosConfig {
    pub(super) faults: Vec<Fault>,
    pub(super) target: String,
    pub(super) annotated: bool,
    pub(super) max_share: f64,
    pub(super) max_injections: u64,
    pub(super) stop_above: Option<f64>,
}

impl Default for ChaosConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// As `MMF_CHAOS` has it, with how often each strikes: `users.*: network_delay(p=0.3), hang(p=1)`.
impl fmt::Display for ChaosConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target)?;
        let striking = self.faults.iter().filter(|fault| fault.enabled);
        for (place, fault) in striking.enumerate() {
            let before = if place == 0 { ": " } else { ", " };
            write!(f, "{before}{}(p={})", fault.kind, fault.probability)?;
        }
        Ok(())
    }
}

impl ChaosConfig {
    /// No fault, at every point.
    pub fn new() -> Self {
        Self {
            faults: Vec::new(),
            target: "*".into(),
            annotated: false,
            max_share: 1.0,
            max_injections: u64::MAX,
            stop_above: None,
        }
    }

    /// The faults that points name themselves, in their `#[chaos(…)]`.
    pub fn annotated() -> Self {
        Self { annotated: true, ..Self::new() }
    }

    /// A glob over the names of points, where `*` is any text. Default: `*`.
    pub fn target(mut self, glob: impl Into<String>) -> Self {
        self.target = glob.into();
        self
    }

    /// One more fault.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// One more fault, with the defaults of its kind.
    pub fn kind(self, kind: ChaosKind) -> Self {
        self.fault(Fault::new(kind))
    }

    /// At most this share of a point's calls, and this many injections in all. Default: no limit.
    pub fn blast_radius(mut self, max_share: f64, max_injections: u64) -> Self {
        (self.max_share, self.max_injections) = (max_share, max_injections);
        self
    }

    /// Ends the experiment once more than this share of the calls at its points has failed, looked at from
    /// the twentieth on. Default: never.
    pub fn stop_if_error_rate_above(mut self, share: f64) -> Self {
        self.stop_above = Some(share);
        self
    }

    /// How long any of it stays armed.
    pub(super) fn duration(&self) -> Duration {
        self.faults.iter().map(Fault::lasts).max().unwrap_or(Duration::from_secs(10))
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    ///
    /// Where a share is none, or `min` lies above `max`.
    pub fn check(&self) -> Result<(), InvalidChaos> {
        if let Some(mistake) = self.faults.iter().find_map(Fault::mistake) {
            return Err(InvalidChaos(mistake));
        }
        let is_share = |value: f64| (0.0..=1.0).contains(&value);
        if !is_share(self.max_share) || !self.stop_above.is_none_or(is_share) {
            return Err(InvalidChaos("a share lies between 0 and 1".into()));
        }
        Ok(())
    }
}
