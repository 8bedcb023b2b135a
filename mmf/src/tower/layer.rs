//! The layer: a pipeline, and what it needs to know of requests and responses.

use std::fmt;
use std::sync::Arc;

use mmf_runtime::resilience::{Class, Key, Pipeline};
use tower_layer::Layer;

use super::error::NotRepeatable;
use super::service::Resilience;
use super::settings::{
    ByClone, ByReplay, ClassBy, KeyBy, NoKey, Once, ResultClass, Settings, Shared,
};

/// Puts a [`Pipeline`] around a service.
///
/// The service behind it is always ready, so that back-pressure ends here: each attempt waits, within the policies, for
/// the readiness of a clone of its own. An open breaker thus refuses although the inner service is not ready.
///
/// ```
/// use mmf::resilience::{Class, Key, KeyedBreakers, Pipeline};
/// use mmf::tower::ResilienceLayer;
///
/// struct Request { host: String }
/// struct Response { status: u16 }
///
/// let hosts = Pipeline::builder("hosts").breakers(KeyedBreakers::builder("hosts").build()).build();
/// let layer = ResilienceLayer::once(hosts)
///     .unwrap()
///     .key_by(|request: &Request| Some(Key::of(&request.host)))
///     .classify(|result: Result<&Response, &std::io::Error>| match result {
///         Ok(response) if response.status >= 500 => Class::Failure,
///         result => Class::by_result(result),
///     });
/// # fn is_layer<S>(_: impl tower::Layer<S>) {}
/// # is_layer::<()>(layer);
/// ```
#[must_use = "a layer does nothing until it is put around a service"]
pub struct ResilienceLayer<R = ByClone, C = ResultClass, K = NoKey>(Shared<R, C, K>);

impl ResilienceLayer {
    /// Around requests that are `Clone`, or that [`replay`](Self::replay) copies. A pipeline with a policy by key needs
    /// [`key_by`](Self::key_by): without it the layer panics where it is put around a service.
    pub fn new(pipeline: Pipeline) -> Self {
        Self::of(Settings::new(pipeline, ByClone))
    }
}

impl ResilienceLayer<Once> {
    /// Around requests that are sent once.
    ///
    /// # Errors
    ///
    /// [`NotRepeatable`] where the pipeline has a retry or a hedge.
    pub fn once(pipeline: Pipeline) -> Result<Self, NotRepeatable> {
        if pipeline.repeats() {
            return Err(NotRepeatable { name: pipeline.name().to_owned() });
        }
        Ok(Self::of(Settings::new(pipeline, Once)))
    }
}

impl<R, C, K> ResilienceLayer<R, C, K> {
    fn of(settings: Settings<R, C, K>) -> Self {
        Self(Arc::new(settings))
    }

    /// The settings, of a layer that has not been shared yet or else of a copy.
    fn settings(self) -> Settings<R, C, K>
    where
        R: Clone,
        C: Clone,
        K: Clone,
    {
        Arc::try_unwrap(self.0).unwrap_or_else(|shared| {
            let Settings { pipeline, replay, class, key, is_keyed } = &*shared;
            Settings {
                pipeline: pipeline.clone(),
                replay: replay.clone(),
                class: class.clone(),
                key: key.clone(),
                is_keyed: *is_keyed,
            }
        })
    }

    /// What a response or an error is to the breaker and to the retry: for HTTP
    /// [`http::classify`](crate::http::classify). Without it a response is a success, an error transient.
    pub fn classify<Response, E, F>(self, class: F) -> ResilienceLayer<R, ClassBy<F>, K>
    where
        F: Fn(Result<&Response, &E>) -> Class,
        R: Clone,
        C: Clone,
        K: Clone,
    {
        let Settings { pipeline, replay, key, is_keyed, .. } = self.settings();
        ResilienceLayer::of(Settings { pipeline, replay, class: ClassBy(class), key, is_keyed })
    }

    /// The key of a request, for what is by key; `None` is no limit.
    pub fn key_by<Request, F>(self, key: F) -> ResilienceLayer<R, C, KeyBy<F>>
    where
        F: Fn(&Request) -> Option<Key>,
        R: Clone,
        C: Clone,
        K: Clone,
    {
        let Settings { pipeline, replay, class, .. } = self.settings();
        ResilienceLayer::of(Settings { pipeline, replay, class, key: KeyBy(key), is_keyed: true })
    }
}

impl<C: Clone, K: Clone> ResilienceLayer<ByClone, C, K> {
    /// Another copy of a request, in place of its `Clone`; for one that has none there is one attempt. One that was
    /// copied once has to be copied each time: a call panics otherwise.
    pub fn replay<Request, F>(self, replay: F) -> ResilienceLayer<ByReplay<F>, C, K>
    where
        F: Fn(&Request) -> Option<Request>,
    {
        let Settings { pipeline, class, key, is_keyed, .. } = self.settings();
        ResilienceLayer::of(Settings { pipeline, replay: ByReplay(replay), class, key, is_keyed })
    }
}

impl<R, C, K> Clone for ResilienceLayer<R, C, K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R, C, K> fmt::Debug for ResilienceLayer<R, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResilienceLayer").field(&self.0.pipeline).finish()
    }
}

impl<S, R, C, K> Layer<S> for ResilienceLayer<R, C, K> {
    type Service = Resilience<S, R, C, K>;

    /// # Panics
    ///
    /// Where the pipeline has a policy by key and no function says what the key of a request is.
    #[track_caller]
    fn layer(&self, inner: S) -> Self::Service {
        let Settings { pipeline, is_keyed, .. } = &*self.0;
        assert!(
            *is_keyed || !pipeline.is_by_key(),
            "the pipeline {:?} has a policy by key, and nothing says what the key of a request is: \
             add `.key_by(|request| …)` to its layer",
            pipeline.name()
        );
        Resilience::new(inner, Arc::clone(&self.0))
    }
}
