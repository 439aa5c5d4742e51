//! What happens when a journal is opened: find out what is there, set aside what is damaged, and
//! leave a tail that a new segment can follow.
//!
//! The newest segment, if it was not sealed, is copied up to its last whole commit into a new file
//! that takes its name. After a sync that failed, the system may show bytes that are not on the
//! disk; a copy that was synced cannot lie, and the failed file is never written again. Without
//! room for the copy the file stays as it is: the header of the segment after it says where it
//! ends.

use crate::model::time::At;
use crate::shell::journal::chain::Root;
use crate::shell::journal::disk::{DiskFile, FolderLock, LockError, read_range, write_all};
use crate::shell::journal::error::{JournalError, is_no_room, lost_words};
use crate::shell::journal::folder::{Folder, TEMPORARY, failed};
use crate::shell::journal::record::RECORD_HEAD_BYTES;
use crate::shell::journal::segment::{
    DATA_START, FORMAT_VERSION, Footer, Header, HeaderFault, Uuid, file_name, read_header,
};
use crate::shell::journal::survey::{Hashing, Survey, survey};
use crate::shell::journal::walk::{Hole, Walk};
use std::fmt;
use std::io;
use std::sync::Arc;

/// What was found in the folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// Position and instant of the last record; none in a new journal.
    pub last: Option<(u64, At)>,
    /// Bytes of a write that the crash cut short; nobody was told that they are durable.
    pub truncated_bytes: u64,
    /// Segments that the crash cut short before their first record.
    pub truncated_segments: u64,
    /// Damage, oldest first, also what an earlier start has already reported.
    pub corruptions: Vec<Corruption>,
    /// Identity of the journal.
    pub journal_uuid: Uuid,
    /// Whether there was no journal before.
    pub created: bool,
}

/// Damage to what had been durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Corruption {
    /// Name of the file.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// First and last position that are lost with them.
    pub lost: Option<(u64, u64)>,
    /// What it is.
    pub what: &'static str,
    /// Whether a copy was already in `quarantine/`, so that this was reported before.
    pub is_known: bool,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = self.lost.unwrap_or((1, 0));
        let words = lost_words(from, to);
        write!(f, "{} at {}: {}, {} bytes, {words}", self.file, self.offset, self.what, self.bytes)
    }
}

/// What the first new segment follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) last: u64,
    pub(super) at: At,
    pub(super) root: Root,
}

/// Folder for copies of damaged bytes.
pub(super) const QUARANTINE: &str = "quarantine";

/// Claims and recovers a folder.
pub(super) fn recover(
    folder: &Folder,
    check_from: u64,
) -> Result<(FolderLock, Tail, Recovery), JournalError> {
    let disk = &folder.disk;
    disk.create_dir(&folder.dir).map_err(|source| failed("create", &folder.dir, source))?;
    let lock = disk.lock(&folder.dir).map_err(|error| match error {
        LockError::Held(holder) => JournalError::InUse { dir: folder.dir.clone(), holder },
        LockError::Io(source) => failed("lock", &folder.dir, source),
    })?;
    for name in folder.names()?.iter().filter(|name| name.ends_with(TEMPORARY)) {
        let path = folder.path(name);
        disk.remove(&path).map_err(|source| failed("remove", &path, source))?;
    }
    // A file that got its name before the last process failed can be read, and is not there for
    // good until the folder is synced.
    disk.sync_dir(&folder.dir).map_err(|source| failed("sync", &folder.dir, source))?;
    let mut work = Work::new(folder)?;
    let segments = work.open_segments()?;
    let tail = work.read_segments(&segments, check_from)?;
    Ok((lock, tail, work.recovery))
}

struct Opened {
    name: String,
    header: Header,
    file: Arc<dyn DiskFile>,
}

struct Work<'a> {
    folder: &'a Folder,
    recovery: Recovery,
    /// Positions up to here may have been given to a segment that cannot be read any more.
    burnt: u64,
}

impl<'a> Work<'a> {
    fn new(folder: &'a Folder) -> Result<Self, JournalError> {
        let journal_uuid = folder
            .disk
            .random()
            .map_err(|source| failed("draw an identity for", &folder.dir, source))?;
        let recovery = Recovery {
            last: None,
            truncated_bytes: 0,
            truncated_segments: 0,
            corruptions: Vec::new(),
            journal_uuid,
            created: true,
        };
        Ok(Self { folder, recovery, burnt: 0 })
    }

