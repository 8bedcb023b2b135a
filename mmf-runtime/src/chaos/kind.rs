//! The kinds of faults, and the error of those that fail a call.

use std::fmt;
use std::io;

/// What can be injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChaosKind {
    /// The call is late, as over a slow network: between `min` and `max`, or up to `intensity` × 5 s.
    NetworkDelay,
    /// The call fails as a broken connection does: reset, refused, unreachable, broken pipe.
    NetworkFailure,
    /// The call fails as with HTTP 503.
    ServiceUnavailable,
    /// The call is late, as from a slow server: up to `intensity` × 10 s.
    HighLatency,
    /// Memory is taken, and touched.
    MemoryPressure,
    /// Processors are kept busy.
    CpuSpike,
    /// The call fails as a full disk makes it.
    DiskFull,
    /// The call fails.
    RandomErrors,
    /// Calls fail in bursts.
    IntermittentFailures,
    /// The call never ends; it takes a timeout to leave it.
    Hang,
    /// The call panics.
    Panic,
}

impl ChaosKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::NetworkDelay,
        Self::NetworkFailure,
        Self::ServiceUnavailable,
        Self::HighLatency,
        Self::MemoryPressure,
        Self::CpuSpike,
        Self::DiskFull,
        Self::RandomErrors,
        Self::IntermittentFailures,
        Self::Hang,
        Self::Panic,
    ];

    /// As it is written in attributes and in `MMF_CHAOS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetworkDelay => "network_delay",
            Self::NetworkFailure => "network_failure",
            Self::ServiceUnavailable => "service_unavailable",
            Self::HighLatency => "high_latency",
            Self::MemoryPressure => "memory_pressure",
            Self::CpuSpike => "cpu_spike",
            Self::DiskFull => "disk_full",
            Self::RandomErrors => "random_errors",
            Self::IntermittentFailures => "intermittent_failures",
            Self::Hang => "hang",
            Self::Panic => "panic",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it makes the call return an error.
    pub fn is_error(self) -> bool {
        matches!(
            self,
            Self::NetworkFailure
                | Self::ServiceUnavailable
                | Self::DiskFull
                | Self::RandomErrors
                | Self::IntermittentFailures
        )
    }
}

impl fmt::Display for ChaosKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error of a call that a fault was injected into. Turned into the function's own error by
/// `error(expr)` in the attribute, or by `From`.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::chaos::InjectedFault;
///
/// enum ApiError { Injected(InjectedFault) }
/// impl From<InjectedFault> for ApiError {
///     fn from(fault: InjectedFault) -> Self { Self::Injected(fault) }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("injected fault: {kind}{} at {point}, call {call}", self.detail())]
#[non_exhaustive]
pub struct InjectedFault {
    /// What was injected.
    pub kind: ChaosKind,
    /// Where.
    pub point: &'static str,
    /// Into which call of that point, from 1, within the experiment.
    pub call: u64,
    reason: io::ErrorKind,
}

impl InjectedFault {
    pub(super) fn new(kind: ChaosKind, point: &'static str, call: u64, roll: u64) -> Self {
        let connection = [
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::BrokenPipe,
        ];
        let reason = match kind {
            ChaosKind::NetworkFailure => connection[(roll % 4) as usize],
            ChaosKind::DiskFull => io::ErrorKind::StorageFull,
            ChaosKind::ServiceUnavailable => io::ErrorKind::ResourceBusy,
            _ => io::ErrorKind::Other,
        };
        Self { kind, point, call, reason }
    }

    /// The reason, where the kind has several.
    fn detail(&self) -> String {
        match self.kind {
            ChaosKind::NetworkFailure => format!(" ({})", self.reason),
            _ => String::new(),
        }
    }

    /// What the operating system would have said.
    pub fn io_kind(&self) -> io::ErrorKind {
        self.reason
    }

    /// The status that a server would have answered with, where the kind is of a server: 503 for
    /// `service_unavailable`, 500 for `random_errors` and `intermittent_failures`.
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            ChaosKind::ServiceUnavailable => Some(503),
            ChaosKind::RandomErrors | ChaosKind::IntermittentFailures => Some(500),
            _ => None,
        }
    }
}

impl From<InjectedFault> for io::Error {
    fn from(fault: InjectedFault) -> Self {
        Self::new(fault.reason, fault)
    }
}
