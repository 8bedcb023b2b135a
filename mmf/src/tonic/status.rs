//! Statuses: what a refusal is to a caller, and what a status is to the policies.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::tonic::metadata::MetadataMap;
use ::tonic::{Code, Status, TimeoutExpired};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Body;
use mmf_runtime::resilience::{Class, ResilienceError};
use percent_encoding::percent_decode;

use super::malformed::{self, PUSHBACKS};
use crate::http::once::said_once;

pub(super) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// When to come back, by the server's own word ([A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Where nothing says when there is room again: what is turned away at once comes back at once.
const LATER: Duration = Duration::from_secs(1);

/// A refusal as a status, for `refused(mmf::tonic::status)` and for handlers.
///
/// `UNAVAILABLE` for an open circuit and for a feature that is off, `RESOURCE_EXHAUSTED` for a full bulkhead and a rate limit,
/// `DEADLINE_EXCEEDED` for a timeout and a deadline. When to come back is `grpc-retry-pushback-ms`, rounded up; a full
/// bulkhead says a second. Which policy it was is nothing for strangers: [`refusal`] finds it here, it does not travel.
///
/// ```
/// use mmf::tonic::{refusal, status};
/// use mmf::{ResilienceError, resilient};
/// use tonic::{Code, Status};
///
/// #[resilient(refused(status), timeout = "1ms")]
/// async fn slow() -> Result<(), Status> {
///     std::future::pending().await
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let error = slow().await.unwrap_err();
/// assert_eq!(error.code(), Code::DeadlineExceeded);
/// assert!(matches!(refusal(&error), Some(ResilienceError::Timeout { .. })));
/// # }
/// ```
pub fn status(refusal: ResilienceError) -> Status {
    let (code, message) = match &refusal {
        ResilienceError::CircuitOpen { .. } => (Code::Unavailable, "a dependency is unavailable"),
        ResilienceError::BulkheadFull { .. } => (Code::ResourceExhausted, "too many calls at once"),
        ResilienceError::RateLimited { .. } => (Code::ResourceExhausted, "too many calls"),
        ResilienceError::Timeout { .. } => (Code::DeadlineExceeded, "a dependency took too long"),
        ResilienceError::DeadlineExceeded { .. } => {
            (Code::DeadlineExceeded, "the call took too long")
        }
        ResilienceError::FeatureDisabled { .. } => {
            (Code::Unavailable, "this is turned off for now")
        }
        _ => (Code::Unavailable, "refused for now"),
    };
    let after = refusal.retry_after().or((code == Code::ResourceExhausted).then_some(LATER));
    let mut metadata = MetadataMap::new();
    if let Some(after) = after {
        // At least one: none at all would have everybody back at once.
        let millis = after.as_nanos().div_ceil(1_000_000).clamp(1, i32::MAX as u128) as u64;
        metadata.as_mut().insert(PUSHBACK, HeaderValue::from(millis));
    }
    let mut status = Status::with_metadata(code, message, metadata);
    status.set_source(Arc::new(refusal));
    status
}

/// The refusal of a policy, where a status is one.
pub fn refusal(status: &Status) -> Option<&ResilienceError> {
    sources(status).find_map(|error| error.downcast_ref())
}

fn sources<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn StdError + 'static)| (*error).source())
}

/// The name of a code, as the protocol writes it.
pub(crate) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn has<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    sources(error).any(<dyn StdError>::is::<E>)
}

