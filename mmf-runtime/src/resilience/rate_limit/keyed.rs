//! One rate limit per key: a host, a tenant.

use std::sync::Arc;
use std::time::Duration;

use super::bucket::RateLimiter;
use super::builder::RateLimiterBuilder;
use super::limits::Limits;
use crate::resilience::invalid::InvalidPolicy;
use crate::resilience::keyed::{Keyed, OfKey, Rank, keyed_builder};
use crate::resilience::name::{KeyLabel, PolicyName};
use crate::resilience::setting::{Setting, Values};

/// The limits of a function with `rate_limit(key(…))`, or of a pipeline.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::KeyedRateLimiters;
///
/// let tenants = KeyedRateLimiters::builder("tenants").permits(1).build();
/// assert!(tenants.get("acme").try_acquire().is_ok());
/// assert!(tenants.get("acme").try_acquire().is_err());
/// assert!(tenants.get("umbrella").try_acquire().is_ok());
/// ```
pub type KeyedRateLimiters = Keyed<RateLimiter>;

keyed_builder! {
    /// Builds [`KeyedRateLimiters`].
    KeyedRateLimitersBuilder of RateLimiter by RateLimiterBuilder, 10_000:
    permits(u32),
    period(Duration),
    burst(u32),
    max_wait(Duration)
}

impl OfKey for RateLimiter {
    type Builder = RateLimiterBuilder;
    type Template = Arc<Limits>;
    /// What it has refused.
    type Counts = u64;
    const WHAT: &'static str = "rate limit";
    const GROUP: &'static str = "rate_limit";
    const MAX_KEYS: &'static str = "rate_limit.max_keys";
    const NONE: u64 = 0;

    fn template(builder: &RateLimiterBuilder) -> Arc<Limits> {
        Arc::new(builder.limits())
    }

    fn settings(limits: &Arc<Limits>) -> Vec<Setting> {
        limits.settings()
    }

    fn changed(
        name: &PolicyName,
        limits: &Arc<Limits>,
        values: &Values<'_>,
    ) -> Result<Arc<Limits>, InvalidPolicy> {
        RateLimiterBuilder::changed(name, limits, values)
    }

    fn build(name: &PolicyName, limits: &Arc<Limits>, key: KeyLabel) -> Self {
        Self::new(name.clone(), Some(key), (**limits).clone())
    }

    fn reconfigure(&self, limits: &Arc<Limits>) {
        self.go_by(Some(Arc::clone(limits)));
    }

    fn wake_waiting(&self) {
        self.wake_waiting();
    }

    fn rank(&self) -> Rank {
        if self.is_as_new() { Rank::AsNew } else { Rank::Busy }
    }

    fn counts(&self) -> u64 {
        self.refused()
    }

    fn forgotten(counts: u64) -> u64 {
        counts
    }

    fn sum(one: u64, other: u64) -> u64 {
        one + other
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn each_key_has_its_own_bucket_and_a_full_one_makes_room() {
        let tenants = KeyedRateLimiters::builder("tenants").permits(1).max_keys(2).build();
        assert!(tenants.get("old").try_acquire().is_ok());
        advance(Duration::from_secs(2)).await;
        assert!(tenants.get("busy").try_acquire().is_ok());
        let refused = tenants.get("busy").try_acquire().unwrap_err();
        assert_eq!((refused.key(), refused.policy()), (Some("busy"), "tenants"));
        tenants.get("new");
        assert!(tenants.get("busy").try_acquire().is_err(), "it was not forgotten");
        assert_eq!((tenants.len(), tenants.counts()), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn with_all_buckets_in_use_the_least_recently_used_goes() {
        let tenants = KeyedRateLimiters::builder("tenants").permits(1).max_keys(2).build();
        for tenant in ["first", "second"] {
            assert!(tenants.get(tenant).try_acquire().is_ok());
        }
        tenants.get("third");
        assert!(tenants.get("second").try_acquire().is_err());
    }
}