    /// Opens every segment whose header can be read and sets the others aside.
    fn open_segments(&mut self) -> Result<Vec<Opened>, JournalError> {
        let firsts = self.folder.segments()?;
        let mut opened: Vec<Opened> = Vec::with_capacity(firsts.len());
        for (index, first) in firsts.iter().enumerate() {
            let name = file_name(*first);
            let path = self.folder.path(&name);
            let file = self.folder.open(&name)?;
            let io = |source| failed("read", &path, source);
            let found = read_header(&*file).map_err(io)?;
            let header = match found.header {
                Ok(header) if header.first == *first => header,
                Err(HeaderFault::Version(found)) => {
                    return Err(JournalError::Version { path, found, known: FORMAT_VERSION });
                }
                Ok(_) | Err(HeaderFault::Damaged) => {
                    self.set_aside(*first, &*file, firsts.get(index.saturating_add(1)).copied())?;
                    continue;
                }
            };
            if opened.first().is_some_and(|one| one.header.journal != header.journal) {
                return Err(JournalError::Foreign { path });
            }
            if let Some(offset) = found.damaged_copy {
                self.keep_copy(&name, &*file, offset..offset.saturating_add(128), (None, "header"))
                    .map_err(io)?;
            }
            opened.push(Opened { name, header, file });
        }
        if let Some(one) = opened.first() {
            self.recovery.journal_uuid = one.header.journal;
        }
        self.recovery.created = firsts.is_empty();
        Ok(opened)
    }

    /// A file without a readable header: removed when the crash left nothing in it, else moved to
    /// quarantine.
    fn set_aside(
        &mut self,
        first: u64,
        file: &dyn DiskFile,
        successor: Option<u64>,
    ) -> Result<(), JournalError> {
        let name = file_name(first);
        let path = self.folder.path(&name);
        let disk = &self.folder.disk;
        let io = |source| failed("set aside", &path, source);
        let bytes = file.length().map_err(io)?;
        let start = read_range(file, 0, DATA_START).map_err(io)?;
        if successor.is_none() && (bytes <= DATA_START || start.iter().all(|byte| *byte == 0)) {
            disk.remove(&path).map_err(io)?;
            self.recovery.truncated_segments = self.recovery.truncated_segments.saturating_add(1);
        } else {
            let quarantine = self.folder.inside(QUARANTINE);
            disk.create_dir(&quarantine.dir).map_err(io)?;
            disk.rename(&path, &quarantine.path(&name)).map_err(io)?;
            disk.sync_dir(&quarantine.dir).map_err(io)?;
            let last = successor
                .map_or_else(|| last_possible(first, bytes), |next| next.saturating_sub(1));
            self.burnt = self.burnt.max(last);
            self.recovery.corruptions.push(Corruption {
                file: name,
                offset: 0,
                bytes,
                lost: (last >= first).then_some((first, last)),
                what: "both headers",
                is_known: false,
            });
        }
        disk.sync_dir(&self.folder.dir).map_err(io)
    }

    fn read_segments(
        &mut self,
        segments: &[Opened],
        check_from: u64,
    ) -> Result<Tail, JournalError> {
        let mut before: Option<(u64, Option<Root>)> = None;
        let mut tail = Tail { last: 0, at: At::default(), root: Root::default() };
        for (index, opened) in segments.iter().enumerate() {
            self.check_link(opened, before);
            let successor = segments.get(index.saturating_add(1)).map(|next| next.header.first);
            let path = self.folder.path(&opened.name);
            let io = |source| failed("read", &path, source);
            if let Some(successor) = successor.filter(|first| *first <= check_from) {
                before = Some((successor.saturating_sub(1), None));
                continue;
            }
            let walk = Walk::new(Arc::clone(&opened.file), &opened.header, successor);
            let hashing = if successor.is_none() { Hashing::Yes } else { Hashing::No };
            let seen = survey(walk, hashing).map_err(io)?;
            for hole in &seen.holes {
                self.keep_hole(opened, hole).map_err(io)?;
            }
            if successor.is_none() {
                self.recovery.truncated_bytes = seen.torn_bytes;
            } else if seen.has_lost_its_footer() {
                let range = seen.end..seen.end.saturating_add(seen.torn_bytes);
                self.keep_copy(&opened.name, &*opened.file, range, (None, "footer")).map_err(io)?;
            }
            before = Some((seen.last, seen.footer.map(|footer| footer.root)));
            if successor.is_none() {
                let root = self.end_newest(opened, &seen)?;
                tail = Tail {
                    last: seen.last,
                    at: seen.last_at.unwrap_or(opened.header.previous_at),
                    root,
                };
            }
        }
        tail.last = tail.last.max(self.burnt_after(tail.last)?);
        self.recovery.last = (tail.last > 0).then_some((tail.last, tail.at));
        Ok(tail)
    }

