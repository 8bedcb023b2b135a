//! The states of a breaker, why it changes them, and the word that holds one.

use std::fmt;

use serde::Serialize;

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreakerState {
    /// Calls go through and are counted.
    Closed,
    /// Calls are refused until `recovery_timeout` is over.
    Open,
    /// A few trial calls decide what comes next.
    HalfOpen,
    /// Calls are refused until somebody says otherwise.
    ForcedOpen,
    /// Calls go through and are not counted.
    Disabled,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
        })
    }
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// `failure_threshold` failures in a row.
    Failures,
    /// `failure_rate_threshold` in the window.
    FailureRate,
    /// `slow_call_rate_threshold` in the window.
    SlowCalls,
    /// Its time is over: trials decide.
    TimeIsOver,
    /// A trial failed.
    FailedTrial,
    /// A trial did not end in time.
    HungTrial,
    /// The trials succeeded.
    Recovered,
    /// Somebody said so.
    Forced,
}

impl Cause {
    /// As events tell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failure_threshold",
            Self::FailureRate => "failure_rate_threshold",
            Self::SlowCalls => "slow_call_rate_threshold",
            Self::TimeIsOver => "recovery_timeout",
            Self::FailedTrial => "failed_trial",
            Self::HungTrial => "hung_trial",
            Self::Recovered => "success_threshold",
            Self::Forced => "forced",
        }
    }
}

/// A change of state that is to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) from: BreakerState,
    pub(crate) to: BreakerState,
    pub(crate) cause: Cause,
}

/// The state word: bits 0 to 2 are the state, bit 3 says `exact`, bit 4 that the clock matters to a
/// closed breaker, and the upper half is the generation, which every change of state increments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    pub(super) const EXACT: u64 = 1 << 3;
    pub(super) const TIMED: u64 = 1 << 4;

    pub(super) fn new(generation: u32, state: BreakerState) -> Self {
        Self(u64::from(generation) << 32 | state as u64)
    }

    pub(super) fn with(self, bit: u64, set: bool) -> Self {
        if set { Self(self.0 | bit) } else { Self(self.0 & !bit) }
    }

    /// Whether a call goes through, and its success is only added up: closed, and no other bit set.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        self.0 as u32 == 0
    }

    pub(super) fn state(self) -> BreakerState {
        match self.0 & 0b111 {
            0 => BreakerState::Closed,
            1 => BreakerState::Open,
            2 => BreakerState::HalfOpen,
            3 => BreakerState::ForcedOpen,
            _ => BreakerState::Disabled,
        }
    }

    pub(super) fn is_exact(self) -> bool {
        self.0 & Self::EXACT != 0
    }

    pub(super) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}
