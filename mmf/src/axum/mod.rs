//! A layer for [axum](https://docs.rs/axum): what each request of a service gets, and its refusals as problem details.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, routing::get};
//! use mmf::axum::{Problem, ServiceLayer};
//! use mmf::resilience::{Bulkhead, Key, KeyedRateLimiters};
//!
//! async fn user() -> Result<String, Problem> {
//!     Ok("Ada".into())
//! }
//!
//! let app: Router = Router::new().route("/users/{id}", get(user)).layer(
//!     ServiceLayer::new("user-service")
//!         .timeout_header("x-request-timeout-ms")
//!         .max_deadline(Duration::from_secs(30))
//!         .shed(Bulkhead::builder("http").max_concurrent(512).build())
//!         .limit(KeyedRateLimiters::builder("tenants").permits(100).build(), |request| {
//!             request.headers().get("x-tenant").and_then(|tenant| tenant.to_str().ok()).map(Key::of)
//!         }),
//! );
//! ```
//!
//! The correlation id and the trace of a request are taken over or made, everything it logs carries them, and its id goes
//! back with the response. Begin and end are logged with method, route, status and duration, ten of a route a second in
//! full and the others gathered. The resilient calls within a request are bounded by its deadline.

mod layer;
#[cfg(feature = "health")]
mod probes;
mod problem;
mod service;
mod settings;

pub use crate::future::ResponseFuture;
pub use layer::ServiceLayer;
#[cfg(feature = "health")]
pub use probes::probes;
pub use problem::Problem;
pub use service::Served;
