//! How long each service of the chain had, from the first to the last.

use mmf::resilience::time_left;

/// What is left of the deadline here, in milliseconds; 0 where there is none, which is a mistake.
pub(crate) fn left_here() -> u64 {
    time_left().map_or(0, |left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
}
