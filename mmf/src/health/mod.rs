//! How well a service is: checks that run in the background, the three probes of Kubernetes, a score, and a summary.
//!
//! ```standalone_crate
//! use std::time::Duration;
//! use mmf::health::{self, Check, ProbeStatus};
//!
//! # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! health::register(
//!     Check::new("database", || async { ping().await })
//!         .timeout(Duration::from_secs(1))
//!         .every(Duration::from_secs(5))
//!         .critical(),
//! );
//! assert_eq!(health::readyz().status, ProbeStatus::Fail, "it has not been asked yet");
//! tokio::time::sleep(Duration::from_millis(1)).await;
//! assert_eq!(health::readyz().status, ProbeStatus::Pass);
//! # }
//! ```
//!
//! `mmf::axum::probes()` serves them, with the feature `axum`. A probe asks nobody: each check runs by itself, at most once at a time, and
//! who asks gets the last result and its age. A check that hangs or panics is down, and only itself.

mod check;
mod drain;
mod history;
mod monitor;
mod probe;
mod registry;
mod score;

pub use check::{Check, Importance};
pub use drain::set_drain_delay;
pub use history::{CheckResult, history};
pub use monitor::{ResilienceMonitor, ResilienceSummary};
pub use probe::{Probe, ProbeStatus, livez, readyz, startupz};
pub use registry::{CheckReport, checks, register, unregister};
pub use score::score;
