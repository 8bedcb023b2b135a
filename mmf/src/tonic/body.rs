//! What a call answers with: a stream whose trailers tell how it ended.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tonic::{Code, Status};
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use mmf_runtime::resilience::{Class, OpenCall};

use super::sent::Wanted;
use super::settings::Settings;
use super::status::{cut, failed, sanitize, status, told, untold};

/// Whoever else keeps the time that it was told may be ahead of us by so much: our own timer goes by the millisecond.
pub(super) const AHEAD: Duration = Duration::from_millis(5);

/// The body of an answer behind a [`ClientLayer`](super::ClientLayer). Its end, and what it ends with, is what the policies count.
pub struct ResponseBody<B> {
    inner: Option<B>,
    open: Option<Open>,
}

/// A call that goes on.
pub(super) struct Open {
    pub(super) call: OpenCall,
    pub(super) _wanted: Option<Wanted>,
    pub(super) settings: Arc<Settings>,
    /// What the head has told of its end: that it is well, or only its HTTP status.
    pub(super) head: Result<(), StatusCode>,
}

impl<B> ResponseBody<B> {
    /// Of a call that has ended.
    pub(super) fn ended(inner: B) -> Self {
        Self { inner: Some(inner), open: None }
    }

    /// Of a call that goes on.
    pub(super) fn open(inner: B, open: Open) -> Self {
        Self { inner: Some(inner), open: Some(open) }
    }

    fn end(&mut self, status: impl FnOnce(Result<(), StatusCode>) -> Result<(), Status>) {
        if let Some(Open { mut call, settings, head, .. }) = self.open.take() {
            // User code, while the call is still held: where it panics, the call has failed.
            let class = call.within(|| match status(head) {
                Ok(()) => Class::Success,
                Err(status) => (settings.class)(&status),
            });
            call.end(class);
        }
    }

    /// Ends it in the middle: its time is over.
    fn expire(&mut self) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // Which resets the stream, before its place goes back.
        self.inner = None;
        Poll::Ready(self.open.take().map(|open| Err(status(open.call.expire()))))
    }

    /// Whether the other side says no more than our own timer will in a moment: then that is what counts.
    fn is_ahead_of_us(&self, status: &Status) -> bool {
        let left = self.open.as_ref().and_then(|open| open.call.time_left());
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled)
            && left.is_some_and(|left| left <= AHEAD)
    }
}

/// An empty one, for tonic's interceptors: what they refuse is answered with it.
impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self { inner: None, open: None }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let polled = match &mut this.open {
            None => Pin::new(inner).poll_frame(context),
            // A stream that has always more to say is never pending.
            Some(open) if open.call.is_over() => return this.expire(),
            Some(open) => open.call.within(|| Pin::new(inner).poll_frame(context)),
        };
        let Poll::Ready(frame) = polled else {
            let Some(open) = &mut this.open else { return Poll::Pending };
            ready!(open.call.poll_over(context));
            return this.expire();
        };
        Poll::Ready(match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    sanitize(trailers);
                    let told = told(trailers);
                    if let Some(Err(status)) = &told
                        && this.is_ahead_of_us(status)
                    {
                        return this.expire();
                    }
                    this.end(|head| told.unwrap_or_else(|| head.map_err(untold)));
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let status = cut(failed(error.into()));
                if this.is_ahead_of_us(&status) {
                    return this.expire();
                }
                this.end(|_| Err(status.clone()));
                Some(Err(status))
            }
            None => {
                this.end(|head| head.map_err(untold));
                None
            }
        })
    }

    /// Not before its end was seen, so that whoever reads it gets there.
    fn is_end_stream(&self) -> bool {
        self.open.is_none() && self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_open = self.open.is_some();
        f.debug_struct("ResponseBody").field("is_open", &is_open).finish_non_exhaustive()
    }
}
