//! The faults that strike the process now, where it is built with them.

use serde::Serialize;

#[cfg(feature = "chaos")]
use super::time::millis;

/// An experiment of the process.
#[derive(Debug, Serialize)]
pub(super) struct Armed {
    number: u64,
    /// As `MMF_CHAOS` has it.
    what: String,
    /// As text: numbers of JSON are not read as exactly as this one has to be.
    seed: String,
    injections: u64,
    /// How long it still strikes, in milliseconds.
    left: u64,
}

#[cfg(feature = "chaos")]
pub(super) fn armed() -> Vec<Armed> {
    let all = mmf_runtime::chaos::armed().into_iter();
    let shown = all.map(|injector| Armed {
        number: injector.number(),
        what: injector.config().to_string(),
        seed: injector.seed().to_string(),
        injections: injector.injections(),
        left: millis(injector.left()),
    });
    shown.collect()
}

#[cfg(not(feature = "chaos"))]
pub(super) fn armed() -> Vec<Armed> {
    Vec::new()
}

/// Ends one; what it was.
#[cfg(feature = "chaos")]
pub(super) fn disarm(number: u64) -> Option<String> {
    let all = mmf_runtime::chaos::armed();
    let found = all.into_iter().find(|injector| injector.number() == number)?;
    found.disarm();
    Some(found.config().to_string())
}

#[cfg(not(feature = "chaos"))]
pub(super) fn disarm(_: u64) -> Option<String> {
    None
}
