//! The whole state as bytes: what a restart begins with instead of the whole journal.

use crate::engine::{ENGINE_VERSION, Engine};
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
    /// Another version of the engine made it.
    #[error("the snapshot was made by engine version {found}, this is version {ENGINE_VERSION}")]
    OtherVersion {
        /// Version that made it.
        found: u32,
    },
}

impl Snapshot {
    /// The state as bytes.
    ///
    /// # Errors
    /// When the state cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        Ok(postcard::to_stdvec(self)?)
    }

    /// Reads what [`Snapshot::to_bytes`] wrote and builds the look-ups again.
    ///
    /// # Errors
    /// When the bytes are damaged or come from another engine version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (version, _) = postcard::take_from_bytes::<u32>(bytes)?;
        if version != ENGINE_VERSION {
            return Err(SnapshotError::OtherVersion { found: version });
        }
        let mut snapshot: Self = postcard::from_bytes(bytes)?;
        snapshot.engine.correlator.rebuild();
        Ok(snapshot)
    }
}
