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

/// What is left of the deadline that the running code is under, or the longest time there is.
pub(crate) fn time_left() -> Duration {
    left().unwrap_or(Duration::MAX)
}

/// What is left of the deadline that the running code is under, where it is under one: to tell it to whoever is asked
/// next.
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::time::Duration;
/// use mmf::resilience::{Pipeline, ResilienceError, time_left};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pipeline = Pipeline::builder("outer").deadline(Duration::from_secs(2)).build();
/// let left = pipeline.call().run(|| async { Ok::<_, ResilienceError>(time_left()) }).await;
/// assert!(left.unwrap().unwrap() <= Duration::from_secs(2));
/// assert_eq!(time_left(), None);
/// # });
/// ```
pub fn left() -> Option<Duration> {
    current().map(|deadline| deadline.saturating_duration_since(clock::now()))
}

/// Runs a future under a deadline as well, as far as it asks for what is left: nobody ends it here.
pub(crate) async fn until<F: Future>(deadline: Instant, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        let nearest = current().map_or(deadline, |outer| outer.min(deadline));
        let _entered = Entered::enter(nearest);
        future.as_mut().poll(context)
    })
    .await
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
