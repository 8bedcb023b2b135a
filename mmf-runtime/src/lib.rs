//! The runtime of MMF: what the attributes expand into.
//!
//! Use it through the `mmf` facade. [`resilience`] holds the policies, their state and the pipeline
//! that joins them; the private modules beneath it are the clock (`tokio::time`, so that tests may
//! pause it), the counters that cost one plain store a call, and the primitives that model checking
//! replaces.

#[cfg(feature = "chaos")]
pub mod chaos;
mod clock;
#[cfg(feature = "logging")]
pub mod correlation;
#[cfg(feature = "pact")]
mod crypto;
#[cfg(any(feature = "chaos", feature = "testing"))]
mod duration;
#[cfg(feature = "logging")]
pub mod logging;
#[cfg(feature = "logging")]
#[doc(hidden)]
pub mod operation;
#[cfg(feature = "otel")]
mod otel;
pub mod resilience;
#[cfg(feature = "logging")]
pub mod service;
#[cfg(feature = "logging")]
mod stderr;
mod sync;
mod tally;
#[cfg(feature = "logging")]
pub mod task;
#[cfg(any(feature = "chaos", feature = "testing"))]
pub mod testing;
mod text;
mod timer;
mod url;
#[cfg(any(feature = "chaos", feature = "logging", feature = "testing"))]
mod words;
#[cfg(all(feature = "logging", unix))]
mod writable;

#[doc(hidden)]
pub mod expansion;
