//! How much of itself a service does: a level, by hand or by health, and features that are off from a level on.
//!
//! ```standalone_crate
//! use mmf::degradation::{DegradationLevel, feature, release, set_level};
//! use mmf::{ResilienceError, resilient};
//!
//! #[resilient(feature = "recommendations", disable_at = "severe", fallback(value(Vec::new())))]
//! async fn recommendations(user: u64) -> Result<Vec<u64>, ResilienceError> {
//!     Ok(vec![user + 1])
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! assert_eq!(recommendations(7).await, Ok(vec![8]));
//! set_level(DegradationLevel::Severe, "the database is slow");
//! assert_eq!(recommendations(7).await, Ok(vec![]), "without an attempt");
//! feature("recommendations").enable();
//! assert_eq!(recommendations(7).await, Ok(vec![8]), "by hand goes before the level");
//! # feature("recommendations").follow_level(); set_level(DegradationLevel::None, "over"); release();
//! # }
//! ```
//!
//! A [`Provider`] is where a fallback takes its value from, said while the program runs: `fallback(provider(&PRICES))`.
//!
//! [`follow_health`] has the level follow [`health::score`](fn@crate::health::score). Every change is an event under the target `mmf::degradation`,
//! and the level is a metric.

mod follow;

pub use follow::{FollowHealth, Following, follow_health};
pub use mmf_runtime::degradation::{
    CachedValue, DefaultValue, DegradationLevel, Feature, Provide, Provided, Provider, Service,
    UnknownLevel, feature, features, is_by_hand, level, release, set_level,
};
