//! The proof that nothing was changed: a SHA-256 Merkle tree over the commits of a segment, whose
//! root also covers the header and so the root of the segment before.
//!
//! ```text
//! leaf  = SHA-256(0x00 ‖ bytes of one commit)
//! node  = SHA-256(0x01 ‖ left ‖ right)          the tree of RFC 6962, section 2.1
//! root  = SHA-256(0x02 ‖ header ‖ commits u64 ‖ tree)   tree of no commit: 32 zeros
//! ```

use crate::shell::journal::segment::HEADER_BYTES;
use sha2::{Digest, Sha256};
use std::fmt;

/// Root of a segment and, through its header, of everything before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Root(pub [u8; 32]);

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The tree while it grows: one finished subtree per set bit of the number of leaves, largest
/// first.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    leaves: u64,
    peaks: Vec<[u8; 32]>,
}

impl Tree {
    /// Number of commits so far.
    pub(super) const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Adds the next commit.
    pub(super) fn add(&mut self, commit: &[u8]) {
        let mut hash = hash_of(&[&[0x00], commit]);
        let mut merged = self.leaves;
        while merged & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = hash_of(&[&[0x01], &left, &hash]);
            }
            merged >>= 1;
        }
        self.peaks.push(hash);
        self.leaves = self.leaves.saturating_add(1);
    }

    /// The root of the segment that has this header, were it to end now.
    pub(super) fn root(&self, header: &[u8; HEADER_BYTES]) -> Root {
        let tree = self
            .peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| hash_of(&[&[0x01], &left, &right]))
            .unwrap_or_default();
        Root(hash_of(&[&[0x02], header, &self.leaves.to_le_bytes(), &tree]))
    }
}

fn hash_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962, word for word: split at the largest power of two below n.
    fn by_definition(commits: &[Vec<u8>]) -> [u8; 32] {
        match commits {
            [] => [0; 32],
            [one] => hash_of(&[&[0x00], one]),
            many => {
                let split = many.len().next_power_of_two() / 2;
                let (left, right) = many.split_at(split);
                hash_of(&[&[0x01], &by_definition(left), &by_definition(right)])
            }
        }
    }

    #[test]
    fn growing_tree_is_the_defined_one() {
        let header = [7; HEADER_BYTES];
        let mut tree = Tree::default();
        let mut commits = Vec::new();
        for number in 0_u8..70 {
            let count = u64::from(number).to_le_bytes();
            let expected = hash_of(&[&[0x02], &header, &count, &by_definition(&commits)]);
            assert_eq!(tree.root(&header), Root(expected), "{number} commits");
            let commit = vec![number; usize::from(number)];
            tree.add(&commit);
            commits.push(commit);
        }
    }
}
