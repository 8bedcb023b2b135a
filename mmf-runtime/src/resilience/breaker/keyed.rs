//! One breaker per key: a host, a tenant.

use std::sync::Arc;
use std::time::Duration;

use super::builder::CircuitBreakerBuilder;
use super::config::{Config, Window};
use super::machine::CircuitBreaker;
use super::state::BreakerState;
use crate::resilience::invalid::{Check, InvalidPolicy};
use crate::resilience::keyed::{Keyed, OfKey, Rank, keyed_builder};
use crate::resilience::name::{KeyLabel, PolicyName};
use crate::resilience::setting::{Setting, Values};
use crate::resilience::snapshot::BreakerSnapshot;

/// The breakers of a function with `breaker(key(…))`, or of a pipeline.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::{CircuitBreaker, KeyedBreakers};
///
/// let hosts = KeyedBreakers::new(CircuitBreaker::builder("fetch"), 1024);
/// hosts.get(&"a.example").force_open();
/// assert_ne!(hosts.get(&"a.example").state(), hosts.get(&"b.example").state());
/// ```
pub type KeyedBreakers = Keyed<CircuitBreaker>;

impl KeyedBreakers {
    /// Breakers of this configuration, at most `max_keys` of them; 0 means 1, which is told by a warning.
    #[track_caller]
    pub fn new(builder: CircuitBreakerBuilder, mut max_keys: usize) -> Self {
        let (name, config) = builder.into_parts();
        let mut check = Check::default();
        check.at_least_one("max_keys", &mut max_keys);
        check.tell(&name);
        Self::empty(name, config, (max_keys, true))
    }

    /// The breakers with their keys, as `Debug` writes them (text without its quotes), cut to 64 characters.
    pub fn breakers(&self) -> Vec<(String, Arc<CircuitBreaker>)> {
        let all = self.all().into_iter();
        all.map(|(_, label, breaker)| (label.to_string(), breaker)).collect()
    }
}

keyed_builder! {
    /// Builds [`KeyedBreakers`].
    KeyedBreakersBuilder of CircuitBreaker by CircuitBreakerBuilder, 1024:
    failure_threshold(u32),
    failure_rate_threshold(f64),
    minimum_throughput(u32),
    window(impl Into<Window>),
    slow_call_threshold(Duration),
    slow_call_rate_threshold(f64),
    recovery_timeout(Duration),
    recovery_multiplier(f64),
    max_recovery_timeout(Duration),
    half_open_max_calls(u32),
    success_threshold(u32)
}

impl OfKey for CircuitBreaker {
    type Builder = CircuitBreakerBuilder;
    type Template = Arc<Config>;
    type Counts = BreakerSnapshot;
    const WHAT: &'static str = "breaker";
    const GROUP: &'static str = "breaker";
    const MAX_KEYS: &'static str = "breaker.max_keys";
    const NONE: BreakerSnapshot = BreakerSnapshot::NONE;

    fn template(builder: &CircuitBreakerBuilder) -> Arc<Config> {
        builder.config()
    }

    fn settings(config: &Arc<Config>) -> Vec<Setting> {
        config.settings()
    }

    fn changed(
        name: &PolicyName,
        config: &Arc<Config>,
        values: &Values<'_>,
    ) -> Result<Arc<Config>, InvalidPolicy> {
        CircuitBreakerBuilder::changed(name, config, values)
    }

    fn build(name: &PolicyName, config: &Arc<Config>, key: KeyLabel) -> Self {
        Self::new(name.clone(), Some(key), Arc::clone(config))
    }

    fn reconfigure(&self, config: &Arc<Config>) {
        self.go_by(Some(Arc::clone(config)));
    }

    fn wake_waiting(&self) {}

    fn rank(&self) -> Rank {
        if self.is_as_new() {
            Rank::AsNew
        } else if self.state() == BreakerState::Closed {
            Rank::Calm
        } else {
            Rank::Busy
        }
    }

