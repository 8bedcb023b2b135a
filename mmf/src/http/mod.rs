//! Which outcome of HTTP is what: for attributes, and for the adapters that classify by it.
//!
//! 408, 425, 429, 500, 502, 503 and 504 are transient, and so is what never got a response; other statuses from 500 on are
//! failures, all else is a success. When to come back is `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
//!
//! ```
//! use mmf::{ResilienceError, http, resilient};
//!
//! #[derive(Debug)]
//! enum ApiError { Answered(::http::Response<Vec<u8>>), Refused(ResilienceError) }
//!
//! impl http::Outcome for ApiError {
//!     fn status(&self) -> Option<::http::StatusCode> {
//!         match self { Self::Answered(response) => Some(response.status()), Self::Refused(_) => None }
//!     }
//!     fn headers(&self) -> Option<&::http::HeaderMap> {
//!         match self { Self::Answered(response) => Some(response.headers()), Self::Refused(_) => None }
//!     }
//! }
//!
//! #[resilient(
//!     refused(ApiError::Refused),
//!     retry(retry_if(http::is_transient), retry_after(http::retry_after)),
//!     breaker(fail_if(http::is_failure)),
//! )]
//! async fn fetch(id: u64) -> Result<Vec<u8>, ApiError> {
//!     // …
//! #   Ok(id.to_string().into())
//! }
//! # #[tokio::main(flavor = "current_thread")] async fn main() { assert_eq!(fetch(7).await.unwrap(), b"7"); }
//! ```

mod after;
mod class;
mod method;
pub(crate) mod once;
mod timeout;

pub use after::retry_after_of;
pub use class::{Outcome, classify, is_failure, is_transient, of_status, retry_after};
pub use method::{IDEMPOTENCY_KEY, may_repeat, replay};
pub use timeout::{InvalidTimeout, insert_time_left, timeout_of};
