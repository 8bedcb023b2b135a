//! What comes of an attempt, as the adapters tell it to the policies.

use mmf_runtime::resilience::{Class, ResilienceError};

/// What came of an attempt that did not succeed: a response or an error, and its class.
pub(crate) enum Attempt<T, E> {
    Answered(T, Class),
    Failed(E, Class),
    Refused(ResilienceError),
}

impl<T, E> Attempt<T, E> {
    /// A result by its class.
    pub(crate) fn of(result: Result<T, E>, class: Class) -> Result<T, Self> {
        match result {
            Ok(response) if class == Class::Success => Ok(response),
            Ok(response) => Err(Self::Answered(response, class)),
            Err(error) => Err(Self::Failed(error, class)),
        }
    }

    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Answered(_, class) | Self::Failed(_, class) => *class,
            Self::Refused(_) => Class::Ignored,
        }
    }

    #[cfg(any(feature = "axum", feature = "reqwest", feature = "tower"))]
    /// What the caller gets: the last response whatever its class, an error, or a refusal as one.
    pub(crate) fn result<New>(
        result: Result<T, Self>,
        failed: impl FnOnce(E) -> New,
        refused: impl FnOnce(ResilienceError) -> New,
    ) -> Result<T, New> {
        match result {
            Ok(response) | Err(Self::Answered(response, _)) => Ok(response),
            Err(Self::Failed(error, _)) => Err(failed(error)),
            Err(Self::Refused(refusal)) => Err(refused(refusal)),
        }
    }
}
