//! Room that is kept so that clears, operators' commands and vigie's own alarms get into the
//! journal when the disk is full.

use crate::shell::journal::disk::write_all;
use crate::shell::journal::folder::Folder;
use std::io;

/// A file that only occupies room.
#[derive(Debug)]
pub(super) struct Reserve {
    folder: Folder,
    bytes: u64,
    is_kept: bool,
}

const RESERVE_NAME: &str = "RESERVE";

impl Reserve {
    /// Claims the room, if it can be had.
    pub(super) fn keep(folder: Folder, bytes: u64) -> Self {
        let mut reserve = Self { folder, bytes, is_kept: false };
        reserve.refill();
        reserve
    }

    /// Whether the room is claimed; also when none was asked for.
    pub(super) const fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Gives the room to whoever writes next. Says whether there was any to give.
    pub(super) fn release(&mut self) -> bool {
        let has_room = self.is_kept && self.bytes > 0;
        if has_room {
            self.is_kept = false;
            self.remove();
        }
        has_room
    }

    /// Claims the room again. Says whether it is claimed now.
    pub(super) fn refill(&mut self) -> bool {
        if !self.is_kept {
            self.is_kept = self.bytes == 0 || self.claim().is_ok();
            if !self.is_kept {
                self.remove();
            }
        }
        self.is_kept
    }

    fn claim(&self) -> io::Result<()> {
        let file = self.folder.disk.create(&self.folder.path(RESERVE_NAME))?;
        if file.allocate(self.bytes).is_err() {
            // A file system without reservations: occupy the room by writing.
            let zeros = vec![0; 64 * 1024];
            let mut offset = 0;
            while offset < self.bytes {
                write_all(&*file, offset, &zeros)?;
                offset = offset.saturating_add(u64::try_from(zeros.len()).unwrap_or(u64::MAX));
            }
        }
        file.sync()
    }

    fn remove(&self) {
        // Absent is what is wanted; if it stays, the next write says that there is no room.
        let _ = self.folder.disk.remove(&self.folder.path(RESERVE_NAME));
    }
}
