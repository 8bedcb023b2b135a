//! A call on its way through the layer of a client.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ::tonic::body::Body;
use ::tonic::{Code, Status};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use mmf_runtime::resilience::{Class, time_left};
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::body::{AHEAD, Open, ResponseBody};
use super::sent::Sent;
use super::settings::Settings;
use super::status::{STATUS, failed, has_ended, head, name, sanitize, status};
use super::timeout;
use crate::attempt::Attempt;
use crate::copies::Copies;
use crate::correlation;
use crate::future::ResponseFuture;
use crate::slot::{ONE_TASK, Slot};

/// How many attempts came before
/// ([A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
const PREVIOUS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// A channel behind a [`ClientLayer`](super::ClientLayer), or whatever else takes a call:
/// `Service<Request<tonic::body::Body>> + Clone + Send + 'static` with a future that is `Send`, an error that is
/// `Into<BoxError> + Send`, and a body of `Bytes` that is `Send + Unpin + 'static`.
#[derive(Clone)]
pub struct Client<S> {
    pub(super) inner: S,
    pub(super) settings: Arc<Settings>,
}

impl<S: fmt::Debug> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("inner", &self.inner)
            .field("pipeline", &self.settings.pipeline)
            .finish()
    }
}

/// What came of an attempt.
type Tried<B> = Attempt<Response<B>, Status>;

impl<S, B> Service<Request<Body>> for Client<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    type Response = Response<ResponseBody<B>>;
    type Error = Status;
    type Future = ResponseFuture<Self::Response, Status>;

    /// Always ready: what is not, refuses or waits within a call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (inner, settings) = (Slot::new(self.inner.clone()), Arc::clone(&self.settings));
        ResponseFuture::of(async move {
            let path = request.uri().path();
            let pipeline = settings.pipeline(path);
            let mut call = pipeline.call::<Tried<B>>();
            if pipeline.is_by_key() {
                call = match &settings.key {
                    Some(key) => call.maybe_key(key(&request)),
                    None => call.key_of(path),
                };
            }
            // The caller's own word for this call.
            if let Some(limit) = timeout::timeout_of(request.headers()) {
                call = call.deadline(limit);
            }
            let (parts, body) = request.into_parts();
            let (sent, wanted) = Sent::read_ahead(body, settings.replay_limit).await;
            let request = Request::from_parts(parts, sent);
            let copies = Copies::of(request, pipeline.repeats(), Sent::copy);
            if !copies.repeats() {
                call = call.once();
            }
            let attempts = AtomicU32::new(0);
            let attempt = || async {
                // Relaxed: used by the task of the call alone.
                let number = attempts.fetch_add(1, Ordering::Relaxed);
                let mut request = copies.next(Sent::copy).map(Sent::into_body);
                let mut service = inner.with(|inner| inner.clone()).expect(ONE_TASK);
                let mut limit = None;
                let answer = match poll_fn(|context| service.poll_ready(context)).await {
                    Ok(()) => {
                        limit = complete(&mut request, number);
                        service.call(request).await
                    }
                    Err(error) => Err(error),
                };
                let (answer, status) = tried(answer, &settings);
                if let (Some(limit), Some(status)) = (limit, status) {
                    limit.let_our_own_timer_tell(&status).await;
                }
                answer
            };
            let call = call.classify(Attempt::class).error_text(text).refused(Attempt::Refused);
            match call.open(attempt).await {
                Ok((answer, call)) if has_ended(&answer) => {
                    call.end(Class::Success);
                    Ok(answer.map(ResponseBody::ended))
                }
                Ok((answer, call)) => {
                    let told = answer.headers().contains_key(STATUS);
                    let head = if told { Ok(()) } else { Err(answer.status()) };
                    let settings = Arc::clone(&settings);
                    let open = Open { call, _wanted: wanted, settings, head };
                    Ok(answer.map(|body| ResponseBody::open(body, open)))
                }
                Err(Attempt::Answered(answer, _)) => Ok(answer.map(ResponseBody::ended)),
                Err(Attempt::Failed(status, _)) => Err(status),
                Err(Attempt::Refused(refusal)) => Err(status(refusal)),
            }
        })
    }
}

/// What came of an attempt, and where that is no success its status.
fn tried<B, E>(
    answer: Result<Response<B>, E>,
    settings: &Settings,
) -> (Result<Response<B>, Tried<B>>, Option<Status>)
where
    B: http_body::Body,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let status = failed(error.into());
            let class = (settings.class)(&status);
            return (Err(Attempt::Failed(status.clone(), class)), Some(status));
        }
    };
    sanitize(answer.headers_mut());
    let Err(status) = head(&answer) else { return (Ok(answer), None) };
    let class = (settings.class)(&status);
    if has_ended(&answer) && class == Class::Success {
        // The caller's own fault: it is told, and nobody counts it.
        return (Ok(answer), Some(status));
    }
    let tried = if has_ended(&answer) {
        Attempt::Answered(answer, class)
    } else {
        // Its body, which may never end, is nobody's: the status is told. An answer of gRPC that is more than trailers is not
        // repeated; one of HTTP alone comes from something between.
        let is_grpc = answer.status() == StatusCode::OK;
        let class = if is_grpc && class.is_transient() { Class::Failure } else { class };
        let whole = Status::from_header_map(answer.headers());
        Attempt::Failed(whole.unwrap_or_else(|| status.clone()), class)
    };
    (Err(tried), Some(status))
}

/// What each attempt sends beside the call itself.
fn complete(request: &mut Request<Body>, number: u32) -> Option<Limit> {
    let headers = request.headers_mut();
    correlation::inject(headers);
    if number > 0 {
        headers.insert(PREVIOUS, HeaderValue::from(number));
    }
    let limit = time_left();
    match limit {
        Some(limit) => headers.insert(timeout::TIMEOUT, timeout::told(limit)),
        // One that says nothing.
        None => headers.remove(timeout::TIMEOUT),
    };
    limit.map(|limit| Limit { began: Instant::now(), limit })
}

/// The time that the other side was told.
struct Limit {
    began: Instant,
    limit: Duration,
}

impl Limit {
    /// The channel and the server keep the same time, and may be a moment ahead: then it is our own policy that is to tell,
    /// which knows what to do about it.
    async fn let_our_own_timer_tell(&self, status: &Status) {
        let left = self.limit.saturating_sub(self.began.elapsed());
        if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) && left <= AHEAD {
            sleep(left + AHEAD).await;
        }
    }
}

/// What came of an attempt in events.
fn text<B: http_body::Body>(tried: &Tried<B>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match tried {
        Attempt::Answered(answer, _) => match head(answer) {
            Ok(()) => f.write_str(name(Code::Ok)),
            Err(status) => write!(f, "{}", Text(&status)),
        },
        Attempt::Failed(status, _) => write!(f, "{}", Text(status)),
        Attempt::Refused(refusal) => write!(f, "{refusal}"),
    }
}

struct Text<'s>(&'s Status);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = name(self.0.code());
        match self.0.message() {
            "" => f.write_str(name),
            message => write!(f, "{name}: {message}"),
        }
    }
}
