//! The layer of a client, and what is set on it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ::tonic::Status;
use ::tonic::body::Body;
use http::Request;
use mmf_runtime::resilience::{Class, Key, Pipeline};
use tower_layer::Layer;

use super::client::Client;
use super::settings::Settings;
use super::status::classify;

/// Puts a [`Pipeline`] around the calls of a gRPC client; see the [module](super).
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around a channel"]
#[doc(alias = "ResilienceClientInterceptor")]
#[doc(alias = "AsyncResilienceClientInterceptor")]
pub struct ClientLayer(Arc<Settings>);

impl ClientLayer {
    /// For all methods that have no pipeline of their own; what is by key goes by method.
    pub fn new(pipeline: Pipeline) -> Self {
        Self(Arc::new(Settings {
            pipeline,
            methods: HashMap::new(),
            class: Box::new(classify),
            key: None,
            replay_limit: 64 << 10,
        }))
    }

    #[track_caller]
    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        let settings = Arc::get_mut(&mut self.0);
        set(settings.expect("a layer is set up before it is cloned and put around a channel"));
        self
    }

    /// The pipeline of one method, by its path: one that streams needs no timeout, one that must not be repeated no retry.
    ///
    /// # Panics
    ///
    /// Where the path is not of the form `/users.v1.Users/Get`, or the layer was cloned before.
    #[track_caller]
    pub fn method(self, path: &str, pipeline: Pipeline) -> Self {
        expect_path(path);
        self.set(|settings| {
            settings.methods.insert(path.to_owned(), pipeline);
        })
    }

    /// What a status other than `OK` is to the breaker and to the retry. Default: [`classify`].
    ///
    /// # Panics
    ///
    /// Where the layer was cloned before.
    #[track_caller]
    pub fn classify(self, class: impl Fn(&Status) -> Class + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.class = Box::new(class))
    }

    /// The key of a call, for what is by key; `None` is no limit. Default: the path of its method.
    ///
    /// # Panics
    ///
    /// Where the layer was cloned before.
    #[track_caller]
    pub fn key_by(
        self,
        key: impl Fn(&Request<Body>) -> Option<Key> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.key = Some(Box::new(key)))
    }

    /// How many bytes of what a call sends are kept for another attempt. What is longer is sent once, and so is a stream
    /// whose messages are not there yet when the call begins. Default: 64 KiB.
    ///
    /// # Panics
    ///
    /// Where the layer was cloned before.
    #[track_caller]
    pub fn replay_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.replay_limit = bytes)
    }
}

/// # Panics
///
/// Where it is none.
#[track_caller]
pub(super) fn expect_path(path: &str) {
    assert!(is_path(path), "{path:?} is no method: write it as \"/users.v1.Users/Get\"");
}

/// Whether it has a service and a method.
pub(super) fn is_path(path: &str) -> bool {
    path.strip_prefix('/').and_then(|path| path.split_once('/')).is_some_and(|(service, method)| {
        !service.is_empty() && !method.is_empty() && !method.contains('/')
    })
}

impl fmt::Debug for ClientLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { pipeline, methods, .. } = &*self.0;
        f.debug_struct("ClientLayer")
            .field("pipeline", pipeline)
            .field("methods", methods)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;

    fn layer(&self, inner: S) -> Client<S> {
        Client { inner, settings: Arc::clone(&self.0) }
    }
}
