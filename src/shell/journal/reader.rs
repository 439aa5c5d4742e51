//! Reads the records in order, from any position on.
//!
//! A reader of a running journal stops at the durable position; a reader of a folder stops after
//! the last whole commit. Both can be asked again later and go on. Neither takes a lock, and a
//! segment that is retired under a reader stays readable to it.

use crate::model::time::At;
use crate::shell::journal::disk::Disk;
use crate::shell::journal::durable::Durable;
use crate::shell::journal::error::{JournalError, ReadError};
use crate::shell::journal::folder::{Folder, failed};
use crate::shell::journal::record::{Head, Kind, Record};
use crate::shell::journal::segment::{FORMAT_VERSION, HeaderFault, file_name, read_header};
use crate::shell::journal::survey::{Hashing, survey};
use crate::shell::journal::walk::{Step, Walk};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A place in the journal.
#[derive(Debug)]
pub struct Reader {
    folder: Folder,
    /// The durable position of the journal that runs in this process, if one does.
    durable: Option<Arc<Durable>>,
    /// The next position to give; 0 until the oldest one is known.
    from: u64,
    walk: Option<Walk>,
    /// Last position that may be given from the newest segment of a folder.
    whole: u64,
}

/// A record whose payload is still in the segment.
struct Found {
    position: u64,
    at: At,
    kind: Kind,
    payload: Range<usize>,
}

/// A reader of a folder, whether a daemon runs on it or not; `from` 0 is the oldest position that
/// is there. Nothing is read before the first record is asked for.
#[must_use]
pub fn read_from(dir: impl Into<PathBuf>, disk: Arc<dyn Disk>, from: u64) -> Reader {
    Reader::new(Folder { dir: dir.into(), disk }, from, None)
}

impl Reader {
    pub(super) fn live(folder: Folder, from: u64, durable: Arc<Durable>) -> Self {
        Self::new(folder, from, Some(durable))
    }

    fn new(folder: Folder, from: u64, durable: Option<Arc<Durable>>) -> Self {
        Self { folder, durable, from, walk: None, whole: 0 }
    }

