//! What reqwest answers with, as outcomes of HTTP.

use std::error::Error;

use http::{HeaderMap, StatusCode};
use mmf_runtime::resilience::Class;

use super::body::CallersBody;

use crate::http::{Outcome, of_status};

impl Outcome for ::reqwest::Response {
    fn status(&self) -> Option<StatusCode> {
        Some(self.status())
    }

    fn headers(&self) -> Option<&HeaderMap> {
        Some(self.headers())
    }
}

/// By its status where it is one of `error_for_status`. What could not be built was never sent, and a body of the caller's
/// that fails is not the server's: they are ignored. A redirect that is none and a body that cannot be read are failures,
/// all else is transient.
impl Outcome for ::reqwest::Error {
    fn status(&self) -> Option<StatusCode> {
        self.status()
    }

    fn is_transport(&self) -> bool {
        let is_other = self.is_builder() || self.is_redirect() || self.is_decode();
        !(self.is_status() || is_other || is_of_the_callers_body(self))
    }

    fn class(&self) -> Class {
        match self.status() {
            Some(status) => of_status(status.as_u16()),
            None if self.is_builder() || is_of_the_callers_body(self) => Class::Ignored,
            None if self.is_transport() => Class::TRANSIENT,
            None => Class::Failure,
        }
    }
}

/// By reqwest's own; what another middleware says is a failure, and a refusal of a policy is ignored.
impl Outcome for reqwest_middleware::Error {
    fn status(&self) -> Option<StatusCode> {
        self.status()
    }

    fn is_transport(&self) -> bool {
        match self {
            Self::Reqwest(error) => error.is_transport(),
            Self::Middleware(_) => false,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Reqwest(error) => error.class(),
            Self::Middleware(_) if super::refusal(self).is_some() => Class::Ignored,
            Self::Middleware(_) => Class::Failure,
        }
    }
}

fn is_of_the_callers_body(error: &::reqwest::Error) -> bool {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.into_iter().any(<dyn Error>::is::<CallersBody>)
}
