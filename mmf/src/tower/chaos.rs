//! A service as a place where faults can be injected.

use std::fmt;
use std::panic::Location;
use std::task::{Context, Poll};

use mmf_runtime::chaos::{InjectedFault, Point, is_armed};
use tower_layer::Layer;
use tower_service::Service;

use crate::future::ResponseFuture;
use crate::ready;

/// What a fault that fails a request becomes.
#[diagnostic::on_unimplemented(
    message = "an injected fault cannot become what this service answers with",
    label = "`From<mmf::chaos::InjectedFault>` is not implemented for the error of this service",
    note = "say what it becomes: `ChaosLayer::new(…).answer(|fault| …)` returns a response or an error"
)]
pub trait Answer<Response, E> {
    /// The service's answer.
    fn answer(&self, fault: InjectedFault) -> Result<Response, E>;
}

/// The error, by `From`.
#[derive(Clone, Copy, Debug)]
pub struct ByFrom;

#[diagnostic::do_not_recommend]
impl<Response, E: From<InjectedFault>> Answer<Response, E> for ByFrom {
    fn answer(&self, fault: InjectedFault) -> Result<Response, E> {
        Err(fault.into())
    }
}

/// What a function says.
#[derive(Clone, Copy, Debug)]
pub struct ByAnswer<F>(F);

#[diagnostic::do_not_recommend]
impl<Response, E, F: Fn(InjectedFault) -> Result<Response, E>> Answer<Response, E> for ByAnswer<F> {
    fn answer(&self, fault: InjectedFault) -> Result<Response, E> {
        (self.0)(fault)
    }
}

/// Makes a service a place where faults can be injected, by the name that globs match; nothing happens until an experiment,
/// [`chaos::scope`](crate::chaos::scope) or `MMF_CHAOS` arms it.
///
/// ```
/// use mmf::chaos::{ChaosConfig, ChaosKind, Fault, InjectedFault, scope};
/// use mmf::tower::ChaosLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let users = service_fn(|id: u64| async move { Ok::<_, std::io::Error>(id) });
/// let users = ServiceBuilder::new()
///     .layer(ChaosLayer::new("users.client"))
///     .service(users);
/// let broken = ChaosConfig::new().fault(Fault::new(ChaosKind::NetworkFailure).probability(1.0));
/// assert!(scope(broken).seed(42).run(users.clone().oneshot(7)).await.is_err());
/// assert_eq!(users.oneshot(7).await.unwrap(), 7);
/// # }
/// ```
#[derive(Clone, Copy)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct ChaosLayer<A = ByFrom> {
    point: &'static Point,
    answer: A,
}

impl ChaosLayer {
    /// The point of this name. An error of the service carries a fault by `From<InjectedFault>`.
    #[track_caller]
    pub fn new(name: &'static str) -> Self {
        Self { point: Point::placed(name, Location::caller()), answer: ByFrom }
    }

    /// What a fault that fails a request becomes: a response, such as a 503, or an error.
    pub fn answer<Response, E, F>(self, answer: F) -> ChaosLayer<ByAnswer<F>>
    where
        F: Fn(InjectedFault) -> Result<Response, E>,
    {
        ChaosLayer { point: self.point, answer: ByAnswer(answer) }
    }
}

impl<A> fmt::Debug for ChaosLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChaosLayer").field(&self.point).finish()
    }
}

impl<S, A: Clone> Layer<S> for ChaosLayer<A> {
    type Service = Chaos<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Chaos { inner, layer: self.clone() }
    }
}

/// A service behind a [`ChaosLayer`].
#[derive(Clone, Debug)]
pub struct Chaos<S, A> {
    inner: S,
    layer: ChaosLayer<A>,
}

impl<S, Request, A> Service<Request> for Chaos<S, A>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
    Request: Send + 'static,
    A: Answer<S::Response, S::Error> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if !is_armed() {
            return ResponseFuture::of(self.inner.call(request));
        }
        let mut inner = ready::take(&mut self.inner);
        let ChaosLayer { point, answer } = self.layer.clone();
        ResponseFuture::of(async move {
            if let Some(fault) = point.strike().await {
                point.observe(true);
                return answer.answer(fault);
            }
            let result = inner.call(request).await;
            point.observe(result.is_err());
            result
        })
    }
}
