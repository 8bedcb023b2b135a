//! The rate limit: so many calls per period, a token bucket.
//!
//! `bucket` is the limiter itself, `builder` makes it, and `keyed` keeps one limiter per key.

mod bucket;
mod builder;
mod keyed;
mod limits;

pub(crate) use bucket::Queued;
pub use bucket::RateLimiter;
pub use builder::RateLimiterBuilder;
pub use keyed::{KeyedRateLimiters, KeyedRateLimitersBuilder};
pub(super) use limits::Limits;
