//! What a value of a policy may be, how a duration is written, and which name was meant. The attributes ask when
//! a program is compiled, builders, files and variables when it runs: one rule, one message, one place.
//!
//! `rule` has the ranges of values, [`keys`] the keys with what each takes, [`value`] reads a value as it is written,
//! [`words`] says what was meant by a key that is none, [`duration`] has texts such as `1h30m`, [`names`] the nearest of
//! those that are allowed. With the feature `openapi`, `openapi` reads such documents.

pub mod duration;
pub mod keys;
pub mod names;
#[cfg(feature = "openapi")]
pub mod openapi;
mod rule;
pub mod value;
pub mod words;

pub use rule::*;
