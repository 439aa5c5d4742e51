//! The one hash index of the hot path. It cannot be iterated, so that hash order never reaches an
//! output, and its seed is given (the journal holds it), never drawn.

use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

/// Hashes alarm identities and names; the same seed gives the same hashes everywhere.
#[derive(Clone, Debug)]
pub struct KeyHasher(foldhash::fast::FixedState);

impl KeyHasher {
    /// A hasher for that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(foldhash::fast::FixedState::with_seed(seed))
    }

    /// Hash of a sequence of texts; `["ab", "c"]` and `["a", "bc"]` differ.
    #[must_use]
    pub fn hash(&self, parts: &[&str]) -> u64 {
        let mut hasher = self.0.build_hasher();
        for part in parts {
            hasher.write(part.as_bytes());
            hasher.write_u8(0xff);
        }
        hasher.finish()
    }

    /// Hash of bytes (an OID, an address).
    #[must_use]
    pub fn hash_bytes(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }
}

/// From small keys (an address, a pair of numbers) to slot numbers. It holds the keys itself: who
/// looks one up waits for little memory, and only once.
#[derive(Clone)]
pub struct KeyIndex<K> {
    table: HashTable<(K, u32)>,
    hasher: KeyHasher,
}

impl<K: AsRef<[u8]> + Eq> KeyIndex<K> {
    /// An empty index with that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { table: HashTable::new(), hasher: KeyHasher::new(seed) }
    }

    /// The slot of a key.
    #[must_use]
    pub fn find(&self, key: &K) -> Option<u32> {
        let hash = self.hasher.hash_bytes(key.as_ref());
        self.table.find(hash, |(known, _)| known == key).map(|(_, slot)| *slot)
    }

    /// Adds a key; one that is there keeps its slot.
    pub fn insert(&mut self, key: K, slot: u32) {
        if self.find(&key).is_none() {
            let hasher = &self.hasher;
            let hash = |known: &K| hasher.hash_bytes(known.as_ref());
            self.table.insert_unique(hash(&key), (key, slot), |(known, _)| hash(known));
        }
    }
}

/// From a hash to a slot number of the caller's own table. Of a hash it keeps the upper half: of a
/// million hashes in one index a hundred meet, so the caller compares the real keys.
#[derive(Default, Clone)]
pub struct HashIndex {
    table: HashTable<(u32, u32)>,
}

impl HashIndex {
    /// The slot for which `is_same` holds.
    pub fn find(&self, hash: u64, mut is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        let half = upper_half(hash);
        self.table
            .find(spread(half), |(known, slot)| *known == half && is_same(*slot))
            .map(|(_, slot)| *slot)
    }

    /// Adds a slot. The caller has made sure that no slot with the same key is there.
    pub fn insert(&mut self, hash: u64, slot: u32) {
        let half = upper_half(hash);
        self.table.insert_unique(spread(half), (half, slot), |(known, _)| spread(*known));
    }

    /// Removes a slot; `false` if it was not there.
    pub fn remove(&mut self, hash: u64, slot: u32) -> bool {
        let half = upper_half(hash);
        self.table
            .find_entry(spread(half), |entry| *entry == (half, slot))
            .map(hashbrown::hash_table::OccupiedEntry::remove)
            .is_ok()
    }

    /// Number of slots held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

fn upper_half(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(u32::MAX)
}

/// A hash of all 64 bits again: the table goes by the lowest and the highest.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_hash_is_enough_where_keys_are_compared() {
        let hasher = KeyHasher::new(7);
        let mut index = HashIndex::default();
        let hash = |slot: u32| hasher.hash_bytes(&slot.to_le_bytes());
        for slot in 0..10_000 {
            index.insert(hash(slot), slot);
        }
        for slot in 0..10_000 {
            assert_eq!(index.find(hash(slot), |found| found == slot), Some(slot));
        }
        // Two whose upper halves meet are told apart by their slots.
        index.insert(hash(3) ^ 1, 77_777);
        assert_eq!(index.find(hash(3), |found| found == 3), Some(3));
        assert_eq!(index.find(hash(3), |found| found == 77_777), Some(77_777));
        assert!(index.remove(hash(3), 3) && !index.remove(hash(3), 3));
        assert_eq!(index.find(hash(3), |_| true), Some(77_777));
        assert_eq!((index.len(), index.is_empty()), (10_000, false));
    }

    #[test]
    fn small_keys_are_held_by_their_index() {
        let mut index = KeyIndex::new(7);
        for number in 0_u32..10_000 {
            index.insert(number.to_le_bytes(), number);
            index.insert(number.to_le_bytes(), 77_777);
        }
        assert!((0_u32..10_000).all(|number| index.find(&number.to_le_bytes()) == Some(number)));
        assert_eq!(index.find(&10_000_u32.to_le_bytes()), None);
    }

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        let hasher = KeyHasher::new(7);
        assert_ne!(hasher.hash(&["ab", "c"]), hasher.hash(&["a", "bc"]));
        assert_eq!(hasher.hash(&["ab", "c"]), KeyHasher::new(7).hash(&["ab", "c"]));
        assert_ne!(hasher.hash(&["ab"]), KeyHasher::new(8).hash(&["ab"]));
    }
}
