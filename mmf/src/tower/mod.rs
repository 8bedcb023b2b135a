//! A layer for [tower](https://docs.rs/tower): policies around any service.
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

mod error;
mod layer;
mod replay;
mod service;
mod settings;

pub use error::{Error, NotRepeatable};
pub use layer::ResilienceLayer;
#[doc(hidden)]
pub use replay::Replay;
pub use service::{Resilience, ResponseFuture};
#[doc(hidden)]
pub use settings::{ByClone, ByReplay, ClassBy, Classify, KeyBy, KeyOf, NoKey, Once, ResultClass};
