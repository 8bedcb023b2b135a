//! The service behind policies.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mmf_runtime::resilience::{Class, ResilienceError};
use tower_service::Service;

use super::error::Error;
use super::replay::Replay;
use super::settings::{Classify, KeyOf, Shared};
use crate::copies::Copies;
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

/// What a [`Resilience`] answers with.
pub struct ResponseFuture<T, E>(Pin<Box<dyn Future<Output = Result<T, E>> + Send>>);

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

/// What came of an attempt that did not succeed: a response or an error, and its class.
enum Attempt<T, E> {
    Answered(T, Class),
    Failed(E, Class),
    Refused(ResilienceError),
}

impl<T, E> Attempt<T, E> {
    fn class(&self) -> Class {
        match self {
            Self::Answered(_, class) | Self::Failed(_, class) => *class,
            Self::Refused(_) => Class::Ignored,
        }
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
        ResponseFuture(Box::pin(async move {
            let mut call = settings.pipeline.call::<Attempt<S::Response, S::Error>>();
            if let Some(key) = settings.key.key(&request) {
                call = call.key(key);
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
                let class = &settings.class;
                if let Err(error) = poll_fn(|context| service.poll_ready(context)).await {
                    let class = class.class(Err(&error));
                    return Err(Attempt::Failed(error, class));
                }
                match service.call(request).await {
                    Err(error) => {
                        let class = class.class(Err(&error));
                        Err(Attempt::Failed(error, class))
                    }
                    Ok(response) => match class.class(Ok(&response)) {
                        Class::Success => Ok(response),
                        class => Err(Attempt::Answered(response, class)),
                    },
                }
            };
            let result = call
                .retry_if(|attempt| attempt.class().is_transient())
                .retry_after(|attempt| attempt.class().retry_after())
                .skip_if(|attempt| attempt.class() == Class::Ignored)
                .fail_if(|attempt| attempt.class().is_failure())
                .refused(Attempt::Refused)
                .run(attempt)
                .await;
            match result {
                Ok(response) | Err(Attempt::Answered(response, _)) => Ok(response),
                Err(Attempt::Failed(error, _)) => Err(Error::Inner(error)),
                Err(Attempt::Refused(refusal)) => Err(Error::Refused(refusal)),
            }
        }))
    }
}
