//! What a call sends, so that it may be sent again.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tonic::Status;
use ::tonic::body::Body;
use bytes::{Bytes, BytesMut};
use http::Request;
use http_body::{Body as _, Frame, SizeHint};

/// The body of a call: what was read of it ahead, and the rest.
pub(super) struct Sent {
    ahead: Bytes,
    rest: Option<Body>,
}

impl Sent {
    /// It as it is, to be sent once.
    pub(super) fn once(body: Body) -> Self {
        Self { ahead: Bytes::new(), rest: Some(body) }
    }

    /// Reads what is there at once, up to a limit: one message, or a stream that need not wait. What is read to its end may
    /// be sent again.
    pub(super) async fn read_ahead(mut body: Body, limit: usize) -> Self {
        let (mut first, mut more) = (Bytes::new(), BytesMut::new());
        let ended = poll_fn(|context| {
            loop {
                let frame = match Pin::new(&mut body).poll_frame(context) {
                    Poll::Ready(Some(Ok(frame))) => frame.into_data(),
                    Poll::Ready(None) => return Poll::Ready(Ok(true)),
                    Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(status)),
                    Poll::Pending => return Poll::Ready(Ok(false)),
                };
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
                if first.len().max(more.len()) > limit {
                    return Poll::Ready(Ok(false));
                }
            }
        })
        .await;
        let ahead = if more.is_empty() { first } else { more.freeze() };
        match ended {
            Ok(true) => Self { ahead, rest: None },
            Ok(false) => Self { ahead, rest: Some(body) },
            Err(status) => Self { ahead, rest: Some(Body::new(Broken(Some(status)))) },
        }
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
        match self {
            Self { ahead, rest: Some(rest) } if ahead.is_empty() => rest,
            sent => Body::new(sent),
        }
    }
}

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
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let ahead = self.ahead.len() as u64;
        let upper = hint.upper().map(|upper| upper.saturating_add(ahead));
        hint.set_lower(hint.lower().saturating_add(ahead));
        if let Some(upper) = upper {
            hint.set_upper(upper);
        }
        hint
    }
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
