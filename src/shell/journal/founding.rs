//! Begins a journal that goes on where another one ended: a new identity, positions that are never
//! given twice, and a chain that names the root of what was before.

use crate::model::time::At;
use crate::shell::journal::chain::Root;
use crate::shell::journal::disk::{Disk, write_all};
use crate::shell::journal::error::JournalError;
use crate::shell::journal::folder::{Folder, failed};
use crate::shell::journal::segment::{Header, Uuid, file_name};
use std::path::PathBuf;
use std::sync::Arc;

/// Where the journal before ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The last position that it may have given.
    pub last: u64,
    /// Instant of its last record.
    pub at: At,
    /// Root over everything in it that can be read.
    pub root: Root,
}

/// Puts the head of the first segment into a folder, which is created. Gives the identity of the
/// new journal.
///
/// # Errors
/// The folder cannot be written.
pub fn found(
    dir: impl Into<PathBuf>,
    disk: Arc<dyn Disk>,
    before: &Ended,
) -> Result<Uuid, JournalError> {
    let folder = Folder { dir: dir.into(), disk };
    let draw = || {
        let drawn = folder.disk.random();
        drawn.map_err(|source| failed("draw an identity for", &folder.dir, source))
    };
    let (journal, segment) = (draw()?, draw()?);
    folder.disk.create_dir(&folder.dir).map_err(|source| failed("create", &folder.dir, source))?;
    let header = Header {
        segment,
        journal,
        first: before.last.saturating_add(1),
        previous_at: before.at,
        previous_root: before.root,
    };
    let name = file_name(header.first);
    folder
        .place(&name, 0, |file| write_all(file, 0, &header.encode_twice()))
        .map_err(|source| failed("create", &folder.path(&name), source))?;
    Ok(journal)
}
