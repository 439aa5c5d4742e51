//! Deadlines as a small ordered table: (due, key), ties broken by key, so that order is total.

use crate::model::time::EngineTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// At most one deadline per key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timers<K: Ord> {
    by_due: BTreeSet<(EngineTime, K)>,
    due_of: BTreeMap<K, EngineTime>,
}

impl<K: Ord> Default for Timers<K> {
    fn default() -> Self {
        Self { by_due: BTreeSet::new(), due_of: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// Sets or moves the deadline of a key.
    pub fn set(&mut self, key: K, due: EngineTime) {
        if let Some(before) = self.due_of.insert(key, due) {
            self.by_due.remove(&(before, key));
        }
        self.by_due.insert((due, key));
    }

    /// Sets a deadline unless the key already has an earlier one.
    pub fn set_earliest(&mut self, key: K, due: EngineTime) {
        if self.due_of.get(&key).is_none_or(|known| due < *known) {
            self.set(key, due);
        }
    }

    /// Removes the deadline of a key, if it has one.
    pub fn cancel(&mut self, key: K) {
        if let Some(due) = self.due_of.remove(&key) {
            self.by_due.remove(&(due, key));
        }
    }

    /// The deadline of a key.
    pub fn due_of(&self, key: K) -> Option<EngineTime> {
        self.due_of.get(&key).copied()
    }

    /// Whether the key has a deadline.
    pub fn is_set(&self, key: K) -> bool {
        self.due_of.contains_key(&key)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<EngineTime> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// Takes the earliest deadline that is due at `now`.
    pub fn pop_due(&mut self, now: EngineTime) -> Option<(EngineTime, K)> {
        let (due, key) = *self.by_due.first()?;
        if due > now {
            return None;
        }
        self.by_due.remove(&(due, key));
        self.due_of.remove(&key);
        Some((due, key))
    }

    /// Number of deadlines.
    pub fn len(&self) -> usize {
        self.by_due.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_due.is_empty()
    }

    /// Every key with a deadline, in key order.
    pub fn keys(&self) -> impl Iterator<Item = K> + '_ {
        self.due_of.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_in_order_of_due_then_key_and_moves_what_is_set_again() {
        let mut timers = Timers::default();
        timers.set(2, EngineTime(10));
        timers.set(1, EngineTime(10));
        timers.set(3, EngineTime(5));
        timers.set(3, EngineTime(20));
        timers.set_earliest(3, EngineTime(30));
        timers.cancel(9);
        assert_eq!(timers.next(), Some(EngineTime(10)));
        assert_eq!(timers.pop_due(EngineTime(15)), Some((EngineTime(10), 1)));
        assert_eq!(timers.pop_due(EngineTime(15)), Some((EngineTime(10), 2)));
        assert_eq!(timers.pop_due(EngineTime(15)), None);
        assert!(timers.is_set(3));
        assert_eq!(timers.len(), 1);
    }
}
