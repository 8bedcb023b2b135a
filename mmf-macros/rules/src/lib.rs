//! What a value of a policy may be, how a duration is written, and which name was meant. The attributes ask when
//! a program is compiled, builders, files and variables when it runs: one rule, one message, one place.
//!
//! `rule` has the ranges of values, [`duration`] texts such as `1h30m`, [`names`] the nearest of those that are
//! allowed. With the feature `openapi`, `openapi` reads such documents.

pub mod duration;
pub mod names;
#[cfg(feature = "openapi")]
pub mod openapi;
mod rule;

pub use rule::*;
