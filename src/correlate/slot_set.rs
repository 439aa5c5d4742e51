//! A set of slots, one bit each.

use crate::correlate::resource::Slot;
use serde::{Deserialize, Serialize};

/// Some of the resources.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct SlotSet {
    words: Vec<u64>,
}

impl SlotSet {
    /// Puts a slot in.
    pub fn insert(&mut self, slot: Slot) {
        let word = word_of(slot);
        if self.words.len() <= word {
            self.words.resize(word.saturating_add(1), 0);
        }
        if let Some(bits) = self.words.get_mut(word) {
            *bits |= bit_of(slot);
        }
    }

    /// Whether a slot is in it.
    #[must_use]
    pub fn contains(&self, slot: Slot) -> bool {
        self.words.get(word_of(slot)).is_some_and(|bits| bits & bit_of(slot) != 0)
    }
}

fn word_of(slot: Slot) -> usize {
    usize::try_from(slot / u64::BITS).unwrap_or(usize::MAX)
}

const fn bit_of(slot: Slot) -> u64 {
    1 << (slot % u64::BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_put_in() {
        let mut set = SlotSet::default();
        for slot in [0, 63, 64, 1_000] {
            set.insert(slot);
        }
        let held: Vec<Slot> = (0..2_000).filter(|slot| set.contains(*slot)).collect();
        assert_eq!(held, [0, 63, 64, 1_000]);
    }
}
