//! One breaker per key: a host, a tenant.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::builder::CircuitBreakerBuilder;
use super::config::Config;
use super::machine::CircuitBreaker;
use super::state::BreakerState;
use crate::resilience::events;
use crate::resilience::invalid::Check;
use crate::resilience::key_id::KeyIds;
use crate::resilience::name::{KeyLabel, PolicyName, label};
use crate::resilience::snapshot::BreakerSnapshot;

const SHARDS: usize = 16;

// Under the locks there are maps by hashes, atomics and the books of breakers; keys are hashed and printed before.

/// The breakers of a function with `breaker(key(…))`.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::{CircuitBreaker, KeyedBreakers};
///
/// let hosts = KeyedBreakers::new(CircuitBreaker::builder("fetch"), 1024);
/// hosts.get(&"a.example").force_open();
/// assert_ne!(hosts.get(&"a.example").state(), hosts.get(&"b.example").state());
/// ```
pub struct KeyedBreakers {
    name: PolicyName,
    config: Arc<Config>,
    max_keys: usize,
    ids: KeyIds,
    shards: [RwLock<HashMap<u128, Arc<Entry>>>; SHARDS],
    /// Counts uses; an entry remembers when it was used last.
    clock: AtomicU64,
    order: Mutex<Order>,
}

struct Entry {
    breaker: Arc<CircuitBreaker>,
    label: KeyLabel,
    used: AtomicU64,
}

/// The keys by a use that was their last one when they were put here. Whoever looks for the least
/// recently used puts those back that were used since, so a key costs nothing here while it is used.
struct Order {
    places: BinaryHeap<Reverse<(u64, u128)>>,
    /// What those counted that made room, so that no sum ever goes back.
    forgotten: BreakerSnapshot,
}

impl KeyedBreakers {
    /// Breakers of this configuration, at most `max_keys` of them; 0 means 1, which is told by a warning.
    #[track_caller]
    pub fn new(builder: CircuitBreakerBuilder, mut max_keys: usize) -> Self {
        let (name, config) = builder.into_parts();
        let mut check = Check::default();
        check.at_least_one("max_keys", &mut max_keys);
        check.tell(&name);
        Self {
            name,
            config,
            max_keys,
            ids: KeyIds::default(),
            shards: std::array::from_fn(|_| RwLock::default()),
            clock: AtomicU64::new(0),
            order: Mutex::new(Order {
                places: BinaryHeap::new(),
                forgotten: BreakerSnapshot::NONE,
            }),
        }
    }

    /// The breaker of `key`, new and closed where there is none yet.
    ///
    /// Beyond `max_keys` one makes room that would decide the same if it were new: closed with nothing to count,
    /// or open and its time is long over; else, of the least recently used, one that is closed, then any.
    pub fn get<K: Hash + Debug + ?Sized>(&self, key: &K) -> Arc<CircuitBreaker> {
        let id = self.ids.of(key);
        if let Some(entry) = self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(&id)
        {
            self.touch(entry);
            return Arc::clone(&entry.breaker);
        }
        self.insert(id, key)
    }

