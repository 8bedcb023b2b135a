//! The limits of a service, which are set up one by one on its layer and become one pipeline.

use std::sync::{Mutex, OnceLock, PoisonError};

use mmf_runtime::resilience::{Pipeline, PipelineBuilder};

pub(crate) struct Limits {
    /// Until they are built. Under the lock they are taken out, and nothing else.
    policies: Mutex<Option<PipelineBuilder>>,
    pipeline: OnceLock<Pipeline>,
}

impl Limits {
    #[track_caller]
    pub(crate) fn new(name: &'static str) -> Self {
        Self { policies: Mutex::new(Some(Pipeline::builder(name))), pipeline: OnceLock::new() }
    }

    /// Adds a limit, as long as none has been asked.
    pub(crate) fn join(&mut self, join: impl FnOnce(PipelineBuilder) -> PipelineBuilder) {
        let policies = self.policies.get_mut().unwrap_or_else(PoisonError::into_inner);
        let joined = policies.take().expect("a layer is set up before it is put around a service");
        *policies = Some(join(joined));
    }

    /// All of them, on the list of policies from the first use on.
    pub(crate) fn pipeline(&self) -> &Pipeline {
        self.pipeline.get_or_init(|| {
            let policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner).take();
            policies.expect("taken once, which is here").build()
        })
    }
}
