//! Layers for [tower](https://docs.rs/tower), around any service: policies, a deadline, ids and traces, faults.
//!
//! ```
//! use std::time::Duration;
//! use mmf::resilience::{Pipeline, RetryPolicy};
//! use mmf::tower::ResilienceLayer;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let pipeline = Pipeline::builder("users.client")
//!     .timeout(Duration::from_secs(2))
//!     .retry(RetryPolicy::builder().max_attempts(3).build())
//!     .build();
//! let users = service_fn(|id: u64| async move { Ok::<_, std::io::Error>(format!("user {id}")) });
//! let mut users = ServiceBuilder::new().layer(ResilienceLayer::new(pipeline)).service(users);
//! assert_eq!(users.ready().await.unwrap().call(7).await.unwrap(), "user 7");
//! # }
//! ```

#[cfg(feature = "chaos")]
mod chaos;
#[cfg(feature = "logging")]
mod correlation;
mod deadline;
mod error;
mod layer;
mod replay;
mod service;
mod settings;

pub use crate::future::ResponseFuture;
#[doc(hidden)]
#[cfg(feature = "chaos")]
pub use chaos::{Answer, ByAnswer, ByFrom};
#[cfg(feature = "chaos")]
pub use chaos::{Chaos, ChaosLayer};
#[cfg(feature = "logging")]
pub use correlation::{Correlation, CorrelationLayer, Incoming, Outgoing};
#[doc(hidden)]
pub use deadline::{ByFn, ByHeader, Fixed, LimitOf, Told};
pub use deadline::{Deadline, DeadlineLayer};
pub use error::{Error, NotRepeatable};
pub use layer::ResilienceLayer;
#[doc(hidden)]
pub use replay::Replay;
pub use service::Resilience;
#[doc(hidden)]
pub use settings::{ByClone, ByReplay, ClassBy, Classify, KeyBy, KeyOf, NoKey, Once, ResultClass};
