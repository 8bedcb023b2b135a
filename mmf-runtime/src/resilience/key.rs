//! Keys of what has one state each: a host, a tenant.
//!
//! Policies remember a key by a hash, so that a borrowed one is looked up without being copied, whatever its type,
//! and none of its code runs under a lock.

use std::fmt::{self, Debug, Display};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;

use super::name::{KeyLabel, shown};

/// Whom a call belongs to, for what is by key: 128 bits of hash, and a label of at most 64 characters for events.
///
/// A key of a megabyte costs its hash and no more. What differs only beyond what a label shows are two keys.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::Key;
///
/// let tenant = Key::of("acme");
/// assert_eq!(tenant.label(), "acme");
/// assert_eq!(tenant, Key::from(&String::from("acme")));
/// assert_ne!(tenant, Key::of(&7));
/// ```
#[derive(Clone)]
pub struct Key {
    id: u128,
    label: KeyLabel,
}

impl Key {
    /// The key of a value.
    pub fn of<K: Hash + Display + ?Sized>(key: &K) -> Self {
        Self { id: id_of(key), label: shown(key) }
    }

    /// As events, errors and snapshots show it.
    pub fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn id(&self) -> u128 {
        self.id
    }

    pub(crate) fn shared_label(&self) -> KeyLabel {
        self.label.clone()
    }
}

impl<K: Hash + Display + ?Sized> From<&K> for Key {
    fn from(key: &K) -> Self {
        Self::of(key)
    }
}

impl From<String> for Key {
    fn from(key: String) -> Self {
        Self::of(&key)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.label).finish()
    }
}

/// Tells keys apart by two hashes whose seeds are this process's own. A text hashes as whatever derefs to it.
pub(crate) fn id_of<K: Hash + ?Sized>(key: &K) -> u128 {
    static SEEDS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    let [high, low] = SEEDS.each_ref().map(|seed| seed.hash_one(key));
    u128::from(high) << 64 | u128::from(low)
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn both_hashes_count() {
        assert_eq!(id_of("a"), id_of(&String::from("a")), "borrowed or not");
        assert_ne!(id_of("a"), id_of("b"));
        let [high, low] = [id_of("a") >> 64, id_of("a") & u128::from(u64::MAX)];
        assert_ne!(high, low, "each has its own seed");
    }

    #[test]
    fn a_key_is_told_apart_beyond_its_label_and_shown_as_it_displays() {
        let [one, other] = ["a", "b"].map(|end| "x".repeat(100) + end);
        let [one, other] = [one, other].map(Key::from);
        assert_eq!(one.label(), other.label());
        assert_ne!(one, other);
        assert_eq!(Key::of("\"quoted\"").label(), "\"quoted\"");
        assert_eq!(format!("{:?}", Key::of(&7)), "Key(\"7\")");
    }
}
