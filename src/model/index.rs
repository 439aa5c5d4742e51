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

/// From a hash to a slot number of the caller's own table. The caller compares the real keys.
#[derive(Default, Clone)]
pub struct HashIndex {
    table: HashTable<(u64, u32)>,
}

impl HashIndex {
    /// The slot for which `is_same` holds.
    pub fn find(&self, hash: u64, mut is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        self.table
            .find(hash, |(known, slot)| *known == hash && is_same(*slot))
            .map(|(_, slot)| *slot)
    }

    /// Adds a slot. The caller has made sure that no slot with the same key is there.
    pub fn insert(&mut self, hash: u64, slot: u32) {
        self.table.insert_unique(hash, (hash, slot), |(known, _)| *known);
    }

    /// Removes a slot; `false` if it was not there.
    pub fn remove(&mut self, hash: u64, slot: u32) -> bool {
        self.table
            .find_entry(hash, |entry| *entry == (hash, slot))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_inserts_and_removes_by_hash_and_key() {
        let hasher = KeyHasher::new(7);
        let names = ["a", "b", "c"];
        let mut index = HashIndex::default();
        for (slot, name) in (0_u32..).zip(names) {
            index.insert(hasher.hash(&[name]), slot);
        }
        let hash = hasher.hash(&["b"]);
        assert_eq!(index.find(hash, |slot| slot == 1), Some(1));
        assert!(index.remove(hash, 1));
        assert_eq!(index.find(hash, |_| true), None);
        assert_eq!(index.len(), 2);
        assert_ne!(hasher.hash(&["ab", "c"]), hasher.hash(&["a", "bc"]));
    }
}
