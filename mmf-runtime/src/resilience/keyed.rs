//! Policies by key: where they are kept, and which of them makes room.
//!
//! Under the locks there are maps by hashes, atomics and the books of policies; keys are hashed and printed before,
//! and what was forgotten is told and dropped after.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt::{self, Debug};
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use mmf_rules::value::Value;

use super::events;
use super::invalid::{Check, InvalidPolicy};
use super::key::{Key, id_of};
use super::name::{KeyLabel, PolicyName, label};
use super::setting::{Setting, Values, describe};

const SHARDS: usize = 16;

/// A policy of which there may be one a key.
pub trait OfKey: Sized {
    /// What they are configured by.
    type Builder;
    /// What one is built from.
    type Template: Clone;
    /// What it counts, to be summed up over all keys.
    type Counts: Copy;
    /// As events call it.
    const WHAT: &'static str;
    /// As it is written in an attribute.
    const GROUP: &'static str;
    /// How many there may be, as a key.
    const MAX_KEYS: &'static str;
    /// Of one that has seen nothing.
    const NONE: Self::Counts;
    /// The template of a builder whose values can work.
    fn template(builder: &Self::Builder) -> Self::Template;
    /// The values that a template stands for.
    fn settings(template: &Self::Template) -> Vec<Setting>;
    /// Another template, with these values in place of its own.
    fn changed(
        name: &PolicyName,
        template: &Self::Template,
        values: &Values<'_>,
    ) -> Result<Self::Template, InvalidPolicy>;
    /// One of a key.
    fn build(name: &PolicyName, template: &Self::Template, key: KeyLabel) -> Self;
    /// Goes by another template.
    fn reconfigure(&self, template: &Self::Template);
    /// Wakes those that wait, after that.
    fn wake_waiting(&self);
    /// How well it can be forgotten.
    fn rank(&self) -> Rank;
    /// What it has counted and shows now.
    fn counts(&self) -> Self::Counts;
    /// What is left of that once it is forgotten.
    fn forgotten(counts: Self::Counts) -> Self::Counts;
    /// The sum of two.
    fn sum(one: Self::Counts, other: Self::Counts) -> Self::Counts;
}

/// What others are built from, and how many there may be.
pub(super) struct ByTemplate<P: OfKey> {
    template: P::Template,
    max_keys: usize,
}

impl<P: OfKey> Clone for ByTemplate<P> {
    fn clone(&self) -> Self {
        Self { template: self.template.clone(), max_keys: self.max_keys }
    }
}

/// How well a policy can be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// It would decide the same if it were new.
    AsNew,
    /// Somebody would be refused less than it deserves, and nobody more.
    Calm,
    /// It refuses calls now, or holds them.
    Busy,
}

/// A policy per key, a host or a tenant, up to so many: see [`KeyedBreakers`](super::KeyedBreakers),
/// [`KeyedRateLimiters`](super::KeyedRateLimiters) and [`KeyedBulkheads`](super::KeyedBulkheads).
///
/// Beyond `max_keys` one makes room that would decide the same if it were new: a breaker that is closed with nothing
/// to count, or open and its time is long over, a full bucket, an empty bulkhead; else, of the least recently used,
/// a closed breaker, then any.
pub struct Keyed<P: OfKey> {
    name: PolicyName,
    template: P::Template,
    /// What is in force in its place. Under its lock it is cloned or replaced.
    changed: RwLock<Option<P::Template>>,
    max_keys: AtomicUsize,
    built_max_keys: (usize, bool),
    shards: [RwLock<HashMap<u128, Arc<Entry<P>>>>; SHARDS],
    /// Counts uses; an entry remembers when it was used last.
    clock: AtomicU64,
    order: Mutex<Order<P::Counts>>,
}

struct Entry<P> {
    policy: Arc<P>,
    label: KeyLabel,
    used: AtomicU64,
}

