//! Bodies that are sent more than once.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use ::reqwest::{Body, Request};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;

/// Whether a request has a body that is not there as bytes.
pub(super) fn is_stream(request: &Request) -> bool {
    request.body().is_some_and(|body| body.as_bytes().is_none())
}

/// Makes the body of a request one that can be repeated, where it has no more than `limit` bytes. A longer one is left to
/// be sent once; what was read of it by then is sent first.
pub(super) async fn make_repeatable(request: &mut Request, limit: usize) {
    let Some(body) = request.body_mut().take_if(|body| body.as_bytes().is_none()) else { return };
    let known = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if known > limit {
        *request.body_mut() = Some(body);
        return;
    }
    let (mut body, mut read, mut length) = (body, VecDeque::new(), 0);
    *request.body_mut() = Some(loop {
        match body.frame().await {
            None if read.iter().all(Frame::is_data) => break joined(&read, length),
            None => break Body::wrap(Rest::of(read, None)),
            Some(Ok(frame)) => {
                length += frame.data_ref().map_or(0, Bytes::len);
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
    type Error = ::reqwest::Error;

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
            Some(Ok(body)) => Pin::new(body).poll_frame(context),
            Some(Err(_)) => Poll::Ready(rest.take().and_then(Result::err).map(Err)),
            None => Poll::Ready(None),
        }
    }
}
