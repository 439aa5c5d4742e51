//! Room that is kept so that clears, operators' commands and vigie's own alarms get into the
//! journal when the disk is full.
//!
//! It is given up piece by piece, as much as the next commit needs: whoever else writes to that
//! disk takes what is free, and would have taken all of it at once.

use crate::shell::journal::disk::{DiskFile, write_all};
use crate::shell::journal::error::is_no_room;
use crate::shell::journal::folder::Folder;
use std::io;
use std::sync::Arc;

/// A file that only occupies room.
#[derive(Debug)]
pub(super) struct Reserve {
    folder: Folder,
    /// How much is wanted.
    bytes: u64,
    /// How much there is.
    left: u64,
    file: Option<Arc<dyn DiskFile>>,
}

const RESERVE_NAME: &str = "RESERVE";
/// Given up at a time, at least: file systems give room back in blocks.
pub(super) const PIECE_BYTES: u64 = 256 * 1024;

impl Reserve {
    /// Claims the room, or as much of it as there is. What a run before has left of it stays.
    pub(super) fn keep(folder: Folder, bytes: u64) -> Self {
        let file = folder.disk.open_to_write(&folder.path(RESERVE_NAME)).ok();
        let left = file.as_ref().and_then(|file| file.length().ok()).unwrap_or(0);
        let mut reserve = Self { folder, bytes, left, file };
        reserve.refill();
        reserve
    }

    /// Whether all of the room is claimed; also when none was asked for.
    pub(super) const fn is_whole(&self) -> bool {
        self.left >= self.bytes
    }

    /// Whether nothing is left, or none was asked for.
    pub(super) const fn is_used_up(&self) -> bool {
        self.left == 0
    }

    /// Whether so little is left that clears may not have it: the rest is for what people say.
    pub(super) const fn is_low(&self) -> bool {
        self.left < self.bytes / 4
    }

    /// Gives so much room to whoever writes next. Says whether there was any to give.
    pub(super) fn release(&mut self, bytes: u64) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left = self.left.saturating_sub(bytes.saturating_add(PIECE_BYTES));
        let is_cut = self.file.as_ref().is_some_and(|file| file.truncate(self.left).is_ok());
        if self.left == 0 || !is_cut {
            self.left = 0;
            self.remove();
        }
        true
    }

    /// Claims the room again, or as much of it as there is. Says whether it is all there now.
    pub(super) fn refill(&mut self) -> bool {
        let mut wanted = self.bytes;
        while wanted > self.left && !self.claim(wanted) {
            let missing = wanted.saturating_sub(self.left);
            wanted = if missing > PIECE_BYTES { wanted.saturating_sub(missing / 2) } else { 0 };
        }
        if self.left == 0 {
            self.remove();
        }
        self.is_whole()
    }

    /// Claims so much in all; what was claimed before stays.
    fn claim(&mut self, bytes: u64) -> bool {
        let before = self.left;
        let claimed = self.occupy(bytes);
        if claimed.is_ok() {
            self.left = bytes;
        } else if let Some(file) = &self.file {
            // Some of it may have been had; less than what was there before is worth nothing.
            let _ = file.truncate(before);
        }
        claimed.is_ok()
    }

    fn occupy(&mut self, bytes: u64) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => self.folder.disk.open_to_write(&self.folder.path(RESERVE_NAME))?,
        };
        self.file = Some(Arc::clone(&file));
        let claimed = file.allocate(bytes);
        if claimed.as_ref().is_err_and(is_no_room) {
            return claimed;
        }
        if claimed.is_err() {
            // A file system without reservations: occupy the room by writing.
            let zeros = vec![0; 64 * 1024];
            let mut offset = self.left;
            while offset < bytes {
                let rest = usize::try_from(bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
                let part = zeros.get(..rest).unwrap_or(&zeros);
                write_all(&*file, offset, part)?;
                offset = offset.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            }
        }
        // Its length says how much it occupies.
        file.truncate(bytes)?;
        file.sync()
    }

    fn remove(&mut self) {
        self.file = None;
        // Absent is what is wanted; if it stays, the next write says that there is no room.
        let _ = self.folder.disk.remove(&self.folder.path(RESERVE_NAME));
    }
}
