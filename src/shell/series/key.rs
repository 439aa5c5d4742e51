//! By what a series is known: 128 bits of two hashes whose keys are drawn at the start. The labels
//! themselves are not kept, which is what makes a million series cheap. One of the two is SipHash,
//! so that nobody who does not know the key can make two series meet. Of a label block it alone is
//! enough: blocks only save that the labels are read.

use crate::model::index::KeyHasher;
use crate::model::sample::Labels;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Names a series.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Key {
    /// Places it in an index.
    pub(super) hash: u64,
    /// Tells it from others in the same place.
    pub(super) check: u64,
}

/// Makes keys. Two of them make different ones.
#[derive(Clone)]
pub(super) struct Keys {
    fast: KeyHasher,
    keyed: RandomState,
}

impl Default for Keys {
    fn default() -> Self {
        let keyed = RandomState::new();
        Self { fast: KeyHasher::new(keyed.hash_one(0_u64)), keyed }
    }
}

impl Keys {
    /// Of a label block, as it was sent.
    #[inline]
    pub(super) fn of_block(&self, block: &[u8]) -> u64 {
        let mut hasher = self.keyed.build_hasher();
        hasher.write(block);
        hasher.finish()
    }

    /// Of labels, whatever their order.
    pub(super) fn of_labels(&self, labels: &Labels<'_>) -> Key {
        labels.iter().fold(Key::default(), |sum, (name, value)| {
            let one = self.of_texts(&[name, value]);
            Key { hash: sum.hash.wrapping_add(one.hash), check: sum.check.wrapping_add(one.check) }
        })
    }

    /// Of texts in this order.
    pub(super) fn of_texts(&self, texts: &[&str]) -> Key {
        let mut hasher = self.keyed.build_hasher();
        for text in texts {
            hasher.write(text.as_bytes());
            hasher.write_u8(0xff);
        }
        Key { hash: self.fast.hash(texts), check: hasher.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::Text;

    #[test]
    fn labels_have_one_key_in_any_order_and_another_for_each_maker() {
        let keys = Keys::default();
        let pair = |name, value| [Text::Sent(name), Text::Sent(value)];
        let key = |keys: &Keys, pairs: &[_]| keys.of_labels(&Labels::new(pairs, "", None));
        let first = key(&keys, &[pair("a", "b"), pair("c", "d")]);
        assert_eq!(first, key(&keys, &[pair("c", "d"), pair("a", "b")]));
        assert_ne!(first, key(&keys, &[pair("a", "d"), pair("c", "b")]));
        assert_ne!(first, key(&Keys::default(), &[pair("a", "b"), pair("c", "d")]));
        assert_ne!(keys.of_block(b"ab"), keys.of_block(b"ba"));
    }
}
