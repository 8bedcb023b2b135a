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
use http::{HeaderName, HeaderValue, Request, Response};
use mmf_runtime::resilience::{Class, time_left};
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::body::ResponseBody;
use super::sent::Sent;
use super::settings::Settings;
use super::status::{failed, has_ended, head, name, status};
use super::timeout;
use crate::attempt::Attempt;
use crate::copies::Copies;
use crate::correlation;
use crate::future::ResponseFuture;
use crate::slot::{ONE_TASK, Slot};

/// How many attempts came before
/// ([A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
const PREVIOUS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// Whoever else keeps the time that it was told may be ahead of us by so much: our own timer goes by the millisecond.
const AHEAD: Duration = Duration::from_millis(5);

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
            let timeout = pipeline.timeout();
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
                let limit = complete(&mut request, timeout, number);
                let mut service = inner.with(|inner| inner.clone()).expect(ONE_TASK);
                let answer = match poll_fn(|context| service.poll_ready(context)).await {
                    Ok(()) => service.call(request).await,
                    Err(error) => Err(error),
                };
                let answer = answer.map_err(|error| failed(error.into()));
                let status = answer.as_ref().map_err(Status::clone).and_then(head);
                if let Some(limit) = limit
                    && let Err(status) = &status
                {
                    limit.let_our_own_timer_tell(status).await;
                }
                let class =
                    status.map_or_else(|status| (settings.class)(&status), |()| Class::Success);
                Attempt::of(answer, class)
            };
            let call = call.classify(Attempt::class).error_text(text).refused(Attempt::Refused);
            match call.open(attempt).await {
                Ok((answer, open)) => {
                    let head = answer.status();
                    Ok(if has_ended(&answer) {
                        open.end(Class::Success);
                        answer.map(ResponseBody::ended)
                    } else {
                        let settings = Arc::clone(&settings);
                        answer.map(|body| ResponseBody::open(body, (open, wanted), settings, head))
                    })
                }
                Err(Attempt::Answered(answer, _)) => Ok(answer.map(ResponseBody::ended)),
                Err(Attempt::Failed(status, _)) => Err(status),
                Err(Attempt::Refused(refusal)) => Err(status(refusal)),
            }
        })
    }
}

/// What each attempt sends beside the call itself.
fn complete(request: &mut Request<Body>, timeout: Option<Duration>, number: u32) -> Option<Limit> {
    let headers = request.headers_mut();
    correlation::inject(headers);
    if number > 0 {
        headers.insert(PREVIOUS, HeaderValue::from(number));
    }
    let limit = timeout.into_iter().chain(time_left()).min();
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