/// The keys by a use that was their last one when they were put here. Whoever looks for the least
/// recently used puts those back that were used since, so a key costs nothing here while it is used.
struct Order<C> {
    places: BinaryHeap<Reverse<(u64, u128)>>,
    /// What those counted that made room, so that no sum ever goes back.
    forgotten: C,
}

impl<P: OfKey> Keyed<P> {
    /// Empty, for at least one key.
    pub(super) fn empty(
        name: PolicyName,
        template: P::Template,
        (max_keys, is_written): (usize, bool),
    ) -> Self {
        let order = Order { places: BinaryHeap::new(), forgotten: P::NONE };
        let max_keys = max_keys.max(1);
        Self {
            name,
            template,
            changed: RwLock::default(),
            max_keys: AtomicUsize::new(max_keys),
            built_max_keys: (max_keys, is_written),
            shards: std::array::from_fn(|_| RwLock::default()),
            clock: AtomicU64::new(0),
            order: Mutex::new(order),
        }
    }

    /// The name given to the builder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The policy of `key`, a new one where there is none yet.
    pub fn get<K: Hash + Debug + ?Sized>(&self, key: &K) -> Arc<P> {
        self.find(id_of(key), || label(key))
    }

    /// The policy of a [`Key`], the same as that of the value it was made of.
    pub fn get_key(&self, key: &Key) -> Arc<P> {
        self.find(key.id(), || key.shared_label())
    }

    pub(super) fn find(&self, id: u128, label: impl FnOnce() -> KeyLabel) -> Arc<P> {
        if let Some(entry) = self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(&id)
        {
            self.touch(entry);
            return Arc::clone(&entry.policy);
        }
        // Before the lock is taken: it may be code of the user's.
        let label = label();
        let (policy, forgotten) = self.insert(id, label);
        // After the lock is free: a subscriber may ask for a policy.
        for entry in forgotten {
            events::evicted(&self.name, P::WHAT, &entry.label);
        }
        policy
    }

    /// How many keys are remembered at most.
    pub fn max_keys(&self) -> usize {
        // Relaxed: a value of its own.
        self.max_keys.load(Ordering::Relaxed)
    }

    fn template(&self) -> P::Template {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        changed.as_ref().unwrap_or(&self.template).clone()
    }

