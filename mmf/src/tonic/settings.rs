//! What is set on a client's layer.

use std::collections::HashMap;

use ::tonic::Status;
use ::tonic::body::Body;
use http::Request;
use mmf_runtime::resilience::{Class, Key, Pipeline};

type Classifier = Box<dyn Fn(&Status) -> Class + Send + Sync>;
type KeyFn = Box<dyn Fn(&Request<Body>) -> Option<Key> + Send + Sync>;

pub(super) struct Settings {
    pub(super) pipeline: Pipeline,
    /// Methods with a pipeline of their own, as `/users.v1.Users/Get`.
    pub(super) methods: HashMap<String, Pipeline>,
    pub(super) class: Classifier,
    /// In place of the method.
    pub(super) key: Option<KeyFn>,
    pub(super) replay_limit: usize,
}

impl Settings {
    pub(super) fn pipeline(&self, path: &str) -> &Pipeline {
        // Without a hash for those who have no such methods.
        let own = if self.methods.is_empty() { None } else { self.methods.get(path) };
        own.unwrap_or(&self.pipeline)
    }
}
