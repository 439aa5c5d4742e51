//! The records with which segments begin: what a start has to know before it reads the rest.
//!
//! In: a folder and a kind. Out: the payloads of the records of that kind at the very beginning of
//! each segment, oldest first. Nothing else is read, so that it costs a block a segment.

use crate::shell::journal::disk::Disk;
use crate::shell::journal::error::JournalError;
use crate::shell::journal::folder::{Folder, failed};
use crate::shell::journal::record::Kind;
use crate::shell::journal::segment::{file_name, read_header};
use crate::shell::journal::walk::{Step, Walk};
use std::path::PathBuf;
use std::sync::Arc;

/// Payloads of the records of a kind with which segments begin. What cannot be read counts as
/// absent.
///
/// # Errors
/// The folder or a file of it cannot be read.
pub fn leading(
    dir: impl Into<PathBuf>,
    disk: Arc<dyn Disk>,
    kind: Kind,
) -> Result<Vec<Vec<u8>>, JournalError> {
    let folder = Folder { dir: dir.into(), disk };
    let mut found = Vec::new();
    for first in folder.segments()? {
        let name = file_name(first);
        let file = folder.open(&name)?;
        let path = folder.path(&name);
        let io = |source| failed("read", &path, source);
        let Ok(header) = read_header(&*file).map_err(io)?.header else { continue };
        let mut walk = Walk::new(file, &header, None);
        while let Step::Record(head, payload) = walk.step().map_err(io)? {
            if head.kind != kind.code() || !head.is_commit_end {
                break;
            }
            found.push(walk.bytes(payload).to_vec());
        }
    }
    Ok(found)
}