    /// The values of each, and how many there may be.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let (built, is_written) = self.built_max_keys;
        let max_keys = self.max_keys();
        let value = Value::Count(u32::try_from(max_keys).unwrap_or(u32::MAX));
        let is_written = is_written || max_keys != built;
        let mut settings = P::settings(&self.template());
        settings.push(Setting { key: P::MAX_KEYS, value, is_written });
        settings
    }

    pub(super) fn describe(&self) -> String {
        describe(P::GROUP, &P::settings(&self.template()))
    }

    /// Others of these values in place of those that were built.
    pub(super) fn prepare(&self, values: &Values<'_>) -> Result<ByTemplate<P>, InvalidPolicy> {
        let template = P::changed(&self.name, &self.template, values);
        let (mut max_keys, _) = self.built_max_keys;
        let mut check = Check::default();
        if let Some(Value::Count(count)) = values.get("max_keys") {
            max_keys = *count as usize;
            check.at_least_one("max_keys", &mut max_keys);
        }
        let template = match (template, check.refuse()) {
            (Ok(template), Ok(())) => template,
            (Err(one), Err(other)) => return Err(one.and(other)),
            (Err(one), Ok(())) | (Ok(_), Err(one)) => return Err(one),
        };
        Ok(ByTemplate { template, max_keys })
    }

    /// Goes by others from now on, or with none by what was built; keys beyond a smaller number of them make room when the next
    /// new one comes.
    pub(super) fn reconfigure(&self, change: Option<&ByTemplate<P>>) {
        let (built, _) = self.built_max_keys;
        let max_keys = change.map_or(built, |change| change.max_keys);
        let template = change.map(|change| change.template.clone());
        {
            let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            *self.changed.write().unwrap_or_else(PoisonError::into_inner) = template.clone();
            self.max_keys.store(max_keys, Ordering::Relaxed);
        }
        for (_, _, policy) in self.all() {
            policy.reconfigure(template.as_ref().unwrap_or(&self.template));
        }
    }

    /// Wakes those that wait, after that.
    pub(super) fn wake_waiting(&self) {
        for (_, _, policy) in self.all() {
            policy.wake_waiting();
        }
    }

    /// How many keys have a policy.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().map_or(0, |shard| shard.len())).sum()
    }

    /// Whether no key has been seen yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The policies with their keys, by hash and by label.
    pub(crate) fn all(&self) -> Vec<(u128, KeyLabel, Arc<P>)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.iter().map(|(id, e)| (*id, e.label.clone(), Arc::clone(&e.policy))));
        }
        all.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
        all
    }

    /// The sums over all keys, those that made room included.
    pub(crate) fn counts(&self) -> P::Counts {
        // Held, so that none makes room between its own sum and that of the forgotten.
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        self.all().into_iter().fold(order.forgotten, |sum, (_, _, p)| P::sum(sum, p.counts()))
    }

    fn shard(&self, id: u128) -> &RwLock<HashMap<u128, Arc<Entry<P>>>> {
        &self.shards[id as usize % SHARDS]
    }

    fn touch(&self, entry: &Entry<P>) {
        // A key that is used again and again need not move the clock for the others. Relaxed, here and
        // below: uses at the same time may come in any order.
        if entry.used.load(Ordering::Relaxed) != self.clock.load(Ordering::Relaxed) {
            entry.used.store(self.clock.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    #[cold]
    fn insert(&self, id: u128, label: KeyLabel) -> (Arc<P>, Vec<Arc<Entry<P>>>) {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = self.entry(id) {
            return (Arc::clone(&entry.policy), Vec::new());
        }
        let mut forgotten = Vec::new();
        while order.places.len() >= self.max_keys()
            && let Some(entry) = self.evict(&mut order)
        {
            forgotten.push(entry);
        }
        let used = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        // Under the lock of the order, so that none by an earlier template comes after those by a later one were looked for.
        let new = Arc::new(P::build(&self.name, &self.template(), label.clone()));
        let entry = Entry { policy: Arc::clone(&new), label, used: AtomicU64::new(used) };
        self.shard(id).write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(entry));
        order.places.push(Reverse((used, id)));
        (new, forgotten)
    }

    fn entry(&self, id: u128) -> Option<Arc<Entry<P>>> {
        self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Takes a policy out to make room: of the least recently used ones, the first that decides as a new one would;
    /// else the one of the best rank, the oldest of them. A bounded number is looked at, so that no call walks all
    /// keys.
    fn evict(&self, order: &mut Order<P::Counts>) -> Option<Arc<Entry<P>>> {
        // Where all that were looked at had been used since they were put there, they now stand where they belong, and
        // those before them may not have been used; at last all are in use.
        let mut candidates = Vec::new();
        for used_too in [false, false, true] {
            if candidates.is_empty() {
                candidates = self.candidates(order, used_too);
            }
        }
        let (_, _, victim) = candidates.iter().min().copied()?;
        let kept = candidates.into_iter().filter(|(_, _, id)| *id != victim);
        order.places.extend(kept.map(|(_, used, id)| Reverse((used, id))));
        let mut shard = self.shard(victim).write().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.remove(&victim)?;
        drop(shard);
        order.forgotten = P::sum(order.forgotten, P::forgotten(entry.policy.counts()));
        Some(entry)
    }

    /// The least recently used keys, taken from their places, with how well each can be forgotten. Those that were used
    /// since they got their place get a new one, unless they will do as well.
    fn candidates(&self, order: &mut Order<P::Counts>, used_too: bool) -> Vec<(Rank, u64, u128)> {
        const MOST_CANDIDATES: usize = 16;
        const MOST_LOOKS: usize = 256;
        let mut candidates = Vec::with_capacity(MOST_CANDIDATES);
        let mut used_since = Vec::new();
        for _ in 0..MOST_LOOKS {
            let Some(Reverse((seen, id))) = order.places.pop() else { break };
            let Some(entry) = self.entry(id) else { continue };
            let used = entry.used.load(Ordering::Relaxed);
            if used != seen && !used_too {
                used_since.push(Reverse((used, id)));
                continue;
            }
            let rank = entry.rank();
            candidates.push((rank, used, id));
            if rank == Rank::AsNew || candidates.len() == MOST_CANDIDATES {
                break;
            }
        }
        order.places.extend(used_since);
        candidates
    }
}

impl<P: OfKey> Entry<P> {
    fn rank(&self) -> Rank {
        // Somebody holds it who has not begun with it yet: new ones beside it would be one too many.
        if Arc::strong_count(&self.policy) > 1 { Rank::Busy } else { self.policy.rank() }
    }
}

impl<P: OfKey> Debug for Keyed<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("name", &self.name)
            .field("keys", &self.len())
            .finish_non_exhaustive()
    }
}

