//! Keys as policies remember them: by a hash, so that a borrowed key is looked up without being copied, whatever
//! its type, and none of its code runs under a lock.

use std::hash::{BuildHasher, Hash, RandomState};

/// Tells keys apart by 128 bits of two independently seeded hashes.
#[derive(Debug, Default)]
pub(super) struct KeyIds([RandomState; 2]);

impl KeyIds {
    pub(super) fn of<K: Hash + ?Sized>(&self, key: &K) -> u128 {
        let [high, low] = self.0.each_ref().map(|seed| seed.hash_one(key));
        u128::from(high) << 64 | u128::from(low)
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn both_hashes_count() {
        let ids = KeyIds::default();
        assert_eq!(ids.of("a"), ids.of(&String::from("a")), "borrowed or not");
        assert_ne!(ids.of("a"), ids.of("b"));
        let [high, low] = [ids.of("a") >> 64, ids.of("a") & u128::from(u64::MAX)];
        assert_ne!(high, low, "each has its own seed");
    }
}