    /// The last position that a segment in quarantine behind the tail may have given out, so that
    /// no position is ever given twice, even if nothing was appended since it was set aside.
    fn burnt_after(&self, last: u64) -> Result<u64, JournalError> {
        let quarantine = self.folder.inside(QUARANTINE);
        let mut burnt = self.burnt;
        for first in quarantine.segments()?.into_iter().filter(|first| *first > last) {
            let name = file_name(first);
            let length = quarantine.open(&name)?.length();
            let bytes = length.map_err(|source| failed("read", &quarantine.path(&name), source))?;
            burnt = burnt.max(last_possible(first, bytes));
        }
        Ok(burnt)
    }

    /// Whether a segment follows the one before it.
    fn check_link(&mut self, opened: &Opened, before: Option<(u64, Option<Root>)>) {
        let Some((last, root)) = before else { return };
        let first = opened.header.first;
        let is_set_aside = self.recovery.corruptions.iter().any(|one| {
            one.what == "both headers"
                && one.lost.is_some_and(|(_, to)| to.saturating_add(1) == first)
        });
        let is_missing = first > last.saturating_add(1) && !is_set_aside;
        let is_broken = root.is_some_and(|root| root != opened.header.previous_root);
        if is_missing || (is_broken && !is_set_aside) {
            self.recovery.corruptions.push(Corruption {
                file: opened.name.clone(),
                offset: 0,
                bytes: 0,
                lost: is_missing.then_some((last.saturating_add(1), first.saturating_sub(1))),
                what: if is_missing {
                    "segment missing before it"
                } else {
                    "chain broken before it"
                },
                is_known: false,
            });
        }
    }

    /// Gives the newest segment its footer, in a copy, and says its root.
    fn end_newest(&self, opened: &Opened, seen: &Survey) -> Result<Root, JournalError> {
        let computed = seen.root.unwrap_or_default();
        if let Some(footer) = seen.footer {
            return Ok(footer.root);
        }
        if seen.last < opened.header.first {
            // Nothing in it: the new segment takes its name and its place in the chain.
            return Ok(opened.header.previous_root);
        }
        let footer = Footer {
            segment: opened.header.segment,
            last: seen.last,
            records: seen.records,
            commits: seen.commits,
            offset: seen.end,
            root: computed,
        };
        let placed = self.folder.place(&opened.name, 0, |copy| {
            write_all(copy, 0, &opened.header.encode_twice())?;
            copy_range(&*opened.file, copy, DATA_START..seen.end)?;
            write_all(copy, seen.end, &footer.encode())
        });
        match placed {
            Ok(_) => Ok(computed),
            Err(error) if is_no_room(&error) => opened.file.sync().map(|()| computed),
            Err(error) => Err(error),
        }
        .map_err(|source| failed("seal", &self.folder.path(&opened.name), source))
    }

    fn keep_hole(&mut self, opened: &Opened, hole: &Hole) -> io::Result<()> {
        let lost = (hole.lost_to >= hole.lost_from).then_some((hole.lost_from, hole.lost_to));
        let range = hole.offset..hole.offset.saturating_add(hole.bytes);
        self.keep_copy(&opened.name, &*opened.file, range, (lost, "records"))
    }

    /// Notes damage and keeps a copy of the bytes, if there is room for one.
    fn keep_copy(
        &mut self,
        name: &str,
        file: &dyn DiskFile,
        range: std::ops::Range<u64>,
        (lost, what): (Option<(u64, u64)>, &'static str),
    ) -> io::Result<()> {
        let quarantine = self.folder.inside(QUARANTINE);
        let copy = format!("{name}.{}.bad", range.start);
        let is_known = self.folder.disk.list(&quarantine.dir)?.contains(&copy);
        if !is_known {
            self.folder.disk.create_dir(&quarantine.dir)?;
            let placed = quarantine.place(&copy, 0, |copy| {
                let bytes = read_range(file, range.start, range.end)?;
                write_all(copy, 0, &bytes)
            });
            if let Err(error) = placed
                && !is_no_room(&error)
            {
                return Err(error);
            }
        }
        self.recovery.corruptions.push(Corruption {
            file: name.to_owned(),
            offset: range.start,
            bytes: range.end.saturating_sub(range.start),
            lost,
            what,
            is_known,
        });
        Ok(())
    }
}

/// The last position that fits in a segment of so many bytes.
fn last_possible(first: u64, bytes: u64) -> u64 {
    let head = u64::try_from(RECORD_HEAD_BYTES).unwrap_or(u64::MAX);
    first.saturating_add(bytes / head)
}

fn copy_range(
    from: &dyn DiskFile,
    to: &dyn DiskFile,
    range: std::ops::Range<u64>,
) -> io::Result<()> {
    let mut offset = range.start;
    while offset < range.end {
        let bytes = read_range(from, offset, range.end.min(offset.saturating_add(1024 * 1024)))?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all(to, offset, &bytes)?;
        offset = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}
