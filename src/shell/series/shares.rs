//! What several series share: found by texts, gone with the last series that holds it.

use crate::shell::series::key::Keys;
use dashmap::DashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Held by every series that shares it.
pub(super) type Shared<T> = Arc<Mutex<T>>;

/// Everything of one kind that a series holds.
pub(super) struct Shares<T> {
    /// By the keyed half of a key: one of 64 bits is enough here, and half as large.
    by_key: DashMap<u64, Weak<Mutex<T>>>,
}

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Self { by_key: DashMap::new() }
    }
}

impl<T: Default> Shares<T> {
    /// What belongs to these texts.
    pub(super) fn of(&self, keys: &Keys, texts: &[&str]) -> Shared<T> {
        let mut place = self.by_key.entry(keys.of_texts(texts).check).or_default();
        if let Some(known) = place.upgrade() {
            return known;
        }
        let new = Shared::<T>::default();
        *place = Arc::downgrade(&new);
        new
    }

    /// Lets go of what no series holds any more.
    pub(super) fn sweep(&self) {
        self.by_key.retain(|_, shared| shared.strong_count() > 0);
    }
}

/// For a moment's work; a panic elsewhere does not spoil what is soft anyway.
pub(super) fn locked<T>(shared: &Shared<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shared_while_anybody_holds_it() {
        let (keys, shares) = (Keys::default(), Shares::<u8>::default());
        let first = shares.of(&keys, &["rule", "pe1", "", ""]);
        let same = shares.of(&keys, &["rule", "pe1", "", ""]);
        assert!(Arc::ptr_eq(&first, &same));
        let other = shares.of(&keys, &["rule", "pe2", "", ""]);
        assert!(!Arc::ptr_eq(&first, &other));
        drop(other);
        shares.sweep();
        assert_eq!(shares.by_key.len(), 1);
        drop((first, same));
        shares.sweep();
        assert_eq!(shares.by_key.len(), 0);
    }
}