    /// How many keys have a breaker.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().map_or(0, |shard| shard.len())).sum()
    }

    /// Whether no key has been seen yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The breakers with their keys, as `Debug` writes them (text without its quotes), cut to 64 characters.
    pub fn breakers(&self) -> Vec<(String, Arc<CircuitBreaker>)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            all.extend(
                shard.values().map(|entry| (entry.label.to_string(), Arc::clone(&entry.breaker))),
            );
        }
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// The sums over all keys, those that made room included, and the worst state of the living.
    pub(crate) fn snapshot(&self) -> BreakerSnapshot {
        // Held, so that none makes room between its own sum and that of the forgotten.
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let breakers = self.breakers().into_iter().map(|(_, breaker)| breaker.snapshot());
        breakers.fold(order.forgotten, BreakerSnapshot::and)
    }

    fn shard(&self, id: u128) -> &RwLock<HashMap<u128, Arc<Entry>>> {
        &self.shards[id as usize % SHARDS]
    }

    fn touch(&self, entry: &Entry) {
        // A key that is used again and again need not move the clock for the others. Relaxed, here and
        // below: uses at the same time may come in any order.
        if entry.used.load(Ordering::Relaxed) != self.clock.load(Ordering::Relaxed) {
            entry.used.store(self.clock.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    #[cold]
    fn insert<K: Hash + Debug + ?Sized>(&self, id: u128, key: &K) -> Arc<CircuitBreaker> {
        // Before the lock is taken: it is code of the user's.
        let label = label(key);
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = self.entry(id) {
            return Arc::clone(&entry.breaker);
        }
        let mut evicted = Vec::new();
        while order.places.len() >= self.max_keys
            && let Some(entry) = self.evict(&mut order)
        {
            evicted.push(entry);
        }
        let used = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        let (name, config) = (self.name.clone(), Arc::clone(&self.config));
        let breaker = Arc::new(CircuitBreaker::new(name, Some(label.clone()), config));
        let entry = Entry { breaker: Arc::clone(&breaker), label, used: AtomicU64::new(used) };
        self.shard(id).write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(entry));
        order.places.push(Reverse((used, id)));
        drop(order);
        // After the lock is free: a subscriber may ask for a breaker.
        for entry in evicted {
            events::breaker_evicted(&self.name, &entry.label);
        }
        breaker
    }

    fn entry(&self, id: u128) -> Option<Arc<Entry>> {
        self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Takes a breaker out to make room: of the least recently used ones, one that decides as a new one would;
    /// else one that is closed; else the oldest. A bounded number is looked at, so that no call walks all keys.
    fn evict(&self, order: &mut Order) -> Option<Arc<Entry>> {
        const MOST_CANDIDATES: usize = 16;
        const MOST_LOOKS: usize = 256;
        let mut candidates = Vec::with_capacity(MOST_CANDIDATES);
        let mut used_since = Vec::new();
        for _ in 0..MOST_LOOKS {
            let Some(Reverse((seen, id))) = order.places.pop() else { break };
            let Some(entry) = self.entry(id) else { continue };
            let used = entry.used.load(Ordering::Relaxed);
            if used != seen {
                used_since.push((used, id));
                continue;
            }
            let rank = Rank::of(&entry.breaker);
            candidates.push((rank, used, id));
            if rank == Rank::AsNew || candidates.len() == MOST_CANDIDATES {
                break;
            }
        }
        let oldest = candidates.iter().min().map(|(_, used, id)| (*used, *id));
        // With all in use, the one that was used first.
        let (used, victim) = oldest.or_else(|| used_since.iter().min().copied())?;
        let rest = candidates.into_iter().map(|(_, used, id)| (used, id)).chain(used_since);
        order.places.extend(rest.filter(|place| *place != (used, victim)).map(Reverse));
        let entry =
            self.shard(victim).write().unwrap_or_else(PoisonError::into_inner).remove(&victim)?;
        // Its state and its rate are gone with it.
        let counted = BreakerSnapshot {
            state: BreakerState::Closed,
            failure_rate: 0.0,
            ..entry.breaker.snapshot()
        };
        order.forgotten = order.forgotten.and(counted);
        Some(entry)
    }
}

/// How well a breaker can be forgotten.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    AsNew,
    Closed,
    Other,
}

impl Rank {
    fn of(breaker: &CircuitBreaker) -> Self {
        if breaker.is_as_new() {
            Self::AsNew
        } else if breaker.state() == BreakerState::Closed {
            Self::Closed
        } else {
            Self::Other
        }
    }
}

impl Debug for KeyedBreakers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyedBreakers")
            .field("name", &self.name)
            .field("keys", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

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
            assert_eq!(keyed.snapshot().refused, key + 1);
        }
        assert_eq!(keyed.snapshot().state, BreakerState::ForcedOpen);
    }

    #[test]
    fn a_new_key_among_many_looks_at_a_few() {
        let keyed = keyed(10_000);
        for key in 0..10_000 {
            keyed.get(&key).force_open();
        }
        for key in 0..10_000 {
            keyed.get(&key);
        }
        let before = keyed.order.lock().unwrap().places.len();
        keyed.get(&"one more");
        assert_eq!((keyed.len(), before), (10_000, 10_000));
        assert_eq!(keyed.order.lock().unwrap().places.len(), 10_000);
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
