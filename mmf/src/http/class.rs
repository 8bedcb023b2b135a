//! The classes of outcomes.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use mmf_runtime::resilience::Class;

use super::after::retry_after_of;

/// What came of a request: a response, or an error that may know one.
pub trait Outcome {
    /// The status, where there was a response.
    fn status(&self) -> Option<StatusCode>;

    /// Its headers, where they are known.
    fn headers(&self) -> Option<&HeaderMap> {
        None
    }

    /// Whether the request never got a response: the connection failed, or its time was over.
    fn is_transport(&self) -> bool {
        false
    }

    /// What it is to the breaker and to the retry; without a response and a transport error it says nothing against the
    /// dependency.
    fn class(&self) -> Class {
        match self.status() {
            Some(status) => of_response(status, self.headers()),
            None if self.is_transport() => Class::TRANSIENT,
            None => Class::Success,
        }
    }
}

impl<B> Outcome for Response<B> {
    fn status(&self) -> Option<StatusCode> {
        Some(self.status())
    }

    fn headers(&self) -> Option<&HeaderMap> {
        Some(self.headers())
    }
}

impl Outcome for StatusCode {
    fn status(&self) -> Option<StatusCode> {
        Some(*self)
    }
}

/// The class of a status, without a hint. Any three digits are one.
///
/// ```
/// use mmf::http::of_status;
/// use mmf::resilience::Class;
///
/// assert_eq!(of_status(503), Class::TRANSIENT);
/// assert_eq!([501, 999].map(of_status), [Class::Failure; 2]);
/// assert_eq!([200, 404, 0].map(of_status), [Class::Success; 3]);
/// ```
pub fn of_status(status: u16) -> Class {
    match status {
        408 | 425 | 429 | 500 | 502 | 503 | 504 => Class::TRANSIENT,
        500.. => Class::Failure,
        _ => Class::Success,
    }
}

pub(super) fn of_response(status: StatusCode, headers: Option<&HeaderMap>) -> Class {
    match of_status(status.as_u16()) {
        Class::Transient { .. } => {
            Class::Transient { retry_after: headers.and_then(retry_after_of) }
        }
        class => class,
    }
}

/// The classifier of the adapters: a response by its status and headers, an error as one of transport.
///
/// # Errors
///
/// None: the result is what is asked about.
pub fn classify<B, E>(result: Result<&Response<B>, &E>) -> Class {
    match result {
        Ok(response) => response.class(),
        Err(_) => Class::TRANSIENT,
    }
}

/// For `retry_if`, and of responses for `retry_if_ok`: whether it is worth another attempt.
pub fn is_transient<O: Outcome + ?Sized>(outcome: &O) -> bool {
    outcome.class().is_transient()
}

/// For `fail_if`, and of responses for `fail_if_ok`: whether it says something against the dependency.
pub fn is_failure<O: Outcome + ?Sized>(outcome: &O) -> bool {
    outcome.class().is_failure()
}

/// For `retry_after`: when to come back, by the server's own word.
pub fn retry_after<O: Outcome + ?Sized>(outcome: &O) -> Option<Duration> {
    outcome.class().retry_after()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_class() {
        for status in 0..=1000 {
            let class = match status {
                408 | 425 | 429 | 500 | 502 | 503 | 504 => Class::TRANSIENT,
                501 | 505..=1000 => Class::Failure,
                _ => Class::Success,
            };
            assert_eq!(of_status(status), class, "{status}");
        }
    }

    #[test]
    fn a_hint_counts_where_another_attempt_does() {
        let response = |status, seconds| {
            Response::builder().status(status).header("retry-after", seconds).body(()).unwrap()
        };
        assert_eq!(retry_after(&response(503, "3")), Some(Duration::from_secs(3)));
        assert_eq!(retry_after(&response(501, "3")), None);
        assert_eq!(retry_after(&response(200, "3")), None);
        assert!(is_transient(&response(429, "-1")) && is_failure(&response(429, "-1")));
        assert_eq!(classify::<(), ()>(Err(&())), Class::TRANSIENT);
        assert_eq!(classify::<_, ()>(Ok(&response(404, "3"))), Class::Success);
        assert_eq!(StatusCode::NOT_IMPLEMENTED.class(), Class::Failure);
    }

    struct Told(Option<StatusCode>, bool);
    impl Outcome for Told {
        fn status(&self) -> Option<StatusCode> {
            self.0
        }
        fn is_transport(&self) -> bool {
            self.1
        }
    }

    #[test]
    fn without_a_response_the_transport_decides() {
        assert_eq!(Told(None, true).class(), Class::TRANSIENT);
        assert_eq!(Told(None, false).class(), Class::Success);
        assert_eq!(Told(Some(StatusCode::OK), true).class(), Class::Success);
    }
}
