//! A request on its way through the layer.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method};
use mmf_runtime::resilience::{Class, ResilienceError};
use tower_service::Service;

use super::problem::{Problem, Told};
use super::settings::Settings;
use crate::attempt::Attempt;
use crate::correlation;
use crate::future::ResponseFuture;
use crate::http::timeout_of;
use crate::ready;
use crate::request_log::{Ended, Log, Protocol, Status};
use crate::slot::Slot;

/// Routes behind a [`ServiceLayer`](super::ServiceLayer).
#[derive(Clone)]
pub struct Served<S> {
    pub(super) inner: S,
    pub(super) settings: Arc<Settings>,
}

impl<S: fmt::Debug> fmt::Debug for Served<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S> Service<Request> for Served<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture<Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = ready::take(&mut self.inner);
        let settings = Arc::clone(&self.settings);
        ResponseFuture::of(async move {
            let context = correlation::from_headers(request.headers());
            let id = context.id.clone();
            let served = async {
                let log = Log::begin(Protocol::Http, settings.name, operation(&request));
                let mut response = settings.serve(request, inner, &log).await;
                if let Ok(id) = HeaderValue::from_str(id.as_str()) {
                    response.headers_mut().insert(correlation::header(), id);
                }
                end(log, &response);
                response
            };
            Ok(correlation::scope(context, served).await)
        })
    }
}

/// Method and route: not the path, of which there are as many as callers think of.
fn operation(request: &Request) -> String {
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
    // Others are any word that a caller thinks of.
    let method = match *request.method() {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS
        | Method::TRACE
        | Method::CONNECT => request.method().as_str(),
        _ => "other",
    };
    format!("{method} {route}")
}

fn end(log: Log, response: &Response) {
    let status = response.status();
    // Of a refusal: which policy, and why.
    let error = response.extensions().get::<Told>().map(|told| &*told.0);
    let ended = match status.as_u16() {
        500.. => Ended::Failed,
        400.. => Ended::Rejected,
        _ => Ended::Succeeded,
    };
    log.end(ended, Status::Http(status.as_u16()), error);
}

impl Settings {
    async fn serve<S>(&self, request: Request, inner: S, log: &Log) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        match self.admit(request, inner, log).await {
            Ok(response) => response,
            Err(refusal) => Problem::from(refusal).into_response(),
        }
    }

    async fn admit<S>(
        &self,
        request: Request,
        inner: S,
        log: &Log,
    ) -> Result<Response, ResilienceError>
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        let mut call = self.limits.pipeline().call::<Attempt<Response, Infallible>>();
        let limit = self.deadline(&request, log);
        if let Some(limit) = limit {
            // As a timeout too, a tick of the timer before: a limit that is found learns from a request that was cut by it.
            let tick = Duration::from_millis(1);
            call = call.deadline(limit).timeout(if limit > tick { limit - tick } else { limit });
        }
        if let Some(key) = &self.key {
            call = call.maybe_key(key(&request));
        }
        let parts = Slot::new((request, inner));
        // Under the deadline are the waits for a permit and for room as well.
        let call = call.classify(Attempt::class).refused(Attempt::Refused);
        let served = call.run(|| async {
            let (request, mut inner) = parts.take().expect("a request is served once");
            let Ok(response) = inner.call(request).await;
            let class =
                if response.status().is_server_error() { Class::Failure } else { Class::Success };
            Attempt::of(Ok(response), class)
        });
        Attempt::result(
            served.await,
            |never| match never {},
            |refusal| match refusal {
                // To the caller it is the time of the request.
                ResilienceError::Timeout { policy, limit: cut, .. } => {
                    ResilienceError::deadline_exceeded(policy, limit.unwrap_or(cut))
                }
                refusal => refusal,
            },
        )
    }

    /// The caller's word, up to the longest there is.
    fn deadline(&self, request: &Request, log: &Log) -> Option<Duration> {
        let said = self.timeout_header.as_ref();
        let said = said.map_or(Ok(None), |name| timeout_of(request.headers(), name));
        let said = said.unwrap_or_else(|invalid| {
            log.invalid(&invalid);
            None
        });
        match (said, self.max_deadline) {
            (Some(time), Some(most)) => Some(time.min(most)),
            (one, other) => one.or(other),
        }
    }
}
