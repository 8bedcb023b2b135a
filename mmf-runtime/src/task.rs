//! Tasks that go on as part of the request that started them.

use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::correlation;

/// [`tokio::spawn`] that carries the correlation id, the trace and the span over to the new task.
///
/// ```
/// use mmf_runtime::correlation::{self, CorrelationId};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let id = CorrelationId::new();
/// let seen = correlation::scope(id.clone(), async {
///     mmf_runtime::task::spawn(async { correlation::current() }).await.unwrap()
/// }).await;
/// assert_eq!(seen, Some(id));
/// # });
/// ```
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let future = future.in_current_span();
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
    tokio::task::spawn_blocking(move || {
        let work = || span.in_scope(work);
        match context {
            Some(context) => context.sync_scope(work),
            None => work(),
        }
    })
}
