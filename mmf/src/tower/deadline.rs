//! A deadline for each request, and what is left of it for whoever is asked next.

use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderName, Request};
use mmf_runtime::resilience;
use tower_layer::Layer;
use tower_service::Service;

use super::error::Error;
use crate::future::ResponseFuture;
use crate::http::{insert_time_left, timeout_of};
use crate::ready;
use crate::slot::Slot;

/// How long a request may take.
pub trait LimitOf<Request> {
    /// The caller's word, where it has said one.
    fn said(&self, request: &Request) -> Option<Duration>;
}

/// Callers have no say.
#[derive(Clone, Copy, Debug)]
pub struct Fixed;

impl<Request> LimitOf<Request> for Fixed {
    fn said(&self, _: &Request) -> Option<Duration> {
        None
    }
}

/// Callers say it in a header, in milliseconds.
#[derive(Clone, Debug)]
pub struct ByHeader(HeaderName);

impl<B> LimitOf<Request<B>> for ByHeader {
    fn said(&self, request: &Request<B>) -> Option<Duration> {
        timeout_of(request.headers(), &self.0).unwrap_or_else(|invalid| {
            tracing::warn!(target: "mmf::http", header = self.0.as_str(), "{invalid}");
            None
        })
    }
}

/// A function says it.
#[derive(Clone, Copy, Debug)]
pub struct ByFn<F>(F);

impl<Request, F: Fn(&Request) -> Option<Duration>> LimitOf<Request> for ByFn<F> {
    fn said(&self, request: &Request) -> Option<Duration> {
        (self.0)(request)
    }
}

/// What is left is told in a header.
#[derive(Clone, Debug)]
pub struct Told(HeaderName);

/// A deadline for each request: for its service, and for the resilient calls within, which are refused once it is over.
///
/// ```
/// use std::time::Duration;
/// use mmf::tower::{DeadlineLayer, Error};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let slow = service_fn(|_: u64| std::future::pending::<Result<(), std::io::Error>>());
/// let slow = ServiceBuilder::new().layer(DeadlineLayer::new(Duration::from_millis(5))).service(slow);
/// assert!(matches!(slow.oneshot(7).await, Err(Error::Refused(_))));
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct DeadlineLayer<L = Fixed> {
    name: &'static str,
    longest: Duration,
    limit: L,
}

impl DeadlineLayer {
    /// The same for each request; under its name, `deadline`, what is refused is told.
    pub fn new(limit: Duration) -> Self {
        Self { name: "deadline", longest: limit, limit: Fixed }
    }
}

impl DeadlineLayer<Told> {
    /// Around a client: what is left of the deadline that a request is made under goes out in this header, in whole
    /// milliseconds; without one, nothing.
    ///
    /// # Panics
    ///
    /// Where that is no name of a header.
    pub fn outgoing(header: &str) -> Self {
        Self { name: "deadline", longest: Duration::MAX, limit: Told(named(header)) }
    }
}

impl DeadlineLayer<Fixed> {
    /// Under which name a request that is too late is refused.
    pub fn name(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The header by which a caller of HTTP says how many milliseconds it waits. The layer's own limit holds where that
    /// is more, where it is missing, and where it is no number, which is told.
    ///
    /// # Panics
    ///
    /// Where that is no name of a header.
    pub fn timeout_header(self, header: &str) -> DeadlineLayer<ByHeader> {
        let limit = ByHeader(named(header));
        DeadlineLayer { name: self.name, longest: self.longest, limit }
    }

    /// How long a caller waits, by its request. The layer's own limit holds where that is more or nothing.
    pub fn limit_by<Request, F>(self, limit: F) -> DeadlineLayer<ByFn<F>>
    where
        F: Fn(&Request) -> Option<Duration>,
    {
        DeadlineLayer { name: self.name, longest: self.longest, limit: ByFn(limit) }
    }
}

impl<S, L: Clone> Layer<S> for DeadlineLayer<L> {
    type Service = Deadline<S, L>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner, settings: self.clone() }
    }
}

fn named(header: &str) -> HeaderName {
    HeaderName::try_from(header).expect("the name of a header")
}

/// A service behind a [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub struct Deadline<S, L> {
    inner: S,
    settings: DeadlineLayer<L>,
}

impl<S, Request, L> Service<Request> for Deadline<S, L>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
    Request: Send + 'static,
    L: LimitOf<Request>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Response, Error<S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(Error::Inner)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let DeadlineLayer { name, longest, limit } = &self.settings;
        let limit = limit.said(&request).map_or(*longest, |said| said.min(*longest));
        let call = resilience::call(*name).deadline(limit).refused(Error::Refused);
        let parts = Slot::new((ready::take(&mut self.inner), request));
        ResponseFuture::of(call.run(move || {
            let parts = parts.take();
            async {
                let (mut inner, request) = parts.expect("without a retry it runs once");
                inner.call(request).await.map_err(Error::Inner)
            }
        }))
    }
}

impl<S, B> Service<Request<B>> for Deadline<S, Told>
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
        insert_time_left(request.headers_mut(), &self.settings.limit.0);
        self.inner.call(request)
    }
}
