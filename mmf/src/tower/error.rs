//! The error of a service behind policies.

use std::error::Error as StdError;
use std::fmt;

use http::{HeaderMap, StatusCode};
use mmf_runtime::resilience::{Class, ResilienceError};

use crate::http::Outcome;

/// What a service behind policies fails with: the refusal of a policy, or its own error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// A policy refused the request or cut it short.
    Refused(ResilienceError),
    /// The service failed.
    Inner(E),
}

impl<E> Error<E> {
    /// The refusal, where it is one.
    pub fn refusal(&self) -> Option<&ResilienceError> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Inner(_) => None,
        }
    }

    /// The service's own error, where it is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Refused(_) => None,
            Self::Inner(error) => Some(error),
        }
    }
}

/// For a layer around it, whose classifier asks `error.class()`: a refusal is ignored, since it says nothing of what it was
/// to protect; else what the inner error is.
impl<E: Outcome> Outcome for Error<E> {
    fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(_) => None,
            Self::Inner(error) => error.status(),
        }
    }

    fn headers(&self) -> Option<&HeaderMap> {
        match self {
            Self::Refused(_) => None,
            Self::Inner(error) => error.headers(),
        }
    }

    fn is_transport(&self) -> bool {
        matches!(self, Self::Inner(error) if error.is_transport())
    }

    fn class(&self) -> Class {
        match self {
            Self::Refused(_) => Class::Ignored,
            Self::Inner(error) => error.class(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Inner(error) => Some(error),
        }
    }
}

/// A pipeline that may run a request more than once, around requests that cannot be.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pipeline {name:?} has a retry or a hedge, and a request that is sent once cannot be repeated: build it \
     without, or use `ResilienceLayer::new`, with `replay` where a request is not `Clone`"
)]
pub struct NotRepeatable {
    /// Name of the pipeline.
    pub(super) name: String,
}

/// The same words: `unwrap` prints them.
impl fmt::Debug for NotRepeatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
