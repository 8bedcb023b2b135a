//! One function of each shape where lints are forbidden or denied: what the attributes expand into raises none, and
//! allows none, which a `forbid` would refuse.
#![deny(warnings, missing_docs, future_incompatible)]
#![forbid(rust_2018_compatibility, rust_2021_compatibility, rust_2024_compatibility)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]

pub mod denied;
pub mod forbidden;
