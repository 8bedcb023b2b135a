//! The deadline that the running code is under: a variable of the thread, set while a call is polled.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;

thread_local! {
    /// The nearest deadline of the calls that are being polled on this thread.
    static CURRENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The deadline that the running code is under, if any.
pub(crate) fn current() -> Option<Instant> {
    CURRENT.get()
}

/// What is left of the deadline that the running code is under.
pub(crate) fn time_left() -> Duration {
    current().map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(clock::now()))
}

/// Carries the current deadline over to a future that is spawned: calls within it are bounded as those of
/// whoever starts it.
#[cfg(feature = "logging")]
pub(crate) fn carrying<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let deadline = current();
    async move {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| {
            let _entered = deadline.map(Entered::enter);
            future.as_mut().poll(context)
        })
        .await
    }
}

/// Carries the current deadline over to a closure on another thread.
#[cfg(feature = "logging")]
pub(crate) fn carrying_sync<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let deadline = current();
    move || {
        let _entered = deadline.map(Entered::enter);
        work()
    }
}

/// Makes a deadline the current one; the earlier one comes back on drop, also in a panic.
pub(super) struct Entered(Option<Instant>);

impl Entered {
    pub(super) fn enter(deadline: Instant) -> Self {
        Self(CURRENT.replace(Some(deadline)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
