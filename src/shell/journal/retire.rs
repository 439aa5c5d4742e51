//! Drops segments that nothing needs any more. Their headers and footers, and with them the
//! chain, stay in `retired/`.
//!
//! What stays is durable before anything is removed, and doing it again does no harm: a crash in
//! between leaves a segment in both places, and the next round removes it.

use crate::shell::journal::disk::write_all;
use crate::shell::journal::error::JournalError;
use crate::shell::journal::folder::{Folder, failed};
use crate::shell::journal::segment::{Footer, file_name, read_header};
use crate::shell::journal::survey::{Hashing, survey};
use crate::shell::journal::walk::Walk;

/// Folder for what stays of retired segments.
pub(super) const RETIRED: &str = "retired";

/// Drops segments, on whatever thread: it never touches the newest one.
#[derive(Clone, Debug)]
pub struct Retirement {
    folder: Folder,
    retain_bytes: u64,
}

/// What was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retired {
    /// Number of segments.
    pub segments: u64,
    /// Bytes given back.
    pub bytes: u64,
    /// First position that is still there; 0 when the journal is empty.
    pub first: u64,
}

impl Retirement {
    pub(super) const fn new(folder: Folder, retain_bytes: u64) -> Self {
        Self { folder, retain_bytes }
    }

    /// Drops the oldest segments that lie wholly before a position, while more bytes than
    /// `retain_bytes` are kept. The caller knows that a snapshot covers them and that every cursor
    /// has passed.
    ///
    /// # Errors
    /// A call failed; what was dropped so far is dropped.
    pub fn retire(&self, before: u64) -> Result<Retired, JournalError> {
        let firsts = self.folder.segments()?;
        let mut lengths = Vec::with_capacity(firsts.len());
        for first in &firsts {
            let name = file_name(*first);
            let length = self.folder.open(&name)?.length();
            lengths
                .push(length.map_err(|source| failed("read", &self.folder.path(&name), source))?);
        }
        let mut kept = lengths.iter().copied().fold(0, u64::saturating_add);
        let mut retired =
            Retired { first: firsts.first().copied().unwrap_or(0), ..Retired::default() };
        for ((first, successor), bytes) in firsts.iter().zip(firsts.iter().skip(1)).zip(lengths) {
            if *successor > before || kept <= self.retain_bytes {
                break;
            }
            self.retire_one(*first, *successor)?;
            kept = kept.saturating_sub(bytes);
            retired.segments = retired.segments.saturating_add(1);
            retired.bytes = retired.bytes.saturating_add(bytes);
            retired.first = *successor;
        }
        Ok(retired)
    }

    fn retire_one(&self, first: u64, successor: u64) -> Result<(), JournalError> {
        let name = file_name(first);
        let path = self.folder.path(&name);
        let io = |source| failed("retire", &path, source);
        let file = self.folder.open(&name)?;
        if let Ok(header) = read_header(&*file).map_err(io)?.header {
            let walk = Walk::new(file, &header, Some(successor));
            let seen = survey(walk, Hashing::Yes).map_err(io)?;
            let footer = seen.footer.unwrap_or(Footer {
                segment: header.segment,
                last: seen.last,
                records: seen.records,
                commits: seen.commits,
                offset: seen.end,
                root: seen.root.unwrap_or_default(),
            });
            let kept = self.folder.inside(RETIRED);
            self.folder.disk.create_dir(&kept.dir).map_err(io)?;
            let mut bytes = header.encode_twice();
            bytes.extend_from_slice(&footer.encode());
            kept.place(&name, 0, |copy| write_all(copy, 0, &bytes)).map_err(io)?;
        }
        self.folder.disk.remove(&path).map_err(io)?;
        self.folder.disk.sync_dir(&self.folder.dir).map_err(io)
    }
}
