//! The whole state as bytes: what a restart begins with instead of the whole journal.
//!
//! Layout: the postcard encoding of [`Snapshot`], whose first field is the engine version, then the
//! CRC-32C of all of it, little endian.

use crate::engine::{ENGINE_VERSION, Engine};
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

/// State, and where in the journal it was taken.
#[derive(Serialize, Deserialize)]
pub struct Snapshot {
    /// [`ENGINE_VERSION`] that made it.
    pub engine_version: u32,
    /// Position of the last input applied.
    pub position: u64,
    /// Rolling digest after that input.
    pub digest: [u8; 32],
    /// The state.
    pub engine: Engine,
}

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes are not a snapshot.
    #[error("the snapshot cannot be read: {0}")]
    Unreadable(#[from] postcard::Error),
    /// It is not what was written.
    #[error("the snapshot is damaged: its checksum is not that of its bytes")]
    Damaged,
    /// Another version of the engine made it.
    #[error("the snapshot was made by engine version {found}, this is version {ENGINE_VERSION}")]
    OtherVersion {
        /// Version that made it.
        found: u32,
    },
}

impl Snapshot {
    /// Gives the state away piece by piece, so that it is never in memory twice.
    ///
    /// # Errors
    /// When the state cannot be encoded or `take` does not take a piece.
    pub fn write(&self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), SnapshotError> {
        let pieces = Pieces { piece: Vec::with_capacity(PIECE_BYTES), checksum: 0, take };
        Ok(postcard::serialize_with_flavor::<Self, _, ()>(self, pieces)?)
    }

    /// Reads what [`Snapshot::write`] gave and builds the look-ups again.
    ///
    /// # Errors
    /// When the bytes are damaged or come from another engine version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (bytes, checksum) = bytes.split_last_chunk().ok_or(SnapshotError::Damaged)?;
        if crc32c::crc32c(bytes) != u32::from_le_bytes(*checksum) {
            return Err(SnapshotError::Damaged);
        }
        let (version, _) = postcard::take_from_bytes::<u32>(bytes)?;
        if version != ENGINE_VERSION {
            return Err(SnapshotError::OtherVersion { found: version });
        }
        let mut snapshot: Self = postcard::from_bytes(bytes)?;
        snapshot.engine.correlator.rebuild();
        snapshot.engine.desk.rebuild();
        snapshot.engine.take_census();
        Ok(snapshot)
    }
}

/// Collects the encoding into pieces and sums them up.
struct Pieces<'t> {
    piece: Vec<u8>,
    checksum: u32,
    take: &'t mut dyn FnMut(&[u8]) -> bool,
}

impl Pieces<'_> {
    fn give(&mut self) -> postcard::Result<()> {
        self.checksum = crc32c::crc32c_append(self.checksum, &self.piece);
        let is_taken = (self.take)(&self.piece);
        self.piece.clear();
        if is_taken { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }
}

impl Flavor for Pieces<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES { self.give() } else { Ok(()) }
    }

    fn finalize(mut self) -> postcard::Result<()> {
        self.give()?;
        self.piece.extend_from_slice(&self.checksum.to_le_bytes());
        self.give()
    }
}

const PIECE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flipped_bit_passes_for_a_state() {
        let engine = Engine::new();
        let whole =
            Snapshot { engine_version: ENGINE_VERSION, position: 7, digest: [3; 32], engine };
        let mut bytes = Vec::new();
        let mut take = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            true
        };
        whole.write(&mut take).expect("memory takes it");
        assert_eq!(Snapshot::from_bytes(&bytes).expect("it is whole").position, 7);
        for place in 0..bytes.len() {
            bytes[place] ^= 0x10;
            let read = Snapshot::from_bytes(&bytes);
            assert!(matches!(read, Err(SnapshotError::Damaged)), "byte {place}");
            bytes[place] ^= 0x10;
        }
        assert!(whole.write(&mut |_| false).is_err(), "what is not taken is an error");
        bytes.truncate(3);
        assert!(matches!(Snapshot::from_bytes(&bytes), Err(SnapshotError::Damaged)));
    }
}
