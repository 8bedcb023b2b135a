//! The future of a service behind one of the layers: a box, the one allocation of a call.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a service behind a layer answers with.
pub struct ResponseFuture<T, E>(Pin<Box<dyn Future<Output = Result<T, E>> + Send>>);

impl<T, E> ResponseFuture<T, E> {
    pub(crate) fn of(future: impl Future<Output = Result<T, E>> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl<T, E> Future for ResponseFuture<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<T, E> fmt::Debug for ResponseFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
