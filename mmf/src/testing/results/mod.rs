//! The record of a test: one JSON object a line, in a file of the process that ran it, under
//! `target/mmf/results/`.
//!
//! A process has a file of its own, so that no lock is needed and a process that is killed leaves whole lines; a
//! start record is written before a test runs, so that one which never ends is missed.

mod provenance;
mod read;
mod record;
mod write;

pub use provenance::Provenance;
pub use read::Results;
#[cfg(feature = "testing")]
pub(super) use record::now_ms;
pub use record::{
    Chaos, ChaosCase, Check, Contract, JSON_SCHEMA, Outcome, PactSource, Performance, Record,
    SCHEMA, Started,
};