/// What a status is to the breaker and to the retry, where no other classifier is given.
///
/// `UNAVAILABLE`, `ABORTED`, and `RESOURCE_EXHAUSTED` with a `grpc-retry-pushback-ms` are transient; `DEADLINE_EXCEEDED`, `INTERNAL`,
/// `UNKNOWN` and `DATA_LOSS` are failures, `CANCELLED` counts as nothing, unless the other side has reset the stream, which is a failure,
/// and all else is the caller's own. A pushback that is negative
/// or no number means never: what is transient is a failure then.
///
/// ```
/// use mmf::resilience::Class;
/// use mmf::tonic::classify;
/// use tonic::Status;
///
/// assert_eq!(classify(&Status::unavailable("")), Class::TRANSIENT);
/// assert_eq!(classify(&Status::internal("")), Class::Failure);
/// assert_eq!(classify(&Status::not_found("")), Class::Success);
/// ```
pub fn classify(status: &Status) -> Class {
    let transient = |pushback| match pushback {
        Pushback::None => Class::TRANSIENT,
        Pushback::After(after) => Class::Transient { retry_after: Some(after) },
        Pushback::Never => Class::Failure,
    };
    // A stream that the other side has reset, such as that of a handler which panicked: nobody here has cancelled it.
    let is_reset = has::<h2::Error>(status);
    match status.code() {
        Code::Unavailable | Code::Aborted => transient(Pushback::of(status)),
        Code::Cancelled | Code::ResourceExhausted if is_reset => Class::Failure,
        Code::ResourceExhausted => match Pushback::of(status) {
            Pushback::None => Class::Success,
            pushback => transient(pushback),
        },
        Code::DeadlineExceeded | Code::Internal | Code::Unknown | Code::DataLoss => Class::Failure,
        Code::Cancelled => Class::Ignored,
        _ => Class::Success,
    }
}

/// What a status says of the service: by the codes of
/// [OpenTelemetry's conventions](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/) for servers, without `UNIMPLEMENTED`,
/// which any stranger gets for a name that nobody has.
pub(super) fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

pub(super) fn class_of_service(told: &Result<(), Status>) -> Class {
    match told {
        Err(status) if is_fault(status.code()) => Class::Failure,
        _ => Class::Success,
    }
}

/// For `retry_if`: whether a call is worth another attempt, by [`classify`].
///
/// ```
/// use mmf::resilient;
/// use mmf::tonic::{is_failure, is_transient, retry_after, status};
/// use tonic::Status;
///
/// #[resilient(
///     refused(status),
///     retry(retry_if(is_transient), retry_after(retry_after)),
///     breaker(fail_if(is_failure)),
/// )]
/// async fn find(id: u64) -> Result<u64, Status> {
///     Ok(id)
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() { assert_eq!(find(7).await.unwrap(), 7); }
/// ```
pub fn is_transient(status: &Status) -> bool {
    classify(status).is_transient()
}

/// For `fail_if`: whether a status says something against the other side, by [`classify`].
pub fn is_failure(status: &Status) -> bool {
    classify(status).is_failure()
}

/// For `retry_after`: when to come back, by the other side's own word.
pub fn retry_after(status: &Status) -> Option<Duration> {
    classify(status).retry_after()
}

enum Pushback {
    None,
    After(Duration),
    Never,
}

impl Pushback {
    fn of(status: &Status) -> Self {
        let headers = status.metadata().as_ref();
        if !headers.contains_key(PUSHBACK) {
            return Self::None;
        }
        let text = said_once(headers, &PUSHBACK).unwrap_or_default();
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number(text) {
            Self::After(Duration::from_millis(text.parse().unwrap_or(u64::MAX)))
        } else {
            if !text.strip_prefix('-').is_some_and(is_number) {
                PUSHBACKS.note();
            }
            Self::Never
        }
    }
}

/// To the caller a timeout is the time of the call.
pub(super) fn in_time(refusal: ResilienceError, limit: Option<Duration>) -> ResilienceError {
    match refusal {
        ResilienceError::Timeout { policy, limit: cut, .. } => {
            ResilienceError::deadline_exceeded(policy, limit.unwrap_or(cut))
        }
        refusal => refusal,
    }
}

/// The status that headers or trailers tell, unless it is `OK`; `None` where they tell none.
pub(super) fn told(headers: &HeaderMap) -> Option<Result<(), Status>> {
    let code = Code::from_bytes(headers.get(STATUS)?.as_bytes());
    if code == Code::Ok {
        return Some(Ok(()));
    }
    // By hand, as tonic's own reader warns of each message that is no text, and takes details as they come.
    let message = headers.get(MESSAGE).map(|message| percent_decode(message.as_bytes()));
    let message = message.map(|message| message.decode_utf8_lossy().into_owned());
    let mut metadata = headers.clone();
    for own in [STATUS, MESSAGE, DETAILS] {
        metadata.remove(own);
    }
    let metadata = MetadataMap::from_headers(metadata);
    Some(Err(Status::with_metadata(code, message.unwrap_or_default(), metadata)))
}

