//! The layer of a server, and a call on its way through it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::tonic::Status;
use ::tonic::server::NamedService;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use mmf_runtime::resilience::{Bulkhead, Class, Held};
use tower_layer::Layer;
use tower_service::Service;

use super::layer::expect_path;
use super::methods::Methods;
use super::overdue::Overdue;
use super::served::{Log, Open, ServedBody};
use super::status::{class_of_service, has_ended, head, in_time, status};
use super::timeout;
use crate::attempt::Attempt;
use crate::correlation;
use crate::future::ResponseFuture;
use crate::limits::Limits;
use crate::ready;
use crate::slot::Slot;

/// What each call of a gRPC service gets; see the [module](super).
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around services"]
#[doc(alias = "EnhancedResilienceServerInterceptor")]
pub struct ServerLayer(Arc<Settings>);

struct Settings {
    name: &'static str,
    max_deadline: Option<Duration>,
    /// Of methods that have one of their own, or none.
    max_deadlines: HashMap<String, Option<Duration>>,
    limits: Limits,
    methods: Arc<Methods>,
    overdue: Arc<Overdue>,
}

impl ServerLayer {
    /// Logs, ids and deadlines, nothing else yet. By this name its limits are on the
    /// [list of policies](crate::resilience::policies), once it stands around services.
    #[track_caller]
    pub fn new(name: &'static str) -> Self {
        let (limits, methods) = (Limits::new(name), Arc::default());
        let (max_deadlines, overdue) = (HashMap::new(), Arc::default());
        Self(Arc::new(Settings {
            name,
            max_deadline: None,
            max_deadlines,
            limits,
            methods,
            overdue,
        }))
    }

    #[track_caller]
    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        let settings = Arc::get_mut(&mut self.0);
        set(settings.expect("a layer is set up before it is cloned and put around services"));
        self
    }

    /// How many calls run at once, each until its last message; those beyond, and beyond the queue, are refused with
    /// `RESOURCE_EXHAUSTED` and a pushback.
    ///
    /// # Panics
    ///
    /// Where the layer was cloned before.
    #[track_caller]
    pub fn shed(self, bulkhead: impl Into<Held<'static, Bulkhead>>) -> Self {
        self.set(|settings| settings.limits.join(|policies| policies.bulkhead(bulkhead)))
    }

    /// The longest deadline of a call, and the one of a call whose caller says none. Default: none.
    ///
    /// # Panics
    ///
    /// Where the layer was cloned before.
    #[track_caller]
    pub fn max_deadline(self, limit: Duration) -> Self {
        self.set(|settings| settings.max_deadline = Some(limit))
    }

    /// The longest deadline of one method, by its path, in place of [`max_deadline`](Self::max_deadline): none for a stream that
    /// stays until its caller has enough.
    ///
    /// # Panics
    ///
    /// Where the path is not of the form `/users.v1.Users/Get`, or the layer was cloned before.
    #[track_caller]
    pub fn max_deadline_of(self, path: &str, limit: impl Into<Option<Duration>>) -> Self {
        expect_path(path);
        let limit = limit.into();
        self.set(|settings| {
            settings.max_deadlines.insert(path.to_owned(), limit);
        })
    }
}

impl fmt::Debug for ServerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLayer").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Served<S>;

    fn layer(&self, inner: S) -> Served<S> {
        self.0.limits.pipeline();
        Served { inner, settings: Arc::clone(&self.0) }
    }
}

/// Services behind a [`ServerLayer`].
#[derive(Clone)]
pub struct Served<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S: fmt::Debug> fmt::Debug for Served<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// What came of a call.
type Tried<B, E> = Attempt<Response<B>, E>;

impl<S, A, B> Service<Request<A>> for Served<S>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send,
    A: Send + 'static,
    B: Body + Send + Unpin + 'static,
{
    type Response = Response<ServedBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<Self::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let inner = ready::take(&mut self.inner);
        let settings = Arc::clone(&self.settings);
        ResponseFuture::of(async move {
            let context = correlation::from_headers(request.headers());
            let id = HeaderValue::from_str(context.id.as_str());
            let served = context.clone();
            let answer = served.scope(settings.serve(request, inner, context)).await;
            answer.map(|mut answer| {
                if let Ok(id) = id {
                    answer.headers_mut().insert(correlation::header(), id);
                }
                answer
            })
        })
    }
}

/// As the services within are named, so that a server takes them by name.
impl<S: NamedService> NamedService for Served<S> {
    const NAME: &'static str = S::NAME;
}

impl Settings {
    fn max_deadline(&self, path: &str) -> Option<Duration> {
        // Without a hash for those who have no such methods.
        let own = if self.max_deadlines.is_empty() { None } else { self.max_deadlines.get(path) };
        own.copied().unwrap_or(self.max_deadline)
    }

    async fn serve<S, A, B>(
        &self,
        request: Request<A>,
        inner: S,
        context: correlation::Context,
    ) -> Result<Response<ServedBody<B>>, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>>,
        B: Body,
    {
        let mut log = Log::begin(&self.methods, self.name, request.uri().path());
        let mut call = self.limits.pipeline().call::<Tried<B, S::Error>>();
        let limit = timeout::timeout_of(request.headers());
        let limit = limit.into_iter().chain(self.max_deadline(request.uri().path())).min();
        if let Some(limit) = limit {
            // A tick of the timer before its caller's own, so that it gets an answer. As a timeout too: a limit that is
            // found learns from a call that was cut by it.
            let tick = Duration::from_millis(1);
            call = call.deadline(limit).timeout(if limit > tick { limit - tick } else { limit });
        }
        let parts = Slot::new((request, inner));
        let call = call.classify(Attempt::class).refused(Attempt::Refused);
        let answered = call.open(|| async {
            let (request, mut inner) = parts.take().expect("a call is served once");
            let answer = inner.call(request).await;
            let class =
                answer.as_ref().map_or(Class::Failure, |answer| class_of_service(&head(answer)));
            Attempt::of(answer, class)
        });
        let refused = match answered.await {
            Ok((answer, open)) => {
                return Ok(if has_ended(&answer) {
                    open.end(Class::Success);
                    let told = head(&answer);
                    if told.is_ok() {
                        log.answered();
                    }
                    log.end(&told, answer.extensions().get());
                    answer.map(ServedBody::ended)
                } else {
                    log.answered();
                    let left = open.time_left();
                    let open = Arc::new(Slot::new(Open { call: open, log, context, limit }));
                    if let Some(left) = left {
                        self.overdue.watch(left, &open);
                    }
                    answer.map(|body| ServedBody::open(body, open))
                });
            }
            Err(Attempt::Answered(answer, _)) => {
                log.end(&head(&answer), answer.extensions().get());
                return Ok(answer.map(ServedBody::ended));
            }
            Err(Attempt::Failed(error, _)) => {
                log.end(&Err(Status::unknown("")), None);
                return Err(error);
            }
            Err(Attempt::Refused(refusal)) => refusal,
        };
        let status = status(in_time(refused, limit));
        log.end(&Err(status.clone()), Some(&status));
        Ok(status.into_http())
    }
}