    /// Position of the record that [`Reader::next`] gives, if it is there and undamaged.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.from
    }

    /// The next record; none when there is no more for now.
    ///
    /// # Errors
    /// See [`ReadError`]: after damage, the next call goes on behind it.
    #[expect(clippy::should_implement_trait, reason = "the record borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        Ok(self.advance()?.map(|found| self.record(found)))
    }

    /// The next record that can be read, for whoever has been told of damage elsewhere: it is
    /// passed over without a word.
    ///
    /// # Errors
    /// When the reader cannot go on.
    pub fn next_readable(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        let found = loop {
            match self.advance() {
                Err(error) if error.is_passed_over() => {}
                found => break found?,
            }
        };
        Ok(found.map(|found| self.record(found)))
    }

    fn advance(&mut self) -> Result<Option<Found>, ReadError> {
        loop {
            if self.walk.is_none() && !self.open_first()? {
                return Ok(None);
            }
            if !self.is_ready()? {
                return Ok(None);
            }
            let Some(walk) = &mut self.walk else { return Ok(None) };
            let first = walk.header().first;
            let path = || self.folder.path(&file_name(first));
            match walk.step().map_err(|source| failed("read", &path(), source))? {
                Step::Record(head, payload) if head.position >= self.from => {
                    let Head { position, at, kind: code, .. } = head;
                    self.from = position.saturating_add(1);
                    let kind = Kind::from_code(code);
                    let kind = kind.ok_or(ReadError::UnknownKind { position, code })?;
                    return Ok(Some(Found { position, at, kind, payload }));
                }
                Step::Record(..) => {}
                Step::Hole(hole) => {
                    let is_wanted = hole.lost_to >= self.from || hole.lost_to < hole.lost_from;
                    self.from = self.from.max(walk.expected());
                    if is_wanted {
                        return Err(ReadError::Damaged {
                            path: path(),
                            offset: hole.offset,
                            bytes: hole.bytes,
                            lost_from: hole.lost_from,
                            lost_to: hole.lost_to,
                        });
                    }
                }
                Step::Footer(_) | Step::End => {
                    if !self.open_next(first)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn record(&self, found: Found) -> Record<'_> {
        let Found { position, at, kind, payload } = found;
        let payload = self.walk.as_ref().map_or(&[][..], |walk| walk.bytes(payload));
        Record { position, at, kind, payload }
    }

    /// Whether the next record of the segment may be given; looks for more that is durable first.
    fn is_ready(&mut self) -> Result<bool, ReadError> {
        let Some(walk) = &mut self.walk else { return Ok(false) };
        if let Some(durable) = &self.durable {
            if walk.expected() > walk.trusted() {
                walk.trust(durable.position());
            }
            return Ok(walk.expected() <= walk.trusted());
        }
        if walk.expected() <= self.whole {
            return Ok(true);
        }
        let path = self.folder.path(&file_name(walk.header().first));
        let io = |source| failed("read", &path, source);
        walk.trust(0);
        let seen = survey(walk.fork(), Hashing::No).map_err(io)?;
        self.whole = if seen.footer.is_some() { u64::MAX } else { seen.last };
        if walk.expected() <= self.whole {
            return Ok(true);
        }
        // A segment that was never sealed ends where another one begins.
        let first = walk.header().first;
        self.open_next(first)
    }

    /// Opens the segment that holds the first position wanted.
    fn open_first(&mut self) -> Result<bool, ReadError> {
        if self.durable.as_ref().is_some_and(|durable| durable.position() < self.from) {
            return Ok(false);
        }
        let firsts = self.folder.segments()?;
        let Some(oldest) = firsts.first() else { return Ok(false) };
        if self.from == 0 {
            self.from = *oldest;
        }
        let Some(first) = firsts.iter().rev().find(|first| **first <= self.from) else {
            return Err(ReadError::Retired { from: self.from, first: *oldest });
        };
        let first = *first;
        self.open(first, &firsts)?;
        Ok(true)
    }

    /// Opens the segment after one, if there is one.
    fn open_next(&mut self, current: u64) -> Result<bool, ReadError> {
        let ended = self.walk.as_ref().map_or(0, Walk::expected);
        let firsts = self.folder.segments()?;
        let Some(first) = firsts.iter().copied().find(|first| *first > current) else {
            return Ok(false);
        };
        self.open(first, &firsts)?;
        let lost_from = ended.max(self.from);
        self.from = self.from.max(first);
        if first > lost_from {
            return Err(ReadError::Missing {
                path: self.folder.path(&file_name(first)),
                lost_from,
                lost_to: first.saturating_sub(1),
            });
        }
        Ok(true)
    }

    fn open(&mut self, first: u64, firsts: &[u64]) -> Result<(), ReadError> {
        let name = file_name(first);
        let path = self.folder.path(&name);
        let file = self.folder.open(&name)?;
        let io = |source| failed("read", &path, source);
        let header = match read_header(&*file).map_err(io)?.header {
            Ok(header) => header,
            Err(HeaderFault::Version(found)) => {
                let known = FORMAT_VERSION;
                return Err(JournalError::Version { path, found, known }.into());
            }
            Err(HeaderFault::Damaged) => return self.pass_over(first, firsts, path),
        };
        let successor = firsts.iter().copied().find(|other| *other > first);
        let mut walk = Walk::new(file, &header, successor);
        if let Some(durable) = &self.durable {
            walk.trust(durable.position());
        }
        self.whole = successor.map_or(0, |_| u64::MAX);
        self.walk = Some(walk);
        Ok(())
    }

    /// A segment without a readable header, before recovery has set it aside.
    fn pass_over(&mut self, first: u64, firsts: &[u64], path: PathBuf) -> Result<(), ReadError> {
        let Some(next) = firsts.iter().copied().find(|other| *other > first) else {
            let source = io::Error::from(io::ErrorKind::InvalidData);
            return Err(failed("read the header of", &path, source).into());
        };
        let lost_from = self.from.max(first);
        self.from = self.from.max(next);
        self.open(next, firsts)?;
        Err(ReadError::Damaged {
            path,
            offset: 0,
            bytes: 0,
            lost_from,
            lost_to: next.saturating_sub(1),
        })
    }
}
