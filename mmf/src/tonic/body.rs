//! What a call answers with: a stream whose trailers tell how it ended.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::tonic::Status;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use mmf_runtime::resilience::{Class, OpenCall};

use super::sent::Wanted;
use super::settings::Settings;
use super::status::{cut, failed, status, told, untold};

/// The body of an answer behind a [`ClientLayer`](super::ClientLayer). Its end, and what it ends with, is what the policies count.
pub struct ResponseBody<B> {
    inner: Option<B>,
    open: Option<Open>,
}

/// A call that goes on.
struct Open {
    call: OpenCall,
    _wanted: Option<Wanted>,
    settings: Arc<Settings>,
    head: StatusCode,
}

impl<B> ResponseBody<B> {
    /// Of a call that has ended.
    pub(super) fn ended(inner: B) -> Self {
        Self { inner: Some(inner), open: None }
    }

    /// Of a call that goes on.
    pub(super) fn open(
        inner: B,
        (call, wanted): (OpenCall, Option<Wanted>),
        settings: Arc<Settings>,
        head: StatusCode,
    ) -> Self {
        Self { inner: Some(inner), open: Some(Open { call, _wanted: wanted, settings, head }) }
    }

    fn end(&mut self, class: impl FnOnce(&Settings, StatusCode) -> Class) {
        if let Some(Open { call, settings, head, .. }) = self.open.take() {
            // User code, while the call is still held: where it panics, the call counts as failed.
            let class = class(&settings, head);
            call.end(class);
        }
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
        let frame = match Pin::new(inner).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let Some(open) = &mut this.open else { return Poll::Pending };
                let refusal = ready!(open.call.poll_limit(context));
                // Which resets the stream: nobody waits for it any more.
                (this.inner, this.open) = (None, None);
                return Poll::Ready(Some(Err(status(refusal))));
            }
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    let told = told(trailers);
                    this.end(|settings, head| settings.class_of_end(told, head));
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let status = cut(failed(error.into()));
                this.end(|settings, _| (settings.class)(&status));
                Some(Err(status))
            }
            None => {
                this.end(|settings, head| settings.class_of_end(None, head));
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

impl Settings {
    /// Of a stream that ended with these trailers.
    fn class_of_end(&self, told: Option<Result<(), Status>>, head: StatusCode) -> Class {
        match told.unwrap_or_else(|| Err(untold(head))) {
            Ok(()) => Class::Success,
            Err(status) => (self.class)(&status),
        }
    }
}
