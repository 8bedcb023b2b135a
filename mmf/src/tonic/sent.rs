//! What a call sends, so that it may be sent again.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::tonic::Status;
use ::tonic::body::Body;
use bytes::{Bytes, BytesMut};
use http::Request;
use http_body::{Body as _, Frame};
use tokio::sync::oneshot;

/// The body of a call: what was read of it ahead, and the rest.
pub(super) struct Sent {
    ahead: Bytes,
    rest: Option<Rest>,
}

/// What was not there when the call began.
struct Rest {
    body: Body,
    /// Over once nobody waits for the answer any more: HTTP/2 ends a call where both of its sides have, and this side
    /// would go on for as long as the caller's own stream does.
    unwanted: oneshot::Receiver<Infallible>,
}

/// Whoever waits for the answer to a call: dropped, the call ends.
pub(super) type Wanted = oneshot::Sender<Infallible>;

impl Sent {
    /// Reads what is there at once, up to a limit: one message, or a stream that need not wait. What is read to its end may
    /// be sent again; of what is not, somebody has to want the answer.
    pub(super) async fn read_ahead(mut body: Body, limit: usize) -> (Self, Option<Wanted>) {
        let (mut first, mut more, mut read) = (Bytes::new(), BytesMut::new(), 0_usize);
        let ended = poll_fn(|context| {
            loop {
                let frame = match Pin::new(&mut body).poll_frame(context) {
                    Poll::Ready(Some(Ok(frame))) => frame.into_data(),
                    Poll::Ready(None) => return Poll::Ready(Ok(true)),
                    Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(status)),
                    Poll::Pending => return Poll::Ready(Ok(false)),
                };
                // A frame counts as one at least: there may be no end of empty ones.
                read += frame.as_ref().map_or(1, |data| data.len().max(1));
                match frame {
                    Ok(data) if first.is_empty() => first = data,
                    Ok(data) => {
                        if more.is_empty() {
                            more.extend_from_slice(&first);
                        }
                        more.extend_from_slice(&data);
                    }
                    // Requests of gRPC have no trailers.
                    Err(_) => {}
                }
                if read > limit {
                    return Poll::Ready(Ok(false));
                }
            }
        })
        .await;
        let ahead = if more.is_empty() { first } else { more.freeze() };
        let body = match ended {
            Ok(true) => return (Self { ahead, rest: None }, None),
            Ok(false) => body,
            Err(status) => Body::new(Broken(Some(status))),
        };
        let (wanted, unwanted) = oneshot::channel();
        (Self { ahead, rest: Some(Rest { body, unwanted }) }, Some(wanted))
    }

    /// A request with another copy of it, where all of it was read.
    pub(super) fn copy(request: &Request<Self>) -> Option<Request<Self>> {
        let Self { ahead, rest } = request.body();
        rest.is_none().then(|| {
            let mut copy = Request::new(Self { ahead: ahead.clone(), rest: None });
            *copy.method_mut() = request.method().clone();
            *copy.uri_mut() = request.uri().clone();
            *copy.version_mut() = request.version();
            *copy.headers_mut() = request.headers().clone();
            *copy.extensions_mut() = request.extensions().clone();
            copy
        })
    }

    /// It as what the client within sends.
    pub(super) fn into_body(self) -> Body {
        Body::new(self)
    }
}

/// Of no size that is known: a call of gRPC has no `content-length`.
impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if !self.ahead.is_empty() {
            let ahead = std::mem::take(&mut self.ahead);
            return Poll::Ready(Some(Ok(Frame::data(ahead))));
        }
        let Some(Rest { body, unwanted }) = &mut self.rest else { return Poll::Ready(None) };
        // First: a stream may have always more to say.
        if Pin::new(unwanted).poll(context).is_ready() {
            self.rest = None;
            return Poll::Ready(Some(Err(given_up())));
        }
        Pin::new(body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.rest.as_ref().is_none_or(|rest| rest.body.is_end_stream())
    }
}

/// The other side is told that the call was cancelled, which HTTP/2 knows by its own error.
fn given_up() -> Status {
    let mut status = Status::cancelled("nobody waits for the answer");
    status.set_source(Arc::new(h2::Error::from(h2::Reason::CANCEL)));
    status
}

/// Where reading ahead met an error of the caller's own stream: it comes at its place.
struct Broken(Option<Status>);

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}
