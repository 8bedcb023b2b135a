//! How a bulkhead is built: each value by its key, held against the rules.

use std::collections::VecDeque;
use std::time::Duration;

use super::adaptive::{AdaptiveLimit, Finder};
use super::machine::Bulkhead;
use crate::resilience::invalid::{Check, InvalidPolicy};
use crate::resilience::name::{KeyLabel, PolicyName};
use crate::sync::{AtomicU64, Mutex};

impl Bulkhead {
    /// Starts from 10 calls at once, no queue, and a wait of up to 30 s where there is one.
    pub fn builder(name: impl Into<PolicyName>) -> BulkheadBuilder {
        BulkheadBuilder {
            name: name.into(),
            max_concurrent: None,
            max_queue: 0,
            max_wait: Duration::from_secs(30),
            adaptive: None,
        }
    }
}

/// Builds a [`Bulkhead`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct BulkheadBuilder {
    name: PolicyName,
    max_concurrent: Option<u32>,
    max_queue: u32,
    max_wait: Duration,
    adaptive: Option<AdaptiveLimit>,
}

impl BulkheadBuilder {
    /// Calls that run at once; 0 is invalid. Of an adaptive one, where it begins. Default: 10.
    pub fn max_concurrent(mut self, calls: u32) -> Self {
        self.max_concurrent = Some(calls);
        self
    }

    /// The limit is found, and not given.
    pub fn adaptive(mut self, limit: AdaptiveLimit) -> Self {
        self.adaptive = Some(limit);
        self
    }

    /// Calls that may wait; with 0 a full bulkhead refuses at once. Default: 0.
    pub fn max_queue(mut self, calls: u32) -> Self {
        self.max_queue = calls;
        self
    }

    /// How long a call waits at most. Default: 30 s.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// The bulkhead, empty. A value that can never work is cut to the nearest that can, which is told by a warning:
    /// none at once or at least means one, a greatest limit below the least means the least, and a beginning outside
    /// of both the nearer.
    #[track_caller]
    pub fn build(mut self) -> Bulkhead {
        self.mend().tell(&self.name);
        self.built(None)
    }

    /// The bulkhead, where all its values can work.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy`] with what is wrong.
    pub fn try_build(mut self) -> Result<Bulkhead, InvalidPolicy> {
        self.mend().refuse()?;
        Ok(self.built(None))
    }

    pub(super) fn name(&self) -> &PolicyName {
        &self.name
    }

    pub(super) fn mend(&mut self) -> Check {
        let mut check = Check::default();
        if let Some(calls) = &mut self.max_concurrent {
            check.mend(calls, |calls| mmf_rules::at_least_one("max_concurrent", calls));
        }
        if let Some(limit) = &mut self.adaptive {
            limit.mend(self.max_concurrent.as_mut(), &mut check);
        }
        check
    }

    pub(super) fn built(self, key: Option<KeyLabel>) -> Bulkhead {
        const BEGIN: u32 = 10;
        let begin = match (self.max_concurrent, self.adaptive) {
            (Some(calls), _) => calls,
            (None, Some(limit)) => BEGIN.clamp(limit.min, limit.greatest()),
            (None, None) => BEGIN,
        };
        Bulkhead {
            name: self.name,
            key,
            limit: AtomicU64::new(u64::from(begin)),
            finder: self.adaptive.map(|limit| Finder::new(limit, begin)),
            max_queue: self.max_queue,
            max_wait: self.max_wait,
            load: AtomicU64::new(0),
            queue: Mutex::new(VecDeque::new()),
            refused: AtomicU64::new(0),
        }
    }
}