/// The builder of a policy by key: the keys of the policy's own builder, and `max_keys`.
macro_rules! keyed_builder {
    (
        $(#[$attribute:meta])*
        $builder:ident of $policy:ident by $inner:ident, $max_keys:literal: $($key:ident($type:ty)),*
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug)]
        #[must_use = "a builder does nothing until `build`"]
        pub struct $builder {
            policy: $inner,
            max_keys: usize,
            max_keys_is_written: bool,
        }

        impl $builder {
            $(
                #[doc = concat!("[`", stringify!($inner), "::", stringify!($key), "`] of each.")]
                pub fn $key(mut self, $key: $type) -> Self {
                    self.policy = self.policy.$key($key);
                    self
                }
            )*

            #[doc = concat!("How many keys are remembered; 0 is invalid. Default: ", $max_keys, ".")]
            pub fn max_keys(mut self, keys: usize) -> Self {
                (self.max_keys, self.max_keys_is_written) = (keys, true);
                self
            }

            #[doc = concat!("None yet. A value that can never work is cut as by [`", stringify!($inner), "::build`].")]
            #[track_caller]
            pub fn build(mut self) -> Keyed<$policy> {
                self.mend().tell(self.policy.name());
                self.built()
            }

            /// None yet, where all values can work.
            ///
            /// # Errors
            ///
            /// [`InvalidPolicy`](crate::resilience::InvalidPolicy) with all that is wrong.
            pub fn try_build(mut self) -> Result<Keyed<$policy>, crate::resilience::InvalidPolicy> {
                self.mend().refuse()?;
                Ok(self.built())
            }

            fn mend(&mut self) -> crate::resilience::invalid::Check {
                let mut check = self.policy.mend();
                check.at_least_one("max_keys", &mut self.max_keys);
                check
            }

            fn built(self) -> Keyed<$policy> {
                let name = self.policy.name().clone();
                let max_keys = (self.max_keys, self.max_keys_is_written);
                Keyed::empty(name, $policy::template(&self.policy), max_keys)
            }
        }

        impl Keyed<$policy> {
            /// Starts from the defaults of one.
            pub fn builder(name: impl Into<crate::resilience::PolicyName>) -> $builder {
                $builder {
                    policy: $policy::builder(name),
                    max_keys: $max_keys,
                    max_keys_is_written: false,
                }
            }
        }
    };
}

