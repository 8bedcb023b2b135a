//! Tasks that go on as part of the request that started them.

use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::correlation;
use crate::resilience::time_left;

/// [`tokio::spawn`] that carries the correlation id, the trace, the span and the deadline over to the new task.
///
/// The task is not cut by the deadline, nor ended with the call that started it: it goes on, and what
/// it calls is bounded by that deadline as what the call itself does: no retry and no wait for a permit begins
/// that would end past it, and a `deadline` of its own is cut to it. What is to outlive the request belongs into a
/// plain [`tokio::spawn`].
///
/// ```
/// # mod mmf { pub use mmf_runtime::{correlation, task::spawn}; }
/// use mmf::correlation::{self, CorrelationId};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let id = CorrelationId::new();
/// let seen = correlation::scope(id.clone(), async {
///     mmf::spawn(async { correlation::current() }).await.unwrap()
/// }).await;
/// assert_eq!(seen, Some(id));
/// # });
/// ```
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let future = time_left::carrying(future.in_current_span());
    #[cfg(feature = "chaos")]
    let future = crate::chaos::carrying(future);
    match correlation::current_context() {
        Some(context) => tokio::spawn(context.scope(future)),
        None => tokio::spawn(future),
    }
}

/// [`tokio::task::spawn_blocking`] that carries them over to the thread.
pub fn spawn_blocking<T, W>(work: W) -> JoinHandle<T>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let (context, span) = (correlation::current_context(), tracing::Span::current());
    let work = time_left::carrying_sync(work);
    tokio::task::spawn_blocking(move || {
        let work = || span.in_scope(work);
        match context {
            Some(context) => context.sync_scope(work),
            None => work(),
        }
    })
}
