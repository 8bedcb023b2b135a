//! What a user has set on a bulkhead.

use std::time::Duration;

use mmf_rules::keys::{BULKHEAD, Keys};
use mmf_rules::value::Value;

use super::adaptive::AdaptiveLimit;
use crate::resilience::setting::{Setting, Settings};

/// The sizes of a bulkhead.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    /// Of one that finds its limit, where it begins.
    pub(super) max_concurrent: u32,
    pub(super) max_queue: u32,
    pub(super) max_wait: Duration,
    pub(super) adaptive: Option<AdaptiveLimit>,
    /// Which of them were written.
    pub(super) written: Keys,
}

impl Sizes {
    /// The values that a bulkhead goes by.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let mut settings = Settings::of(&BULKHEAD, self.written)
            .with("bulkhead.max_concurrent", Value::Count(self.max_concurrent))
            .with("bulkhead.max_queue", Value::Count(self.max_queue))
            .with("bulkhead.max_wait", Value::Time(self.max_wait))
            .all();
        settings.extend(self.adaptive.iter().flat_map(AdaptiveLimit::settings));
        settings
    }
}
