//! How a bulkhead is built: each value by its key, held against the rules.

use std::sync::Arc;
use std::time::Duration;

use mmf_rules::keys::{BULKHEAD, Keys};
use mmf_rules::value::Value;

use super::adaptive::AdaptiveLimit;
use super::machine::Bulkhead;
use super::sizes::Sizes;
use crate::resilience::invalid::{Check, InvalidPolicy};
use crate::resilience::name::{KeyLabel, PolicyName};
use crate::resilience::setting::Values;

impl Bulkhead {
    /// What it was built with, with these values in place of its own.
    pub(in crate::resilience) fn prepare(
        &self,
        values: &Values<'_>,
    ) -> Result<Arc<Sizes>, InvalidPolicy> {
        BulkheadBuilder::changed(&self.name, self.built(), values)
    }

    /// Starts from 10 calls at once, no queue, and a wait of up to 30 s where there is one.
    pub fn builder(name: impl Into<PolicyName>) -> BulkheadBuilder {
        BulkheadBuilder {
            name: name.into(),
            max_concurrent: None,
            max_queue: 0,
            max_wait: Duration::from_secs(30),
            adaptive: None,
            written: Keys::default(),
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
    written: Keys,
}

impl BulkheadBuilder {
    /// One that has all the values of a bulkhead.
    fn of(name: PolicyName, sizes: &Sizes) -> Self {
        let Sizes { max_concurrent, max_queue, max_wait, adaptive, written } = *sizes;
        Self { name, max_concurrent: Some(max_concurrent), max_queue, max_wait, adaptive, written }
    }

    /// Sets the value of a key, as it is read from outside.
    fn set(self, key: &str, value: &Value) -> Self {
        let found = self.adaptive;
        match (key, value) {
            ("max_concurrent", Value::Count(calls)) => self.max_concurrent(*calls),
            ("max_queue", Value::Count(calls)) => self.max_queue(*calls),
            ("max_wait", Value::Time(wait)) => self.max_wait(*wait),
            (key, value) => match found.and_then(|limit| limit.set(key, value)) {
                Some(limit) => self.adaptive(limit),
                None => self,
            },
        }
    }

    /// Calls that run at once; 0 is invalid. Of an adaptive one, where it begins. Default: 10.
    pub fn max_concurrent(mut self, calls: u32) -> Self {
        self.written.insert(const { Keys::of(&BULKHEAD, "max_concurrent") });
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
        self.written.insert(const { Keys::of(&BULKHEAD, "max_queue") });
        self.max_queue = calls;
        self
    }

    /// How long a call waits at most. Default: 30 s.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.written.insert(const { Keys::of(&BULKHEAD, "max_wait") });
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

    /// What was built with these values in place of its own.
    pub(super) fn changed(
        name: &PolicyName,
        sizes: &Sizes,
        values: &Values<'_>,
    ) -> Result<Arc<Sizes>, InvalidPolicy> {
        let mut builder = values.set(Self::of(name.clone(), sizes), Self::set);
        builder.mend().refuse()?;
        Ok(Arc::new(builder.sizes()))
    }

    pub(super) fn sizes(&self) -> Sizes {
        const BEGIN: u32 = 10;
        let max_concurrent = match (self.max_concurrent, self.adaptive) {
            (Some(calls), _) => calls,
            (None, Some(limit)) => BEGIN.clamp(limit.min, limit.greatest()),
            (None, None) => BEGIN,
        };
        let Self { max_queue, max_wait, adaptive, written, .. } = *self;
        Sizes { max_concurrent, max_queue, max_wait, adaptive, written }
    }

    fn built(self, key: Option<KeyLabel>) -> Bulkhead {
        let sizes = self.sizes();
        Bulkhead::new(self.name, key, sizes)
    }
}
