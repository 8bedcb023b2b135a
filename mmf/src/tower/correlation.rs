//! Ids and traces of requests: taken over from those that come in, put into those that go out.

use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::correlation;
use crate::future::ResponseFuture;

/// Requests that come in.
#[derive(Clone, Copy, Debug)]
pub struct Incoming;

/// Requests that go out.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing;

/// The correlation id and the trace of requests, as `x-correlation-id`, `traceparent` and `tracestate`.
///
/// [`incoming`](Self::incoming) serves each request under the id that its headers name, or a new one, and names it in the
/// response; [`outgoing`](Self::outgoing) puts the id of the request that is being served into those that it makes.
///
/// ```
/// use http::{Request, Response};
/// use mmf::correlation;
/// use mmf::tower::CorrelationLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let server = ServiceBuilder::new().layer(CorrelationLayer::incoming()).service(service_fn(
///     |_: Request<()>| async { Ok::<_, std::io::Error>(Response::new(correlation::current().unwrap())) },
/// ));
/// let request = Request::builder().header("x-correlation-id", "req-7").body(()).unwrap();
/// let response = server.oneshot(request).await.unwrap();
/// assert_eq!(response.body().as_str(), "req-7");
/// assert_eq!(response.headers()["x-correlation-id"], "req-7");
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct CorrelationLayer<Direction>(Direction);

impl CorrelationLayer<Incoming> {
    /// Around a server.
    pub fn incoming() -> Self {
        Self(Incoming)
    }
}

impl CorrelationLayer<Outgoing> {
    /// Around a client.
    pub fn outgoing() -> Self {
        Self(Outgoing)
    }
}

impl<S, Direction: Copy> Layer<S> for CorrelationLayer<Direction> {
    type Service = Correlation<S, Direction>;

    fn layer(&self, inner: S) -> Self::Service {
        Correlation { inner, _direction: self.0 }
    }
}

/// A service behind a [`CorrelationLayer`].
#[derive(Clone, Debug)]
pub struct Correlation<S, Direction> {
    inner: S,
    _direction: Direction,
}

impl<S, B, C> Service<Request<B>> for Correlation<S, Incoming>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    C: 'static,
{
    type Response = Response<C>;
    type Error = S::Error;
    type Future = ResponseFuture<Response<C>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let context = correlation::from_headers(request.headers());
        let id = HeaderValue::from_str(context.id.as_str());
        let served = context.clone().sync_scope(|| self.inner.call(request));
        ResponseFuture::of(async move {
            let mut response = context.scope(served).await?;
            if let Ok(id) = id {
                response.headers_mut().insert(correlation::header(), id);
            }
            Ok(response)
        })
    }
}

impl<S, B> Service<Request<B>> for Correlation<S, Outgoing>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        correlation::inject(request.headers_mut());
        self.inner.call(request)
    }
}
