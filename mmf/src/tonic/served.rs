//! What a server answers with: a stream that is logged when it ends.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::tonic::{Code, Status};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use mmf_runtime::resilience::OpenCall;

use super::methods::Methods;
use super::status::{class_of_service, in_time, is_fault, name, refusal, status, told};
use crate::correlation;
use crate::request_log::{self, Ended, Protocol};
use crate::slot::Slot;

/// A call in the log.
pub(super) struct Log {
    log: request_log::Log,
    methods: Arc<Methods>,
    path: String,
}

impl Log {
    pub(super) fn begin(methods: &Arc<Methods>, component: &'static str, path: &str) -> Self {
        let operation = methods.at_begin(path).to_owned();
        let mut log = request_log::Log::begin(Protocol::Grpc, component, operation);
        if let Some(name) = methods.known(path) {
            log.rename(name);
        }
        Self { log, methods: Arc::clone(methods), path: path.to_owned() }
    }

    /// The service has answered: more than an error, which also what stands before it may have.
    pub(super) fn answered(&mut self) {
        if let Some(name) = self.methods.answered(&self.path) {
            self.log.rename(name);
        }
    }

    /// Its end, and where a refusal of ours is behind it: which.
    pub(super) fn end(self, told: &Result<(), Status>, source: Option<&Status>) {
        let Self { log, .. } = self;
        let code = told.as_ref().map_or_else(Status::code, |()| Code::Ok);
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

/// A call that goes on.
pub(super) struct Open {
    pub(super) call: OpenCall,
    pub(super) log: Log,
    pub(super) context: correlation::Context,
    /// How long its caller waits.
    pub(super) limit: Option<Duration>,
}

impl Open {
    fn end(self, told: &Result<(), Status>) {
        let Self { call, log, context, .. } = self;
        call.end(class_of_service(told));
        context.sync_scope(|| log.end(told, None));
    }

    /// Ends it in the middle, as its time is over.
    pub(super) fn expire(self) -> Status {
        let Self { call, log, context, limit } = self;
        context.sync_scope(|| {
            let status = status(in_time(call.expire(), limit));
            log.end(&Err(status.clone()), Some(&status));
            status
        })
    }
}

/// The body of an answer behind a [`ServerLayer`](super::ServerLayer): what it says runs under the deadline and the ids of its
/// call, and its end is the end of the call.
pub struct ServedBody<B> {
    inner: Option<B>,
    /// Empty while it is polled, and once it was ended because its time was over and nobody read it.
    open: Option<Arc<Slot<Open>>>,
}

impl<B> ServedBody<B> {
    /// Of a call that has ended.
    pub(super) fn ended(inner: B) -> Self {
        Self { inner: Some(inner), open: None }
    }

    /// Of a call that goes on.
    pub(super) fn open(inner: B, open: Arc<Slot<Open>>) -> Self {
        Self { inner: Some(inner), open: Some(open) }
    }

    /// Ends it in the middle, with this as its last word.
    fn cut<D, E>(&mut self, open: Option<Open>) -> Poll<Option<Result<Frame<D>, E>>> {
        // Before its place goes back.
        self.inner = None;
        self.open = None;
        let over = || Status::deadline_exceeded("the call took too long");
        let status = open.map_or_else(over, Open::expire);
        let mut trailers = HeaderMap::new();
        // It is ours, and of words that a header can hold.
        let added = status.add_header(&mut trailers);
        debug_assert!(added.is_ok(), "{added:?}");
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
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
        let Some(open) = self.open.take().and_then(|open| open.take()) else { return };
        let Open { call, log, context, .. } = open;
        let inner = self.inner.take();
        context.sync_scope(|| drop((inner, log, call)));
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
        let Some(slot) = this.open.clone() else {
            let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
            return Pin::new(inner).poll_frame(context);
        };
        match slot.take() {
            Some(open) => open.context.clone().sync_scope(|| this.poll_open(open, &slot, context)),
            None => this.cut(None),
        }
    }

    /// Not before its end was seen, so that whoever sends it gets there.
    fn is_end_stream(&self) -> bool {
        self.open.is_none() && self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

impl<B: Body + Unpin> ServedBody<B> {
    fn poll_open(
        &mut self,
        mut open: Open,
        slot: &Slot<Open>,
        context: &mut Context<'_>,
    ) -> Polled<B> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        // A stream that has always more to say is never pending.
        if open.call.is_over() {
            return self.cut(Some(open));
        }
        match open.call.within(|| Pin::new(inner).poll_frame(context)) {
            Poll::Pending if open.call.poll_over(context).is_ready() => self.cut(Some(open)),
            Poll::Pending => {
                slot.put(open);
                Poll::Pending
            }
            Poll::Ready(frame) => {
                match end_of(&frame) {
                    None => slot.put(open),
                    Some(told) => {
                        self.open = None;
                        open.end(&told);
                    }
                }
                Poll::Ready(frame)
            }
        }
    }
}

/// How a stream has ended, where it has.
fn end_of<D, E>(frame: &Option<Result<Frame<D>, E>>) -> Option<Result<(), Status>> {
    let untold = || Err(Status::unknown("it ended without a status"));
    match frame {
        Some(Ok(frame)) => {
            frame.trailers_ref().map(|trailers| told(trailers).unwrap_or_else(untold))
        }
        Some(Err(_)) => Some(Err(Status::internal("the stream broke"))),
        None => Some(untold()),
    }
}

impl<B> fmt::Debug for ServedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_open = self.open.is_some();
        f.debug_struct("ServedBody").field("is_open", &is_open).finish_non_exhaustive()
    }
}
