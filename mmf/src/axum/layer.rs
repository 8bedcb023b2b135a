//! The layer, and what is set on it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use http::HeaderName;
use mmf_runtime::resilience::{Bulkhead, Held, Key, KeyedRateLimiters};
use tower_layer::Layer;

use super::service::Served;
use super::settings::Settings;

/// What each request of a service gets; see the [module](super).
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around routes"]
pub struct ServiceLayer(Arc<Settings>);

impl ServiceLayer {
    /// Logs and ids, nothing else yet. By this name its limits are on the [list of policies](crate::resilience::policies),
    /// once it stands around routes.
    #[track_caller]
    pub fn new(name: &'static str) -> Self {
        Self(Arc::new(Settings::new(name)))
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        let settings = Arc::get_mut(&mut self.0);
        set(settings.expect("a layer is set up before it is cloned and put around routes"));
        self
    }

    /// The header by which a caller says how many milliseconds it waits: the deadline of the request, up to
    /// [`max_deadline`](Self::max_deadline). What is no such number is told in the log, and the default holds.
    ///
    /// # Panics
    ///
    /// Where that is no name of a header, or the layer was cloned before.
    pub fn timeout_header(self, name: &str) -> Self {
        let name = HeaderName::try_from(name).expect("the name of a header");
        self.set(|settings| settings.timeout_header = Some(name))
    }

    /// The longest deadline of a request, and the one of a request whose caller says none. Default: none.
    ///
    /// # Panics
    ///
    /// Where the layer was cloned before.
    pub fn max_deadline(self, limit: Duration) -> Self {
        self.set(|settings| settings.max_deadline = Some(limit))
    }

    /// How many requests run at once, each until the head of its response is there: a body that is streamed after it is not
    /// counted. Those beyond, and beyond the queue, are refused with 503.
    ///
    /// # Panics
    ///
    /// Where the layer was cloned before.
    pub fn shed(self, bulkhead: impl Into<Held<'static, Bulkhead>>) -> Self {
        self.set(|settings| settings.limits.join(|policies| policies.bulkhead(bulkhead)))
    }

    /// How many requests of a key begin in a period; those beyond it are refused with 429. A request without a key is
    /// not limited: give those that say nothing of themselves one of their own.
    ///
    /// # Panics
    ///
    /// Where the layer was cloned before.
    pub fn limit(
        self,
        limits: impl Into<Held<'static, KeyedRateLimiters>>,
        key: impl Fn(&Request) -> Option<Key> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| {
            settings.limits.join(|policies| policies.rate_limits(limits));
            settings.key = Some(Box::new(key));
        })
    }
}

impl fmt::Debug for ServiceLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceLayer").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ServiceLayer {
    type Service = Served<S>;

    fn layer(&self, inner: S) -> Served<S> {
        self.0.limits.pipeline();
        Served { inner, settings: Arc::clone(&self.0) }
    }
}
