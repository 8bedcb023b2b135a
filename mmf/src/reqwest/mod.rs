//! A middleware for [reqwest](https://docs.rs/reqwest): policies around each request of a client.
//!
//! ```no_run
//! use std::time::Duration;
//! use mmf::reqwest::{Resilience, refusal};
//! use mmf::resilience::{KeyedBreakers, Pipeline, RetryPolicy};
//! use reqwest_middleware::ClientBuilder;
//!
//! # async fn example() {
//! let pipeline = Pipeline::builder("users.client")
//!     .deadline(Duration::from_secs(10))
//!     .timeout(Duration::from_secs(2))
//!     .retry(RetryPolicy::builder().max_attempts(3).build())
//!     .breakers(KeyedBreakers::builder("users.client").build()) // one for each host and port
//!     .build();
//! let client = ClientBuilder::new(reqwest::Client::new()).with(Resilience::new(pipeline)).build();
//!
//! match client.get("http://users.example/7").send().await {
//!     Ok(response) => println!("{}", response.status()),
//!     Err(error) => match refusal(&error) {
//!         Some(refusal) => println!("not even tried: {refusal}"),
//!         None => println!("{error}"),
//!     },
//! }
//! # }
//! ```
//!
//! Responses are classified by [`http::classify`](crate::http); the last one of a retried request comes back as it is,
//! whatever its status. GET, HEAD, PUT, DELETE, OPTIONS and TRACE are repeated, and what has an `Idempotency-Key`; other
//! requests are sent once, unless [`repeat_if`](Resilience::repeat_if) says so. A body is repeated where it is bytes, or a
//! stream of up to 64 KiB ([`replay_limit`](Resilience::replay_limit)). Correlation id and trace go out as headers, and
//! what is left of the deadline as `x-request-timeout-ms`, in milliseconds.
//!
//! `reqwest::ClientBuilder::retry` retries within each attempt, so that both together multiply, and a middleware cannot
//! see it: leave it at its default, which repeats only what a server has not looked at.

mod body;
mod causes;
mod middleware;
mod outcome;

#[cfg(feature = "axum")]
pub(crate) use causes::Causes;
pub use middleware::{Resilience, refusal};
