//! What is set on the layer.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use http::HeaderName;
use mmf_runtime::resilience::{Key, Pipeline, PipelineBuilder};

type KeyFn = Box<dyn Fn(&Request) -> Option<Key> + Send + Sync>;

pub(super) struct Settings {
    pub(super) name: &'static str,
    pub(super) timeout_header: Option<HeaderName>,
    pub(super) max_deadline: Option<Duration>,
    /// Whom a request belongs to, where there is a limit for each.
    pub(super) key: Option<KeyFn>,
    /// Its limits, until they are built. Under the lock they are taken out, and nothing else.
    policies: Mutex<Option<PipelineBuilder>>,
    pipeline: OnceLock<Pipeline>,
}

impl Settings {
    #[track_caller]
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            timeout_header: None,
            max_deadline: None,
            key: None,
            policies: Mutex::new(Some(Pipeline::builder(name))),
            pipeline: OnceLock::new(),
        }
    }

    /// Adds a limit, as long as none has been asked.
    pub(super) fn join(&mut self, join: impl FnOnce(PipelineBuilder) -> PipelineBuilder) {
        let policies = self.policies.get_mut().unwrap_or_else(PoisonError::into_inner);
        let joined = policies.take().expect("a layer is set up before it is put around routes");
        *policies = Some(join(joined));
    }

    /// Its limits, on the list of policies from the first use on.
    pub(super) fn pipeline(&self) -> &Pipeline {
        self.pipeline.get_or_init(|| {
            let policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner).take();
            policies.expect("taken once, which is here").build()
        })
    }
}
