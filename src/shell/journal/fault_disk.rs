//! A disk in memory whose calls fail on demand and whose power can be cut, for tests and for the
//! simulation. Everything random comes from the seed.
//!
//! After a power cut, what was synced is there; of every write that was not, all, nothing or the
//! first bytes; of creations, renames and removals in a folder that was not synced, the oldest
//! ones. A sync that fails drops the writes it should have kept from what will ever reach the
//! disk, while reads go on showing them, as Linux file systems do.

use crate::shell::journal::disk::{Disk, DiskFile, FolderLock, LockError};
use crate::shell::journal::segment::Uuid;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens at a chosen call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The call fails with `EIO`.
    Error,
    /// The call fails with `ENOSPC`.
    NoRoom,
    /// The call takes half of the bytes (writes only).
    Short,
    /// The power is cut in the middle of the call: it and all later ones fail.
    PowerCut,
}

/// The calls that count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// [`DiskFile::write_at`].
    Write,
    /// [`DiskFile::sync`] and [`Disk::sync_dir`].
    Sync,
    /// Creation, renaming, removal and truncation.
    Change,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct FaultDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: u64,
    now: BTreeMap<PathBuf, usize>,
    kept: BTreeMap<PathBuf, usize>,
    changes: Vec<Change>,
    files: Vec<Content>,
    calls: Vec<Call>,
    plan: BTreeMap<usize, Fault>,
    fail_always: Option<(Call, Fault)>,
    room: Option<u64>,
    is_off: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    kept: Vec<u8>,
    pending: Vec<Pending>,
    claimed: u64,
}

#[derive(Clone, Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl FaultDisk {
    /// An empty disk with endless room.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            now: BTreeMap::new(),
            kept: BTreeMap::new(),
            changes: Vec::new(),
            files: Vec::new(),
            calls: Vec::new(),
            plan: BTreeMap::new(),
            fail_always: None,
            room: None,
            is_off: false,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Makes a call fail: `number` 0 is the next one.
    pub fn plan(&self, number: usize, fault: Fault) {
        let mut state = self.lock();
        let at = state.calls.len().saturating_add(number);
        state.plan.insert(at, fault);
    }

    /// Makes every call of a sort fail, or none any more.
    pub fn fail_always(&self, what: Option<(Call, Fault)>) {
        self.lock().fail_always = what;
    }

    /// Bytes that all files together may hold; none is no limit.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.lock().room = bytes;
    }

    /// Bytes that all files together hold.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Cuts the power, if it is still on, and gives the disk as the next start finds it.
    #[must_use]
    pub fn after_power_cut(&self) -> Self {
        let after = Self::new(0);
        *after.lock() = self.lock().after_power_cut();
        after
    }

    /// Content of a file as reads show it.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        let file = state.now.get(path)?;
        state.files.get(*file).map(|content| content.now.clone())
    }

    /// Puts a file there as if it had always been there.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.lock();
        let number = state.files.len();
        let (now, kept) = (bytes.to_vec(), bytes.to_vec());
        state.files.push(Content { now, kept, pending: Vec::new(), claimed: 0 });
        state.now.insert(path.to_owned(), number);
        state.kept.insert(path.to_owned(), number);
    }

    /// Paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.lock().now.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A number below `bound`.
    fn draw(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from((self.random >> 11) % bound).unwrap_or(0)
    }

    fn used(&self) -> u64 {
        let size = |file: &usize| {
            self.files.get(*file).map_or(0, |content| content.claimed.max(wide(content.now.len())))
        };
        self.now.values().map(size).fold(0, u64::saturating_add)
    }

    /// Counts a call. Says how it is to go wrong, if it is.
    fn count(&mut self, call: Call) -> io::Result<Option<Fault>> {
        if self.is_off {
            return Err(io::Error::other("the power is off"));
        }
        let number = self.calls.len();
        self.calls.push(call);
        let always = self.fail_always.filter(|(which, _)| *which == call).map(|(_, fault)| fault);
        match self.plan.remove(&number).or(always) {
            Some(Fault::Error) => Err(io::Error::from_raw_os_error(libc::EIO)),
            Some(Fault::NoRoom) => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            Some(Fault::PowerCut) => {
                self.is_off = true;
                Ok(Some(Fault::PowerCut))
            }
            other => Ok(other),
        }
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        let fault = self.count(Call::Change)?;
        apply(&change, &mut self.now)?;
        self.changes.push(change);
        if fault == Some(Fault::PowerCut) { Err(io::Error::other("power cut")) } else { Ok(()) }
    }

    fn after_power_cut(&mut self) -> Self {
        self.is_off = true;
        let mut names = self.kept.clone();
        let survivors = self.draw(self.changes.len().saturating_add(1));
        for change in self.changes.iter().take(survivors) {
            // A change whose file had no durable name is void.
            let _ = apply(change, &mut names);
        }
        let mut files = self.files.clone();
        for content in &mut files {
            for pending in std::mem::take(&mut content.pending) {
                let fate = self.draw(3);
                match pending {
                    Pending::Write(offset, bytes) => {
                        let kept = match fate {
                            0 => 0,
                            1 => bytes.len(),
                            _ => self.draw(bytes.len().saturating_add(1)),
                        };
                        let part = bytes.get(..kept).unwrap_or(&[]);
                        if !part.is_empty() {
                            overwrite(&mut content.kept, offset, part);
                        }
                    }
                    Pending::Truncate(length) if fate > 0 => content.kept.truncate(length),
                    Pending::Truncate(_) => {}
                }
            }
            content.now.clone_from(&content.kept);
        }
        Self {
            random: self.random,
            now: names.clone(),
            kept: names,
            changes: Vec::new(),
            files,
            calls: Vec::new(),
            plan: BTreeMap::new(),
            fail_always: None,
            room: self.room,
            is_off: false,
        }
    }
}

