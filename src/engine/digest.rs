//! The rolling hash of (position, input, effects): equal journals through equal engines give equal
//! digests, in a restart, in a replay and in the snapshot child.

use crate::engine::effect::Effect;
use sha2::{Digest as _, Sha256};

/// A running digest.
#[derive(Clone)]
pub struct RollingDigest {
    /// Value at the last checkpoint, which is the value as long as nothing followed.
    base: [u8; 32],
    is_fresh: bool,
    hasher: Sha256,
    scratch: Vec<u8>,
}

impl RollingDigest {
    /// Begins anew from its own value, as a run that starts with a snapshot taken here will.
    pub fn checkpoint(&mut self) -> [u8; 32] {
        let value = self.value();
        let scratch = std::mem::take(&mut self.scratch);
        *self = Self { scratch, ..Self::continuing(value) };
        value
    }

    /// A digest that goes on from `seed` (all zeros at the beginning of a journal).
    #[must_use]
    pub fn continuing(seed: [u8; 32]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(seed);
        Self { base: seed, is_fresh: true, hasher, scratch: Vec::new() }
    }

    /// Takes one input record, by the checksum of its payload: what guards against accidents is
    /// enough to compare two runs, and costs a tenth.
    pub fn input(&mut self, position: u64, kind: u8, payload: &[u8]) {
        self.input_parts(position, kind, &[payload]);
    }

    /// [`RollingDigest::input`] for a payload in parts.
    pub fn input_parts(&mut self, position: u64, kind: u8, parts: &[&[u8]]) {
        let checksum = parts.iter().fold(0, |sum, part| crc32c::crc32c_append(sum, part));
        self.is_fresh = false;
        self.hasher.update(position.to_le_bytes());
        self.hasher.update([kind]);
        self.hasher.update(checksum.to_le_bytes());
    }

    /// Takes the effects of one step.
    pub fn effects(&mut self, effects: &[Effect]) {
        for effect in effects {
            self.scratch.clear();
            let encoded = postcard::to_extend(effect, std::mem::take(&mut self.scratch));
            // Effects hold nothing that postcard cannot write; an error would show as a digest that
            // differs, which is what a digest is for.
            self.scratch = encoded.unwrap_or_default();
            self.hasher.update(&self.scratch);
        }
    }

    /// The digest so far.
    #[must_use]
    pub fn value(&self) -> [u8; 32] {
        if self.is_fresh { self.base } else { self.hasher.clone().finalize().into() }
    }
}

/// A digest as hexadecimal text.
#[must_use]
pub fn to_hex(digest: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