/// Takes out what tonic cannot read without a panic: details that are no base64.
pub(super) fn sanitize(headers: &mut HeaderMap) {
    if !headers.contains_key(&DETAILS) {
        return;
    }
    let metadata = MetadataMap::from_headers(std::mem::take(headers));
    let mut all = metadata.get_all_bin(DETAILS.as_str()).into_iter();
    let is_readable = all.all(|details| details.to_bytes().is_ok());
    *headers = metadata.into_headers();
    if !is_readable {
        headers.remove(&DETAILS);
        malformed::DETAILS.note();
    }
}

/// The status of an answer that tells none, by
/// [its HTTP status](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
pub(super) fn untold(status: StatusCode) -> Status {
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    Status::new(code, format!("an answer without a status, of HTTP {}", status.as_u16()))
}

/// What the head of an answer tells of its status: nothing against it yet, where the rest is to come.
pub(super) fn head<B: Body>(answer: &Response<B>) -> Result<(), Status> {
    match told(answer.headers()) {
        Some(told) => told,
        None if answer.status() != StatusCode::OK || has_ended(answer) => {
            Err(untold(answer.status()))
        }
        None => Ok(()),
    }
}

/// Whether nothing follows the head of an answer.
pub(super) fn has_ended<B: Body>(answer: &Response<B>) -> bool {
    answer.body().is_end_stream()
}

/// The status of a call that got no answer.
pub(super) fn failed(error: Box<dyn StdError + Send + Sync>) -> Status {
    let error = match error.downcast::<Status>() {
        Ok(status) => return *status,
        Err(error) => error,
    };
    let told = has::<Status>(&*error);
    let lost = is_lost(&*error);
    if has::<TimeoutExpired>(&*error) {
        let mut status = Status::deadline_exceeded(error.to_string());
        status.set_source(error.into());
        return status;
    }
    let status = Status::from_error(error);
    match status.code() {
        // A connection that went away, by the words of its own library: nobody has cancelled this call.
        Code::Cancelled if !told && !has::<h2::Error>(&status) => unavailable(&status),
        _ if lost => unavailable(&status),
        _ => status,
    }
}

/// [`failed`] of a stream, whose error was made a status by now.
pub(super) fn cut(status: Status) -> Status {
    if is_lost(&status) { unavailable(&status) } else { status }
}

