#![cfg_attr(docsrs, feature(doc_cfg))]
//! The runtime of MMF: what the attributes expand into.
//!
//! Use it through the `mmf` facade. [`resilience`] holds the policies, their state and the pipeline that joins them;
//! `logging`, `correlation` and `service` are behind the feature `logging`, the places where faults strike behind `chaos`,
//! the ids of OpenTelemetry behind `otel`. Beneath them are the clock (`tokio::time`, so that tests may pause it), the
//! counters that cost one plain store a call, and the primitives that model checking replaces. What is hidden is for
//! `mmf` and the expansions of attributes alone.

#[cfg(feature = "chaos")]
pub mod chaos;
#[doc(hidden)]
pub mod clock;
#[cfg(feature = "logging")]
pub mod correlation;
pub mod degradation;
#[doc(hidden)]
pub mod glob;
#[cfg(feature = "logging")]
mod hash;
#[cfg(feature = "logging")]
pub mod logging;
#[cfg(feature = "logging")]
#[doc(hidden)]
pub mod operation;
#[cfg(feature = "otel")]
#[doc(hidden)]
pub mod otel;
pub mod resilience;
#[doc(hidden)]
pub mod returned;
#[cfg(feature = "logging")]
pub mod service;
#[cfg(feature = "logging")]
#[doc(hidden)]
pub mod stderr;
mod sync;
mod tally;
#[cfg(feature = "logging")]
pub mod task;
#[doc(hidden)]
pub mod text;
mod timer;
#[doc(hidden)]
pub mod url;
#[doc(hidden)]
pub mod words;
#[cfg(all(feature = "logging", unix))]
mod writable;

#[doc(hidden)]
pub mod expansion;

#[cfg(feature = "logging")]
#[doc(hidden)]
pub use tracing;
