//! Problem details: RFC 9457.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use mmf_runtime::resilience::ResilienceError;
use serde::Serialize;

/// What went wrong, as `application/problem+json` (RFC 9457).
///
/// The refusals of policies become one: 503 for an open circuit, a full bulkhead and a feature that is off, 429 for a
/// rate limit, 504 for a timeout and a deadline, each with `Retry-After` in whole seconds, rounded up, where that is
/// known. Which policy it was, and of what key, is nothing for strangers: that is told in the log of the request, and not in
/// the response.
///
/// ```
/// use axum::response::IntoResponse;
/// use mmf::axum::Problem;
/// use mmf::resilience::ResilienceError;
/// use std::time::Duration;
///
/// let refused = ResilienceError::rate_limited("tenants", Duration::from_millis(1200));
/// let response = Problem::from(refused).into_response();
/// assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"2".parse().unwrap()));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip)]
    retry_after: Option<Duration>,
    #[serde(skip)]
    told: Option<Arc<str>>,
}

/// What the log of a request tells of its problem, as an extension of the response.
#[derive(Clone)]
pub(super) struct Told(pub(super) Arc<str>);

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// Of a status, whose reason is the title and whose type is `about:blank`.
    pub fn new(status: StatusCode) -> Self {
        Self {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status,
            detail: None,
            retry_after: None,
            told: None,
        }
    }

    /// What the log of the request tells of it, and its caller is not told.
    pub fn told(mut self, error: impl fmt::Display) -> Self {
        self.told = Some(error.to_string().into());
        self
    }

    /// A URI that names the kind of problem. Default: `about:blank`.
    pub fn kind(mut self, uri: impl Into<String>) -> Self {
        self.kind = uri.into();
        self
    }

    /// What kind of problem it is, in words that are the same each time.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// What went wrong this time.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// When to come back: `Retry-After`, in whole seconds, rounded up.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<ResilienceError> for Problem {
    fn from(refusal: ResilienceError) -> Self {
        let (status, title) = match &refusal {
            ResilienceError::CircuitOpen { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "A dependency is unavailable")
            }
            ResilienceError::BulkheadFull { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "Too many requests at once")
            }
            ResilienceError::RateLimited { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "Too many requests")
            }
            ResilienceError::Timeout { .. } => {
                (StatusCode::GATEWAY_TIMEOUT, "A dependency took too long")
            }
            ResilienceError::DeadlineExceeded { .. } => {
                (StatusCode::GATEWAY_TIMEOUT, "The request took too long")
            }
            ResilienceError::FeatureDisabled { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "This is turned off for now")
            }
            _ => (StatusCode::SERVICE_UNAVAILABLE, "Refused for now"),
        };
        let problem = Self::new(status).title(title).told(&refusal);
        Self { retry_after: refusal.retry_after(), ..problem }
    }
}