pub(super) use keyed_builder;

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

    /// As busy as it is told to be.
    struct Mood(Rank, u64);

    impl OfKey for Mood {
        type Builder = Mutex<Rank>;
        type Template = Arc<Mutex<Rank>>;
        type Counts = u64;
        const WHAT: &'static str = "mood";
        const GROUP: &'static str = "mood";
        const MAX_KEYS: &'static str = "mood.max_keys";
        const NONE: u64 = 0;

        fn template(rank: &Mutex<Rank>) -> Self::Template {
            Arc::new(Mutex::new(*rank.lock().unwrap()))
        }

        fn settings(_: &Self::Template) -> Vec<Setting> {
            Vec::new()
        }

        fn changed(
            _: &PolicyName,
            template: &Self::Template,
            _: &Values<'_>,
        ) -> Result<Self::Template, InvalidPolicy> {
            Ok(Arc::clone(template))
        }

        fn build(_: &PolicyName, rank: &Self::Template, _: KeyLabel) -> Self {
            Self(*rank.lock().unwrap(), 1)
        }

        fn reconfigure(&self, _: &Self::Template) {}

        fn wake_waiting(&self) {}

        fn rank(&self) -> Rank {
            self.0
        }

        fn counts(&self) -> u64 {
            self.1
        }

        fn forgotten(counts: u64) -> u64 {
            counts
        }

        fn sum(one: u64, other: u64) -> u64 {
            one + other
        }
    }

    fn keyed(max_keys: usize) -> Keyed<Mood> {
        Keyed::empty("moods".into(), Arc::new(Mutex::new(Rank::Busy)), (max_keys, true))
    }

    fn get(keyed: &Keyed<Mood>, key: u32, rank: Rank) {
        *keyed.template.lock().unwrap() = rank;
        keyed.get(&key);
    }

    fn keys(keyed: &Keyed<Mood>) -> Vec<String> {
        keyed.all().into_iter().map(|(_, label, _)| label.to_string()).collect()
    }

    #[test]
    fn what_would_decide_the_same_makes_room_first_then_the_calm_then_the_oldest() {
        let keyed = keyed(3);
        for (key, rank) in [(1, Rank::Busy), (2, Rank::Calm), (3, Rank::AsNew)] {
            get(&keyed, key, rank);
        }
        get(&keyed, 4, Rank::Busy);
        assert_eq!(keys(&keyed), ["1", "2", "4"]);
        get(&keyed, 5, Rank::Busy);
        assert_eq!(keys(&keyed), ["1", "4", "5"]);
        get(&keyed, 6, Rank::Busy);
        assert_eq!(keys(&keyed), ["4", "5", "6"]);
    }

    #[test]
    fn no_sum_goes_back_when_keys_make_room() {
        let keyed = keyed(2);
        for key in 0..50 {
            get(&keyed, key, Rank::Busy);
            assert_eq!(keyed.counts(), u64::from(key) + 1);
        }
        assert_eq!(keyed.len(), 2);
    }

    #[test]
    fn what_nobody_uses_makes_room_before_what_is_busy_and_in_use() {
        // The first ones are used again, more of them than one look goes over; of them the very first is busy.
        let keyed =
            Keyed::<Mood>::empty("keyed".into(), Arc::new(Mutex::new(Rank::Busy)), (400, true));
        drop(keyed.get(&0));
        *keyed.template.lock().unwrap() = Rank::AsNew;
        (1..400).for_each(|key| drop(keyed.get(&key)));
        (0..300).for_each(|key| drop(keyed.get(&key)));
        drop(keyed.get(&400));
        let labels: Vec<_> =
            keyed.all().into_iter().map(|(_, label, _)| label.to_string()).collect();
        assert!(labels.contains(&"0".into()), "busy, and used a moment ago");
        assert!(!labels.contains(&"300".into()), "the least recently used");
    }

    #[test]
    fn a_new_key_among_many_looks_at_a_few_and_loses_no_place() {
        let keyed = keyed(10_000);
        for _ in 0..2 {
            (0..10_000).for_each(|key| get(&keyed, key, Rank::Busy));
        }
        get(&keyed, 10_000, Rank::Busy);
        assert_eq!((keyed.len(), keyed.order.lock().unwrap().places.len()), (10_000, 10_000));
    }

    #[test]
    fn none_at_all_is_one() {
        let keyed = keyed(0);
        get(&keyed, 1, Rank::Busy);
        get(&keyed, 2, Rank::Busy);
        assert_eq!(keys(&keyed), ["2"]);
    }
}
