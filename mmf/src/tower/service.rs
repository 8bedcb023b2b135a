//! The service behind policies.

use std::any::type_name;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::error::Error;
use super::replay::Replay;
use super::settings::{Classify, KeyOf, Shared};
use crate::attempt::Attempt;
use crate::copies::Copies;
use crate::future::ResponseFuture;
use crate::slot::{ONE_TASK, Slot};

/// A service behind policies; see [`ResilienceLayer`](super::ResilienceLayer).
pub struct Resilience<S, R, C, K> {
    inner: S,
    settings: Shared<R, C, K>,
}

impl<S, R, C, K> Resilience<S, R, C, K> {
    pub(super) fn new(inner: S, settings: Shared<R, C, K>) -> Self {
        Self { inner, settings }
    }

    /// The service within.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: Clone, R, C, K> Clone for Resilience<S, R, C, K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), settings: Arc::clone(&self.settings) }
    }
}

impl<S: fmt::Debug, R, C, K> fmt::Debug for Resilience<S, R, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resilience")
            .field("inner", &self.inner)
            .field("pipeline", &self.settings.pipeline)
            .finish()
    }
}

impl<S, Request, R, C, K> Service<Request> for Resilience<S, R, C, K>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send,
    Request: Send + 'static,
    R: Replay<Request> + Send + Sync + 'static,
    C: Classify<S::Response, S::Error> + Send + Sync + 'static,
    K: KeyOf<Request> + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Response, Error<S::Error>>;

    /// Always ready: what is not, refuses or waits within a call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (inner, settings) = (Slot::new(self.inner.clone()), Arc::clone(&self.settings));
        ResponseFuture::of(async move {
            let mut call = settings.pipeline.call::<Attempt<S::Response, S::Error>>();
            if settings.pipeline.is_by_key() {
                call = call.maybe_key(settings.key.key(&request));
            }
            let copies = Copies::of(request, settings.pipeline.repeats(), |request| {
                settings.replay.copy(request)
            });
            if !copies.repeats() {
                call = call.once();
            }
            let attempt = || async {
                let request = copies.next(|request| settings.replay.copy(request));
                let mut service = inner.with(|inner| inner.clone()).expect(ONE_TASK);
                let result = match poll_fn(|context| service.poll_ready(context)).await {
                    Ok(()) => service.call(request).await,
                    Err(error) => Err(error),
                };
                let class = settings.class.class(result.as_ref());
                Attempt::of(result, class)
            };
            let call = call.classify(Attempt::class).error_text(text).refused(Attempt::Refused);
            Attempt::result(call.run(attempt).await, Error::Inner, Error::Refused)
        })
    }
}

/// What came of an attempt in events, where nothing is known of responses and errors.
fn text<T, E>(attempt: &Attempt<T, E>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match attempt {
        Attempt::Answered(_, class) => write!(f, "a response that is no success: {class}"),
        Attempt::Failed(_, class) => write!(f, "{}: {class}", type_name::<E>()),
        Attempt::Refused(refusal) => write!(f, "{refusal}"),
    }
}
