#![cfg_attr(docsrs, feature(doc_cfg))]
//! MMF lets a call survive its dependencies: write `#[resilient(…)]` on a function and it retries,
//! times out, stops calling what is broken, queues, hedges and falls back, checked by the compiler.
//!
//! ```
//! use mmf::{ResilienceError, resilient};
//!
//! #[derive(Debug, thiserror::Error)]
//! enum ApiError {
//!     #[error("busy")]
//!     Busy,
//!     #[error(transparent)]
//!     Refused(#[from] ResilienceError),
//! }
//!
//! #[resilient(
//!     deadline = "10s",
//!     timeout = "2s",
//!     retry(max_attempts = 5, backoff = "jittered_exponential", base_delay = "100ms"),
//!     breaker(failure_threshold = 5, recovery_timeout = "60s"),
//!     bulkhead(max_concurrent = 32, max_queue = 64),
//! )]
//! async fn fetch_user(id: u64) -> Result<String, ApiError> {
//!     if id == 0 { Err(ApiError::Busy) } else { Ok(format!("user {id}")) }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! assert_eq!(fetch_user(7).await.unwrap(), "user 7");
//! # }
//! ```
//!
//! - [`resilient`] is the attribute.
//! - [`resilience`] is the same without it, and what is known at run time:
//!   [`resilience::policies`], breaker control, snapshots.
//! - [`ResilienceError`] is what a policy says when it refuses a call.
//!
//! Everything else is a feature, none of which is on by default:
//!
//! | feature | what it brings |
//! | --- | --- |
//! | `logging` | [`service`](macro@service), [`operation`](macro@operation), [`logging`], [`correlation`], [`spawn`] |
//! | `http` | [`http`](mod@http): which outcome is what, `Retry-After` |
//! | `tower` | [`tower`](mod@tower): layers around any service |
//! | `axum` | [`axum`](mod@axum): what each request of a service gets, problem details |
//! | `reqwest` | [`reqwest`](mod@reqwest): a middleware for a client |
//! | `tonic` | [`tonic`](mod@tonic): layers for gRPC clients and servers |
//! | `admin` | [`admin`](mod@admin): a page of the process itself, with switches |
//! | `config` | [`config`](mod@config): values of policies from outside, while the program runs |
//! | `health` | [`health`](mod@health): checks, probes, a score |
//! | `degradation` | [`degradation`](mod@degradation): a level, and features that are off from one on |
//! | `metrics` | [`metrics`](mod@metrics): Prometheus and OpenMetrics |
//! | `sqlx` | [`sqlx`](mod@sqlx): which errors may go away, transactions that are repeated, a check |
//! | `otel` | ids of OpenTelemetry spans in the logs, spans and metrics out by OTLP |
//! | `full` | all of these: whatever is not for tests |
//! | `chaos` | faults on demand: what `#[chaos]` marks, [`chaos`](mod@chaos) |
//! | `testing` | [`contract_test`], [`performance_test`], quality gates: [`testing`] |
//! | `schema`, `openapi`, `pact`, `grpc`, `tls` | contracts of a JSON Schema, of an OpenAPI document, of a Pact file, of gRPC services, over TLS |
//!
//! The [`guide`] says how all of it is used, page by page. The command that runs tests and checks gates is a crate of its
//! own, `cargo-mmf`.

#[doc(inline)]
pub use mmf_macros::resilient;
#[doc(inline)]
pub use mmf_runtime::resilience;
pub use mmf_runtime::resilience::ResilienceError;

#[cfg(feature = "admin")]
pub mod admin;
#[cfg(any(feature = "axum", feature = "reqwest", feature = "tonic", feature = "tower"))]
mod attempt;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "chaos")]
pub mod chaos;
#[cfg(feature = "config")]
pub mod config;
#[cfg(any(feature = "reqwest", feature = "tonic", feature = "tower"))]
mod copies;
#[cfg(feature = "degradation")]
pub mod degradation;
#[cfg(any(feature = "axum", feature = "tonic", feature = "tower"))]
mod future;
#[cfg(doc)]
pub mod guide;
#[cfg(feature = "health")]
pub mod health;
#[cfg(feature = "http")]
pub mod http;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod limits;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "otel")]
mod otel;
#[cfg(any(feature = "axum", feature = "tonic", feature = "tower"))]
mod ready;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod request_log;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(any(feature = "axum", feature = "reqwest", feature = "tonic", feature = "tower"))]
mod slot;
#[cfg(feature = "sqlx")]
pub mod sqlx;
#[cfg(any(feature = "chaos", feature = "testing"))]
pub mod testing;
#[cfg(feature = "tonic")]
pub mod tonic;
#[cfg(feature = "tower")]
pub mod tower;

#[doc(inline)]
pub use mmf_macros::chaos;
#[cfg(feature = "testing")]
#[doc(inline)]
pub use mmf_macros::{contract_test, performance_test};

#[cfg(feature = "logging")]
#[doc(inline)]
pub use mmf_macros::{operation, service};
#[cfg(feature = "logging")]
#[doc(inline)]
pub use mmf_runtime::{
    business_event, correlation, logging, performance_metric, request_end, request_start,
    security_event,
    service::Service,
    service_ready, service_shutdown, service_startup,
    task::{spawn, spawn_blocking},
};

/// What attributes expand into: the runtime's part, and that of tests.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "admin")]
    pub use crate::admin::serve_admin;
    #[cfg(feature = "chaos")]
    pub use crate::chaos;
    #[cfg(feature = "testing")]
    pub use crate::testing;
    pub use mmf_runtime::expansion::*;
}
