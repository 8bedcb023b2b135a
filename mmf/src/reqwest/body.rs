//! Bodies that are sent more than once.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use ::reqwest::{Body, Request};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

/// Whether a request has a body that is not there as bytes.
pub(super) fn is_stream(request: &Request) -> bool {
    request.body().is_some_and(|body| body.as_bytes().is_none())
}

/// An error of a body that whoever made the request has given it: nothing of it is the server's.
#[derive(Debug)]
pub(super) struct CallersBody(::reqwest::Error);

impl fmt::Display for CallersBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body of the request failed")
    }
}

impl Error for CallersBody {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Has the errors of a streamed body told as what they are.
pub(super) fn mark(request: &mut Request) {
    if let Some(body) = request.body_mut().take() {
        *request.body_mut() = Some(Body::wrap(Rest::of(VecDeque::new(), Some(Ok(body)))));
    }
}

/// Makes the body of a request one that can be repeated, where it has no more than `limit` bytes. A longer one is left to
/// be sent once; what was read of it by then is sent first.
pub(super) async fn make_repeatable(request: &mut Request, limit: usize) {
    let Some(body) = request.body_mut().take_if(|body| body.as_bytes().is_none()) else { return };
    let known = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if known > limit {
        *request.body_mut() = Some(body);
        return mark(request);
    }
    let (mut body, mut read, mut length) = (body, VecDeque::new(), 0);
    *request.body_mut() = Some(loop {
        match body.frame().await {
            None if read.iter().all(Frame::is_data) => break joined(&read, length),
            None => break Body::wrap(Rest::of(read, None)),
            Some(Ok(frame)) => {
                // What has no bytes counts as one: there may be any number of them.
                length += frame.data_ref().map_or(1, |data| data.len().max(1));
                read.push_back(frame);
                if length > limit {
                    break Body::wrap(Rest::of(read, Some(Ok(body))));
                }
            }
            Some(Err(error)) => break Body::wrap(Rest::of(read, Some(Err(error)))),
        }
    });
}

fn joined(read: &VecDeque<Frame<Bytes>>, length: usize) -> Body {
    let mut bytes = Vec::with_capacity(length);
    for data in read.iter().filter_map(Frame::data_ref) {
        bytes.extend_from_slice(data);
    }
    Body::from(bytes)
}

/// What was read of a body, and then the rest of it, or the error that it ended with.
struct Rest {
    read: VecDeque<Frame<Bytes>>,
    /// A body is not always `Sync`, and reqwest wants one: nobody else locks this one.
    rest: Mutex<Option<Result<Body, ::reqwest::Error>>>,
}

impl Rest {
    fn of(read: VecDeque<Frame<Bytes>>, rest: Option<Result<Body, ::reqwest::Error>>) -> Self {
        Self { read, rest: Mutex::new(rest) }
    }
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = CallersBody;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Some(frame) = this.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let rest = this.rest.get_mut().unwrap_or_else(PoisonError::into_inner);
        match rest {
            Some(Ok(body)) => Pin::new(body).poll_frame(context).map_err(CallersBody),
            Some(Err(_)) => {
                Poll::Ready(rest.take().and_then(Result::err).map(CallersBody).map(Err))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        self.read.is_empty()
            && match &*rest {
                Some(Ok(body)) => body.is_end_stream(),
                Some(Err(_)) => false,
                None => true,
            }
    }

    /// A length that is known stays known: not every server takes a body in chunks.
    fn size_hint(&self) -> SizeHint {
        let read = self.read.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hint = match &*rest {
            Some(Ok(body)) => body.size_hint(),
            Some(Err(_)) => SizeHint::new(),
            None => SizeHint::with_exact(0),
        };
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint.set_lower(hint.lower().saturating_add(read));
        hint
    }
}
