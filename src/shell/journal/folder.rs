//! The folder of a journal: which files are in it, and the one way in which a file gets there.

use crate::shell::journal::disk::{Disk, DiskFile};
use crate::shell::journal::error::{JournalError, is_no_room};
use crate::shell::journal::segment::first_of_name;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder on a disk.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) dir: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
}

/// Ends the name of a file that is being made; whoever opens the journal next removes it.
pub(super) const TEMPORARY: &str = ".tmp";

impl Folder {
    /// Where a file of this name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A folder inside it.
    pub(super) fn inside(&self, name: &str) -> Self {
        Self { dir: self.dir.join(name), disk: Arc::clone(&self.disk) }
    }

    /// Names of its files.
    pub(super) fn names(&self) -> Result<Vec<String>, JournalError> {
        self.disk.list(&self.dir).map_err(|source| failed("list", &self.dir, source))
    }

    /// First positions of its segments, ascending.
    pub(super) fn segments(&self) -> Result<Vec<u64>, JournalError> {
        let mut firsts: Vec<u64> =
            self.names()?.iter().filter_map(|name| first_of_name(name)).collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// Opens a file for reading.
    pub(super) fn open(&self, name: &str) -> Result<Arc<dyn DiskFile>, JournalError> {
        let path = self.path(name);
        self.disk.open(&path).map_err(|source| failed("open", &path, source))
    }

    /// Puts a file in place: a temporary one is filled and synced, gets its name, and the folder
    /// is synced. An error of "no room" means that nothing was put in place and that it can be
    /// tried again; after any other one nothing is known.
    pub(super) fn place(
        &self,
        name: &str,
        allocate_bytes: u64,
        fill: impl FnOnce(&dyn DiskFile) -> io::Result<()>,
    ) -> io::Result<Arc<dyn DiskFile>> {
        let temporary = self.path(&format!("{name}{TEMPORARY}"));
        let made = self.make(&temporary, allocate_bytes, fill).and_then(|file| {
            self.disk.rename(&temporary, &self.path(name))?;
            Ok(file)
        });
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                // It may not even exist; what is left is removed when the journal is opened.
                let _ = self.disk.remove(&temporary);
                return Err(error);
            }
        };
        match self.disk.sync_dir(&self.dir) {
            Ok(()) => Ok(file),
            Err(error) if is_no_room(&error) => Err(io::Error::other(error)),
            Err(error) => Err(error),
        }
    }

    fn make(
        &self,
        temporary: &Path,
        allocate_bytes: u64,
        fill: impl FnOnce(&dyn DiskFile) -> io::Result<()>,
    ) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create(temporary)?;
        if allocate_bytes > 0 {
            // Room claimed ahead saves metadata writes later; a file works without it.
            let _ = file.allocate(allocate_bytes);
        }
        fill(&*file)?;
        file.sync()?;
        Ok(file)
    }
}

/// A failed call, with its place.
pub(super) fn failed(doing: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { doing, path: path.to_owned(), source }
}
