//! A place for what is `Send` and may not be `Sync`, in a future that is to be `Send`.

use std::sync::{Mutex, PoisonError};

/// Why a value is in its place whenever it is asked for: an attempt uses it while it is polled, and all attempts of a
/// call are polled by its task, one after the other.
#[cfg(any(feature = "reqwest", feature = "tonic", feature = "tower"))]
pub(crate) const ONE_TASK: &str = "used by one task, which puts it back";

/// Holds a value that one task uses at a time. Nothing of the user's runs under its lock: the value is taken out, used,
/// and put back.
pub(crate) struct Slot<T>(Mutex<Option<T>>);

impl<T> Slot<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(Some(value)))
    }

    /// Takes the value for good.
    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts a value that was taken back.
    #[cfg(any(feature = "reqwest", feature = "tonic", feature = "tower"))]
    pub(crate) fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// Uses the value; nothing where it is gone, by [`take`](Self::take) or a panic in an earlier use.
    #[cfg(any(feature = "reqwest", feature = "tonic", feature = "tower"))]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut value = self.take()?;
        let result = work(&mut value);
        self.put(value);
        Some(result)
    }
}
