//! One bulkhead per key: a host, a tenant.

use std::sync::Arc;
use std::time::Duration;

use super::adaptive::AdaptiveLimit;
use super::builder::BulkheadBuilder;
use super::machine::Bulkhead;
use super::sizes::Sizes;
use crate::resilience::invalid::InvalidPolicy;
use crate::resilience::keyed::{Keyed, OfKey, Rank, keyed_builder};
use crate::resilience::name::{KeyLabel, PolicyName};
use crate::resilience::setting::{Setting, Values};
use crate::resilience::snapshot::BulkheadSnapshot;

/// The bulkheads of a function with `bulkhead(key(…))`, or of a pipeline.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::KeyedBulkheads;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let hosts = KeyedBulkheads::builder("fetch").max_concurrent(1).build();
/// let (one, other) = (hosts.get("a.example"), hosts.get("b.example"));
/// let permit = one.acquire().await.unwrap();
/// assert!(one.acquire().await.is_err() && other.acquire().await.is_ok());
/// # });
/// ```
pub type KeyedBulkheads = Keyed<Bulkhead>;

keyed_builder! {
    /// Builds [`KeyedBulkheads`].
    KeyedBulkheadsBuilder of Bulkhead by BulkheadBuilder, 1024:
    max_concurrent(u32),
    max_queue(u32),
    max_wait(Duration),
    adaptive(AdaptiveLimit)
}

impl OfKey for Bulkhead {
    type Builder = BulkheadBuilder;
    type Template = Arc<Sizes>;
    type Counts = BulkheadSnapshot;
    const WHAT: &'static str = "bulkhead";
    const GROUP: &'static str = "bulkhead";
    const MAX_KEYS: &'static str = "bulkhead.max_keys";
    const NONE: BulkheadSnapshot = BulkheadSnapshot { running: 0, queued: 0, refused: 0, limit: 0 };

    fn template(builder: &BulkheadBuilder) -> Arc<Sizes> {
        Arc::new(builder.sizes())
    }

    fn settings(sizes: &Arc<Sizes>) -> Vec<Setting> {
        sizes.settings()
    }

    fn changed(
        name: &PolicyName,
        sizes: &Arc<Sizes>,
        values: &Values<'_>,
    ) -> Result<Arc<Sizes>, InvalidPolicy> {
        BulkheadBuilder::changed(name, sizes, values)
    }

    fn build(name: &PolicyName, sizes: &Arc<Sizes>, key: KeyLabel) -> Self {
        Self::new(name.clone(), Some(key), (**sizes).clone())
    }

    fn reconfigure(&self, sizes: &Arc<Sizes>) {
        self.go_by(Some(Arc::clone(sizes)));
    }

    fn wake_waiting(&self) {
        self.admit_waiting();
    }

    fn rank(&self) -> Rank {
        if self.running() > 0 || self.queued() > 0 {
            Rank::Busy
        } else if self.is_adaptive() {
            // What it has found is lost with it.
            Rank::Calm
        } else {
            Rank::AsNew
        }
    }

    fn counts(&self) -> BulkheadSnapshot {
        self.snapshot()
    }

    /// Who is inside goes on by itself.
    fn forgotten(counts: BulkheadSnapshot) -> BulkheadSnapshot {
        BulkheadSnapshot { running: 0, queued: 0, limit: 0, ..counts }
    }

    fn sum(one: BulkheadSnapshot, other: BulkheadSnapshot) -> BulkheadSnapshot {
        one.and(other)
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_key_has_its_own_room_and_an_empty_one_makes_room() {
        let tenants = KeyedBulkheads::builder("tenants").max_concurrent(1).max_keys(2).build();
        let busy = tenants.get("busy");
        let permit = busy.acquire().await.unwrap();
        let refused = busy.acquire().await.unwrap_err();
        assert_eq!((refused.key(), refused.policy()), (Some("busy"), "tenants"));
        tenants.get("idle");
        tenants.get("new");
        assert!(tenants.get("busy").acquire().await.is_err(), "it was not forgotten");
        assert_eq!(tenants.len(), 2);
        let counts = tenants.counts();
        assert_eq!((counts.running, counts.refused, counts.limit), (1, 2, 2));
        drop(permit);
    }

    #[test]
    fn no_keys_are_refused_or_cut_like_any_other_value() {
        let builder = KeyedBulkheads::builder("tenants").max_concurrent(0).max_keys(0);
        let invalid = builder.clone().try_build().unwrap_err().to_string();
        assert!(invalid.contains("max_concurrent") && invalid.contains("max_keys"), "{invalid}");
        assert_eq!(builder.build().get("a").limit(), 1);
    }
}