    fn counts(&self) -> BreakerSnapshot {
        self.snapshot()
    }

    /// Its state and its rate are gone with it.
    fn forgotten(counts: BreakerSnapshot) -> BreakerSnapshot {
        BreakerSnapshot { state: BreakerState::Closed, failure_rate: 0.0, ..counts }
    }

    fn sum(one: BreakerSnapshot, other: BreakerSnapshot) -> BreakerSnapshot {
        one.and(other)
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use crate::resilience::Key;

    fn keyed(max_keys: usize) -> KeyedBreakers {
        KeyedBreakers::new(CircuitBreaker::builder("keyed"), max_keys)
    }

    fn keys(keyed: &KeyedBreakers) -> Vec<String> {
        keyed.breakers().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn the_least_recently_used_key_makes_room() {
        let keyed = keyed(3);
        for key in ["a", "b", "c", "a", "b", "d"] {
            keyed.get(key);
        }
        assert_eq!(keys(&keyed), ["a", "b", "d"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_open_and_long_over_goes_before_what_has_something_to_tell() {
        let builder = CircuitBreaker::builder("keyed").failure_threshold(1);
        let keyed = KeyedBreakers::new(builder, 3);
        let fail = |key: &'static str, times: u32| {
            let breaker = keyed.get(key);
            async move {
                for _ in 0..times {
                    let _ = breaker.call(async { Err::<(), _>(Broken) }).await;
                }
            }
        };
        keyed.get("busy").call(async { Ok::<_, Broken>(()) }).await.ok();
        fail("over", 1).await;
        tokio::time::advance(std::time::Duration::from_secs(121)).await;
        fail("open", 1).await;
        keyed.get("new");
        assert_eq!(keys(&keyed), ["busy", "new", "open"]);
    }

    #[derive(Debug)]
    struct Broken;
    impl From<crate::resilience::ResilienceError> for Broken {
        fn from(_: crate::resilience::ResilienceError) -> Self {
            Self
        }
    }

    #[test]
    fn what_made_room_still_counts_in_the_sum() {
        let keyed = keyed(2);
        for key in 0..9 {
            keyed.get(&key).force_open();
            assert!(keyed.get(&key).admit(&mut super::super::Ticket::empty()).is_err());
            assert_eq!(keyed.counts().refused, key + 1);
        }
        assert_eq!(keyed.counts().state, BreakerState::ForcedOpen);
    }

    #[test]
    fn a_key_and_the_value_it_is_of_have_one_breaker() {
        let keyed = keyed(3);
        keyed.get_key(&Key::of("a.example")).force_open();
        assert_eq!(keyed.get("a.example").state(), BreakerState::ForcedOpen);
        assert_eq!(keys(&keyed), ["a.example"]);
    }

    #[test]
    fn an_open_breaker_stays_while_a_closed_one_is_left() {
        let keyed = keyed(2);
        keyed.get("open").force_open();
        keyed.get("closed");
        keyed.get("new");
        assert_eq!(keys(&keyed), ["new", "open"]);
    }

    #[test]
    fn keys_in_use_stay_while_idle_ones_are_left() {
        let keyed = keyed(100);
        (0..100).for_each(|key| drop(keyed.get(&key)));
        (0..20).for_each(|key| keyed.get(&key).force_open());
        (20..40).for_each(|key| drop(keyed.get(&key)));
        (0..20).for_each(|key| drop(keyed.get(&key)));
        (1000..1060).for_each(|key| drop(keyed.get(&key)));
        for key in 0..40 {
            assert!(keys(&keyed).contains(&key.to_string()), "{key}");
        }
    }

    #[test]
    fn with_all_open_the_least_recently_used_goes() {
        let keyed = keyed(2);
        keyed.get("first").force_open();
        keyed.get("second").force_open();
        keyed.get("new");
        assert_eq!(keys(&keyed), ["new", "second"]);
        assert_eq!(keyed.len(), 2);
    }
}
