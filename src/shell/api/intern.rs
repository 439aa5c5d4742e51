//! One copy of what many rows share: names of resources, qualifiers, and the shapes of alarms.
//!
//! Rows hold `Arc<str>`; a text that no row holds any more is dropped at the next sweep. Owned by
//! the one thread that writes the view.

use crate::model::index::KeyHasher;
use crate::shell::api::rows::AlarmShape;
use hashbrown::HashTable;
use smol_str::SmolStr;
use std::sync::Arc;

/// Texts in use, each once.
pub struct Interner {
    texts: HashTable<Arc<str>>,
    shapes: Vec<Arc<AlarmShape>>,
    hasher: KeyHasher,
    sweep_at: usize,
}

/// Below this many texts no sweep is worth its time.
const SWEEP_AT_LEAST: usize = 4_096;
/// Shapes that are looked through for each alarm; further ones are not shared.
const SHAPES_MAX: usize = 256;

impl Default for Interner {
    fn default() -> Self {
        Self {
            texts: HashTable::new(),
            shapes: Vec::new(),
            hasher: KeyHasher::new(0),
            sweep_at: SWEEP_AT_LEAST,
        }
    }
}

impl Interner {
    /// The shared copy of a text.
    pub fn share(&mut self, text: &str) -> Arc<str> {
        let hash = self.hasher.hash(&[text]);
        if let Some(known) = self.texts.find(hash, |known| &**known == text) {
            return Arc::clone(known);
        }
        if self.texts.len() >= self.sweep_at {
            // Half of what is kept may be new before the next sweep: the cost stays constant.
            self.texts.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = self.texts.len().saturating_mul(2).max(SWEEP_AT_LEAST);
        }
        let shared: Arc<str> = Arc::from(text);
        let hasher = &self.hasher;
        self.texts.insert_unique(hash, Arc::clone(&shared), |known| hasher.hash(&[known]));
        shared
    }

    /// The shared copy of a shape.
    pub fn share_shape(&mut self, shape: AlarmShape) -> Arc<AlarmShape> {
        if let Some(known) = self.shapes.iter().find(|known| ***known == shape) {
            return Arc::clone(known);
        }
        if self.shapes.len() >= SHAPES_MAX {
            self.shapes.retain(|known| Arc::strong_count(known) > 1);
        }
        let shared = Arc::new(shape);
        if self.shapes.len() < SHAPES_MAX {
            self.shapes.push(Arc::clone(&shared));
        }
        shared
    }

    /// Shared copies of a list.
    pub fn share_all(&mut self, texts: &[SmolStr]) -> Box<[Arc<str>]> {
        texts.iter().map(|text| self.share(text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_memory_and_unused_ones_go() {
        let mut interner = Interner::default();
        let kept = interner.share("interface-down");
        assert!(Arc::ptr_eq(&kept, &interner.share("interface-down")));
        for number in 0..10 * SWEEP_AT_LEAST {
            drop(interner.share(&format!("passing {number}")));
        }
        assert!(interner.texts.len() <= SWEEP_AT_LEAST, "{} texts kept", interner.texts.len());
        assert!(Arc::ptr_eq(&kept, &interner.share("interface-down")));
    }
}
