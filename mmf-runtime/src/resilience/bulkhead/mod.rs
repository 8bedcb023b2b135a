//! The bulkhead: so many calls at once, the others in a queue, first in, first out.
//!
//! `machine` is the bulkhead itself, `builder` makes it, `adaptive` finds its limit where that is not given, and
//! `keyed` keeps one bulkhead per key.

mod adaptive;
mod builder;
mod keyed;
mod machine;
mod sizes;

pub use adaptive::{AdaptiveLimit, LimitAlgorithm};
pub use builder::BulkheadBuilder;
pub use keyed::{KeyedBulkheads, KeyedBulkheadsBuilder};
pub(crate) use machine::Queued;
#[doc(hidden)]
pub use machine::learn;
pub use machine::{Bulkhead, OwnedPermit, Permit};
pub(super) use sizes::Sizes;