fn apply(change: &Change, names: &mut BTreeMap<PathBuf, usize>) -> io::Result<()> {
    match change {
        Change::Link(path, file) => {
            names.insert(path.clone(), *file);
        }
        Change::Rename(from, to) => {
            let file = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            names.insert(to.clone(), file);
        }
        Change::Unlink(path) => {
            names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        }
    }
    Ok(())
}

fn overwrite(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset.saturating_add(bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn narrow(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Disk for FaultDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        let inside = state.now.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        let number = state.files.len();
        state.files.push(Content::default());
        state.change(Change::Link(path.to_owned(), number))?;
        Ok(Arc::new(FaultFile { disk: self.clone(), number }))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path).or_else(|_| self.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let number = *self.lock().now.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(FaultFile { disk: self.clone(), number }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.lock().change(Change::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.lock().change(Change::Unlink(path.to_owned()))
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.count(Call::Sync)? == Some(Fault::PowerCut) {
            return Err(io::Error::other("power cut"));
        }
        state.kept = state.now.clone();
        state.changes.clear();
        Ok(())
    }

    fn lock(&self, _dir: &Path) -> Result<FolderLock, LockError> {
        Ok(FolderLock::unbacked())
    }

    fn random(&self) -> io::Result<Uuid> {
        let mut state = self.lock();
        Ok(Uuid(std::array::from_fn(|_| u8::try_from(state.draw(256)).unwrap_or(0))))
    }
}

#[derive(Debug)]
struct FaultFile {
    disk: FaultDisk,
    number: usize,
}

impl FaultFile {
    fn with<T>(&self, f: impl FnOnce(&mut Content) -> T) -> io::Result<T> {
        let mut state = self.disk.lock();
        state.files.get_mut(self.number).map(f).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl DiskFile for FaultFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.with(|content| {
            let rest = content.now.get(narrow(offset)..).unwrap_or(&[]);
            let count = rest.len().min(bytes.len());
            for (to, from) in bytes.iter_mut().zip(rest) {
                *to = *from;
            }
            count
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.lock();
        let fault = state.count(Call::Write)?;
        let mut taken = bytes.len();
        if fault == Some(Fault::Short) {
            taken = taken.div_ceil(2);
        }
        if let Some(room) = state.room {
            let end = offset.saturating_add(wide(taken));
            let (length, claimed) = state
                .files
                .get(self.number)
                .map_or((0, 0), |content| (wide(content.now.len()), content.claimed));
            let free = room.saturating_sub(state.used());
            let limit = length.max(claimed).saturating_add(free);
            if end > limit {
                taken = narrow(limit.saturating_sub(offset));
            }
            if taken == 0 {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
        }
        let part = bytes.get(..taken).unwrap_or(&[]);
        if let Some(content) = state.files.get_mut(self.number) {
            overwrite(&mut content.now, narrow(offset), part);
            content.pending.push(Pending::Write(narrow(offset), part.to_vec()));
        }
        if fault == Some(Fault::PowerCut) {
            return Err(io::Error::other("power cut"));
        }
        Ok(taken)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let fault = self.disk.lock().count(Call::Change)?;
        self.with(|content| {
            content.now.resize(narrow(bytes), 0);
            content.claimed = content.claimed.min(bytes);
            content.pending.push(Pending::Truncate(narrow(bytes)));
        })?;
        if fault == Some(Fault::PowerCut) { Err(io::Error::other("power cut")) } else { Ok(()) }
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let free = state.room.map_or(u64::MAX, |room| room.saturating_sub(state.used()));
        let content = state.files.get_mut(self.number).ok_or(io::ErrorKind::NotFound)?;
        if bytes.saturating_sub(content.claimed.max(wide(content.now.len()))) > free {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        content.claimed = content.claimed.max(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let counted = state.count(Call::Sync);
        let Some(content) = state.files.get_mut(self.number) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        match counted {
            Ok(None | Some(Fault::Short)) => {
                for pending in std::mem::take(&mut content.pending) {
                    match pending {
                        Pending::Write(offset, bytes) => {
                            overwrite(&mut content.kept, offset, &bytes);
                        }
                        Pending::Truncate(length) => content.kept.resize(length, 0),
                    }
                }
                Ok(())
            }
            Ok(Some(_)) => Err(io::Error::other("power cut")),
            Err(error) => {
                content.pending.clear();
                Err(error)
            }
        }
    }

    fn length(&self) -> io::Result<u64> {
        self.with(|content| wide(content.now.len()))
    }
}