impl From<Infallible> for Problem {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// For services of tower within: the refusal, or what their own error is.
#[cfg(feature = "tower")]
impl<E: Into<Self>> From<crate::tower::Error<E>> for Problem {
    fn from(error: crate::tower::Error<E>) -> Self {
        match error {
            crate::tower::Error::Refused(refusal) => refusal.into(),
            crate::tower::Error::Inner(error) => error.into(),
        }
    }
}

/// Of a client: its refusal, or 502, as a dependency did not answer.
#[cfg(feature = "reqwest")]
impl From<reqwest_middleware::Error> for Problem {
    fn from(error: reqwest_middleware::Error) -> Self {
        match crate::reqwest::refusal(&error) {
            Some(refusal) => refusal.clone().into(),
            None => Self::new(StatusCode::BAD_GATEWAY)
                .title(if error.is_status() {
                    "A dependency failed"
                } else {
                    "A dependency did not answer"
                })
                .told(crate::reqwest::Causes(&error)),
        }
    }
}

/// Of a gRPC client: its refusal, or by its status: 503 where the dependency said to come back, with its own word when,
/// 504 for `DEADLINE_EXCEEDED`, 502 for all else.
#[cfg(feature = "tonic")]
impl From<tonic::Status> for Problem {
    fn from(status: tonic::Status) -> Self {
        if let Some(refusal) = crate::tonic::refusal(&status) {
            return refusal.clone().into();
        }
        let (code, title) = match status.code() {
            tonic::Code::Unavailable | tonic::Code::ResourceExhausted => {
                (StatusCode::SERVICE_UNAVAILABLE, "A dependency is unavailable")
            }
            tonic::Code::DeadlineExceeded => {
                (StatusCode::GATEWAY_TIMEOUT, "A dependency took too long")
            }
            _ => (StatusCode::BAD_GATEWAY, "A dependency failed"),
        };
        let retry_after = crate::tonic::classify(&status).retry_after();
        let told = format!("{}: {}", crate::tonic::name(status.code()), status.message());
        Self { retry_after, ..Self::new(code).title(title).told(told) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.retry_after {
            // At least one: none at all would have everybody back at once.
            let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(told) = self.told {
            response.extensions_mut().insert(Told(told));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_status_and_when_to_come_back() {
        let second = Duration::from_secs(1);
        let problems = [
            (ResilienceError::circuit_open("p", second * 9), 503, Some("9")),
            (ResilienceError::circuit_open("p", Duration::ZERO), 503, Some("1")),
            (ResilienceError::bulkhead_full("p", 3), 503, None),
            (ResilienceError::feature_disabled("p", "f"), 503, None),
            (ResilienceError::rate_limited("p", Duration::from_millis(1)), 429, Some("1")),
            (ResilienceError::rate_limited("p", Duration::from_millis(1001)), 429, Some("2")),
            (ResilienceError::timeout("p", second), 504, None),
            (ResilienceError::deadline_exceeded("p", second), 504, None),
        ];
        for (refusal, status, after) in problems {
            let response = Problem::from(refusal.clone()).into_response();
            assert_eq!(response.status().as_u16(), status, "{refusal}");
            let header = response.headers().get(RETRY_AFTER).map(|after| after.to_str().unwrap());
            assert_eq!(header, after, "{refusal}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        }
    }

    #[cfg(feature = "tower")]
    #[test]
    fn the_error_of_a_layer_is_its_refusal_or_what_is_within() {
        use crate::tower::Error;
        let refused: Error<Infallible> =
            Error::Refused(ResilienceError::rate_limited("p", Duration::from_secs(3)));
        assert_eq!(Problem::from(refused).status(), StatusCode::TOO_MANY_REQUESTS);
        let inner = Error::Inner(Problem::new(StatusCode::NOT_FOUND));
        assert_eq!(Problem::from(inner).status(), StatusCode::NOT_FOUND);
    }

    #[cfg(feature = "reqwest")]
    #[test]
    fn the_error_of_a_client_is_its_refusal_or_a_bad_gateway() {
        use reqwest_middleware::Error;
        let refusal = ResilienceError::circuit_open("hosts", Duration::from_secs(3));
        let problem = Problem::from(Error::middleware(refusal.clone()));
        assert_eq!(
            (problem.status(), problem.told.as_deref()),
            (StatusCode::SERVICE_UNAVAILABLE, Some(&*refusal.to_string()))
        );
        let problem = Problem::from(Error::middleware(std::io::Error::other("reset")));
        assert_eq!(
            (problem.status(), problem.told.as_deref()),
            (StatusCode::BAD_GATEWAY, Some("reset"))
        );
    }

    #[test]
    fn the_body_is_as_the_rfc_has_it() {
        let problem =
            Problem::new(StatusCode::NOT_FOUND).detail("no user 7").kind("https://e.org/user");
        let body: serde_json::Value = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "https://e.org/user", "title": "Not Found", "status": 404, "detail": "no user 7"
            })
        );
    }
}
