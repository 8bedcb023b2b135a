//! gRPC by [tonic](https://docs.rs/tonic): policies around the calls of a client, and what each call of a server gets.
//!
//! ```no_run
//! use std::time::Duration;
//! use mmf::resilience::{Bulkhead, CircuitBreaker, Pipeline, RetryPolicy};
//! use mmf::tonic::{ClientLayer, ServerLayer};
//! use tonic::transport::{Channel, Server};
//! use tower::ServiceBuilder;
//! # use tonic_health::pb::health_client::HealthClient;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let users = Pipeline::builder("users.client")
//!     .deadline(Duration::from_secs(5))
//!     .timeout(Duration::from_secs(2))
//!     .retry(RetryPolicy::builder().max_attempts(3).build())
//!     .breaker(CircuitBreaker::builder("users.client").build())
//!     .build();
//! let watch = Pipeline::builder("users.watch").build();
//! let channel = Channel::from_static("http://users:50051").connect_lazy();
//! let channel = ServiceBuilder::new()
//!     .layer(ClientLayer::new(users).method("/grpc.health.v1.Health/Watch", watch))
//!     .service(channel);
//! let client = HealthClient::new(channel);
//!
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! Server::builder()
//!     .layer(
//!         ServerLayer::new("user-service")
//!             .max_deadline(Duration::from_secs(30))
//!             .max_deadline_of("/grpc.health.v1.Health/Watch", None)
//!             .shed(Bulkhead::builder("user-service").max_concurrent(512).build()),
//!     )
//!     .add_service(health)
//!     .serve("0.0.0.0:50051".parse()?)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! A call lasts from its request to its trailers: a stream holds its place in a bulkhead, is bounded by timeout and deadline, and is
//! counted once, when its last word is there or it is dropped. An attempt is repeated where its answer is trailers alone
//! ([A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)), or where the connection failed: once a message
//! is there, nothing is. Deadlines travel as `grpc-timeout`, the correlation id and the trace as metadata.

mod body;
mod client;
mod layer;
mod malformed;
mod methods;
mod overdue;
mod sent;
mod served;
mod server;
mod settings;
mod status;
mod timeout;

pub use crate::future::ResponseFuture;
pub use body::ResponseBody;
pub use client::Client;
pub use layer::ClientLayer;
pub use malformed::malformed;
pub use served::ServedBody;
pub use server::{Served, ServerLayer};
#[cfg(feature = "axum")]
pub(crate) use status::name;
pub use status::{classify, is_failure, is_transient, refusal, retry_after, status};
