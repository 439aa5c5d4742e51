//! The few calls through which the journal touches files, so that tests can fail each of them and
//! cut the power between any two.
//!
//! [`RealDisk`] is the machine's; [`crate::shell::journal::fault_disk::FaultDisk`] is in memory.

use crate::shell::journal::segment::Uuid;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// A folder's files.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a folder if it is not there.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names of the files in a folder, in any order; none when there is no such folder.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates an empty file, or empties the one that is there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing as it is; makes an empty one if there is none.
    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Claims a folder for this process for as long as the answer lives.
    fn lock(&self, dir: &Path) -> Result<FolderLock, LockError>;
    /// Sixteen random bytes.
    fn random(&self) -> io::Result<Uuid>;
}

/// One file. Reads and writes name their offset, so that writer, sync thread and readers share it.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Reads up to `bytes.len()` bytes; 0 at the end.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;
    /// Writes some of the bytes and says how many.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file to a length, or makes it that long with zeros; room claimed behind that is
    /// given back.
    fn truncate(&self, bytes: u64) -> io::Result<()>;
    /// Claims room without changing the length.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&self) -> io::Result<()>;
    /// Its length.
    fn length(&self) -> io::Result<u64>;
}

/// A claim on a folder, given up when dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: Option<File>,
}

impl FolderLock {
    /// A claim that nothing backs, for a disk that no other process can see.
    #[must_use]
    pub const fn unbacked() -> Self {
        Self { _file: None }
    }
}

/// A folder cannot be claimed.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it.
    Held(Option<u32>),
    /// A call failed.
    Io(io::Error),
}

/// Reads `from..to`, less when the file ends before.
pub(super) fn read_range(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_range_into(file, from..to, &mut bytes)?;
    Ok(bytes)
}

/// Reads a range into a vector that is emptied first; less when the file ends before.
pub(super) fn read_range_into(
    file: &dyn DiskFile,
    range: std::ops::Range<u64>,
    bytes: &mut Vec<u8>,
) -> io::Result<()> {
    let wanted = range.end.min(file.length()?).saturating_sub(range.start);
    bytes.clear();
    bytes.resize(usize::try_from(wanted).map_err(io::Error::other)?, 0);
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let offset = range.start.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        match file.read_at(offset, rest) {
            Ok(0) => break,
            Ok(count) => done = done.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(done);
    Ok(())
}

/// Writes all the bytes; one call when the system takes them all.
pub(super) fn write_all(file: &dyn DiskFile, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(offset, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                bytes = bytes.get(count..).unwrap_or(&[]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The machine's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

const LOCK_NAME: &str = "LOCK";

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        std::fs::create_dir_all(dir)?;
        dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o640);
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o640);
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(File::open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        sync_folder(dir)
    }

    fn lock(&self, dir: &Path) -> Result<FolderLock, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o640);
        let mut file = options.open(dir.join(LOCK_NAME)).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let is_read = file.read_to_string(&mut holder).is_ok();
                return Err(LockError::Held(is_read.then(|| holder.trim().parse().ok()).flatten()));
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        // The number only helps the operator: a disk too full for it must not keep vigie down.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(FolderLock { _file: Some(file) })
    }

    fn random(&self) -> io::Result<Uuid> {
        let mut bytes = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Uuid(bytes))
    }
}

fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    #[expect(unsafe_code, reason = "no std function claims room without changing the length")]
    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let bytes = libc::off_t::try_from(bytes).map_err(io::Error::other)?;
        // SAFETY: the descriptor is open for as long as `self`; no memory is passed.
        let status =
            unsafe { libc::fallocate(self.0.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, bytes) };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