/// Whether the connection went away: by an error of the system, or because the other side closes down in good order.
fn is_lost(error: &(dyn StdError + 'static)) -> bool {
    let closes_down =
        |error: &h2::Error| error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    sources(error).any(|error| {
        error.is::<io::Error>()
            || error
                .downcast_ref()
                .is_some_and(|error: &h2::Error| error.is_io() || closes_down(error))
    })
}

fn unavailable(status: &Status) -> Status {
    let mut lost = Status::unavailable(status.message());
    lost.set_source(Arc::new(status.clone()));
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(code: Code, pushback: &[&str]) -> Status {
        let mut status = Status::new(code, "");
        for pushback in pushback {
            let value = HeaderValue::from_str(pushback).unwrap();
            status.metadata_mut().as_mut().append(PUSHBACK, value);
        }
        status
    }

    #[test]
    fn each_code_has_its_class() {
        for number in 0..=16 {
            let code = Code::from_i32(number);
            let class = match number {
                10 | 14 => Class::TRANSIENT,
                2 | 4 | 13 | 15 => Class::Failure,
                1 => Class::Ignored,
                _ => Class::Success,
            };
            assert_eq!(classify(&with(code, &[])), class, "{code:?}");
        }
    }

    #[test]
    fn a_pushback_is_a_hint_or_means_never() {
        let hint = |millis| Class::Transient { retry_after: Some(Duration::from_millis(millis)) };
        for code in [Code::Unavailable, Code::Aborted, Code::ResourceExhausted] {
            assert_eq!(classify(&with(code, &["1500"])), hint(1500));
            assert_eq!(classify(&with(code, &["0"])), hint(0));
            let huge = classify(&with(code, &["99999999999999999999999"]));
            assert_eq!(huge, hint(u64::MAX));
            assert_eq!(classify(&with(code, &["-1"])), Class::Failure);
        }
        let before = PUSHBACKS.total();
        let nonsense: [&[&str]; 7] =
            [&[""], &["-"], &["soon"], &["1.5"], &["+1"], &[" 1"], &["1", "1"]];
        for pushback in nonsense {
            assert_eq!(
                classify(&with(Code::Unavailable, pushback)),
                Class::Failure,
                "{pushback:?}"
            );
        }
        assert_eq!(PUSHBACKS.total() - before, 7);
        assert_eq!(classify(&with(Code::NotFound, &["5"])), Class::Success);
        assert_eq!(classify(&with(Code::Internal, &["5"])), Class::Failure);
    }

    #[test]
    fn each_refusal_has_its_status_and_when_to_come_back() {
        let second = Duration::from_secs(1);
        let refusals = [
            (ResilienceError::circuit_open("p", second * 9), Code::Unavailable, Some("9000")),
            (ResilienceError::circuit_open("p", Duration::ZERO), Code::Unavailable, Some("1")),
            (ResilienceError::bulkhead_full("p", 3), Code::ResourceExhausted, Some("1000")),
            (ResilienceError::feature_disabled("p", "f"), Code::Unavailable, None),
            (
                ResilienceError::rate_limited("p", Duration::from_micros(1001)),
                Code::ResourceExhausted,
                Some("2"),
            ),
            (ResilienceError::timeout("p", second), Code::DeadlineExceeded, None),
            (ResilienceError::deadline_exceeded("p", second), Code::DeadlineExceeded, None),
        ];
        for (refused, code, after) in refusals {
            let status = status(refused.clone());
            assert_eq!(status.code(), code, "{refused}");
            let pushback = status.metadata().get(PUSHBACK.as_str());
            assert_eq!(pushback.map(|after| after.to_str().unwrap()), after, "{refused}");
            assert!(!status.message().contains("\"p\"") && !status.message().contains("p:"));
            assert_eq!(refusal(&status), Some(&refused));
        }
    }

    /// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
    #[test]
    fn http_statuses_are_mapped_as_the_table_says() {
        for (status, code) in [
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
            (200, Code::Unknown),
            (500, Code::Unknown),
            (418, Code::Unknown),
        ] {
            assert_eq!(untold(StatusCode::from_u16(status).unwrap()).code(), code, "{status}");
        }
    }

    #[test]
    fn details_that_are_no_base64_harm_nobody() {
        let mut headers = HeaderMap::new();
        assert!(told(&headers).is_none());
        headers.insert(STATUS, HeaderValue::from_static("14"));
        headers.insert(DETAILS, HeaderValue::from_static("*not base64*"));
        let status = told(&headers).unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        headers.insert(STATUS, HeaderValue::from_static("0"));
        assert!(told(&headers).unwrap().is_ok());
        headers.insert(STATUS, HeaderValue::from_static("what"));
        assert_eq!(told(&headers).unwrap().unwrap_err().code(), Code::Unknown);
    }

    #[test]
    fn what_never_got_an_answer_tells_why() {
        #[derive(Debug)]
        struct Outer(Box<dyn StdError + Send + Sync>);
        impl std::fmt::Display for Outer {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("outer")
            }
        }
        impl StdError for Outer {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&*self.0)
            }
        }
        let of = |error: Box<dyn StdError + Send + Sync>| failed(Box::new(Outer(error))).code();
        assert_eq!(of(Box::new(std::io::Error::other("reset"))), Code::Unavailable);
        assert_eq!(of(Box::new(TimeoutExpired(()))), Code::DeadlineExceeded);
        assert_eq!(of(Box::new(Status::not_found(""))), Code::NotFound);
        assert_eq!(of(Box::new(Status::cancelled(""))), Code::Cancelled, "somebody said so");
        assert_eq!(of("what".into()), Code::Unknown);
        assert_eq!(failed(Box::new(Status::aborted(""))).code(), Code::Aborted);
    }
}
