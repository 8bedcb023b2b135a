//! What a server answers with: a stream that is logged when it ends.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tonic::{Code, Status};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use mmf_runtime::resilience::OpenCall;

use super::methods::Methods;
use super::status::{class_of_service, in_time, is_fault, name, refusal, status, told};
use crate::correlation;
use crate::request_log::{self, Ended, Protocol};

/// A call in the log.
pub(super) struct Log {
    log: request_log::Log,
    methods: Arc<Methods>,
    path: String,
}

impl Log {
    pub(super) fn begin(methods: &Arc<Methods>, component: &'static str, path: &str) -> Self {
        let operation = methods.at_begin(path).to_owned();
        let log = request_log::Log::begin(Protocol::Grpc, component, operation);
        Self { log, methods: Arc::clone(methods), path: path.to_owned() }
    }

    /// Its end, and where a refusal of ours is behind it: which.
    pub(super) fn end(self, told: &Result<(), Status>, source: Option<&Status>) {
        let Self { mut log, methods, path } = self;
        let code = told.as_ref().map_or_else(Status::code, |()| Code::Ok);
        if code != Code::Unimplemented
            && let Some(name) = methods.answered(&path)
        {
            log.rename(name);
        }
        let refusal = source.and_then(refusal).map(ToString::to_string);
        let message =
            told.as_ref().err().map(Status::message).filter(|message| !message.is_empty());
        let ended = match code {
            Code::Ok => Ended::Succeeded,
            code if is_fault(code) => Ended::Failed,
            _ => Ended::Rejected,
        };
        let status = request_log::Status::Grpc(name(code));
        log.end(ended, status, refusal.as_deref().or(message));
    }
}

/// The body of an answer behind a [`ServerLayer`](super::ServerLayer): what it says runs under the deadline and the ids of its
/// call, and its end is the end of the call.
pub struct ServedBody<B> {
    inner: Option<B>,
    open: Option<Open>,
}

/// A call that goes on.
pub(super) struct Open {
    pub(super) call: OpenCall,
    pub(super) log: Log,
    pub(super) context: correlation::Context,
    /// How long its caller waits.
    pub(super) limit: Option<Duration>,
}

impl<B> ServedBody<B> {
    /// Of a call that has ended.
    pub(super) fn ended(inner: B) -> Self {
        Self { inner: Some(inner), open: None }
    }

    /// Of a call that goes on.
    pub(super) fn open(inner: B, open: Open) -> Self {
        Self { inner: Some(inner), open: Some(open) }
    }

    fn end(&mut self, told: &Result<(), Status>, source: Option<&Status>) {
        if let Some(Open { call, log, context, .. }) = self.open.take() {
            call.end(class_of_service(told));
            context.sync_scope(|| log.end(told, source));
        }
    }
}

impl<B> Default for ServedBody<B> {
    fn default() -> Self {
        Self { inner: None, open: None }
    }
}

/// Dropped before its end, its caller has gone: what is said of that, by whomever, is said of this call.
impl<B> Drop for ServedBody<B> {
    fn drop(&mut self) {
        if let Some(Open { call, log, context, .. }) = self.open.take() {
            let inner = self.inner.take();
            context.sync_scope(|| drop((inner, log, call)));
        }
    }
}

impl<B: Body + Unpin> Body for ServedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let polled = match &this.open {
            Some(Open { call, context: ids, .. }) => {
                let poll = || call.within(|| Pin::new(inner).poll_frame(context));
                ids.clone().sync_scope(poll)
            }
            None => Pin::new(inner).poll_frame(context),
        };
        let frame = match polled {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let Some(open) = &mut this.open else { return Poll::Pending };
                let ids = open.context.clone();
                let refusal = ready!(ids.sync_scope(|| open.call.poll_limit(context)));
                let status = status(in_time(refusal, open.limit));
                return Poll::Ready(Some(Ok(Frame::trailers(this.cut(&status)))));
            }
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    let told = told(trailers);
                    this.end(&told.unwrap_or_else(|| Err(untold())), None);
                }
            }
            Some(Err(_)) => this.end(&Err(Status::internal("the stream broke")), None),
            None => this.end(&Err(untold()), None),
        }
        Poll::Ready(frame)
    }

    /// Not before its end was seen, so that whoever sends it gets there.
    fn is_end_stream(&self) -> bool {
        self.open.is_none() && self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

fn untold() -> Status {
    Status::unknown("it ended without a status")
}

impl<B> ServedBody<B> {
    /// Ends it in the middle, with this as its last word.
    fn cut(&mut self, status: &Status) -> HeaderMap {
        self.end(&Err(status.clone()), Some(status));
        self.inner = None;
        let mut trailers = HeaderMap::new();
        // It is ours, and of words that a header can hold.
        let added = status.add_header(&mut trailers);
        debug_assert!(added.is_ok(), "{added:?}");
        trailers
    }
}

impl<B> fmt::Debug for ServedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_open = self.open.is_some();
        f.debug_struct("ServedBody").field("is_open", &is_open).finish_non_exhaustive()
    }
}
