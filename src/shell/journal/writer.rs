//! The one writer: encodes records into a commit in memory, writes it with one call, and begins a
//! new segment when the current one is full.

use crate::model::limits::RECORD_BYTES_MAX;
use crate::model::time::At;
use crate::shell::journal::chain::Root;
use crate::shell::journal::disk::{Disk, FolderLock, write_all};
use crate::shell::journal::durable::Durable;
use crate::shell::journal::error::{AppendError, JournalError, is_no_room};
use crate::shell::journal::folder::Folder;
use crate::shell::journal::options::{Options, SyncMode};
use crate::shell::journal::reader::Reader;
use crate::shell::journal::record::{Draft, Kind, encode, finish};
use crate::shell::journal::recovery::{Recovery, recover};
use crate::shell::journal::reserve::{PIECE_BYTES, Reserve};
use crate::shell::journal::retire::Retirement;
use crate::shell::journal::segment::{DATA_START, Header, Uuid, file_name};
use crate::shell::journal::sync::{Alarm, Pace, Sync, Target};
use std::sync::Arc;

/// The journal, for the one thread that writes it.
///
/// Dropping it makes durable what was written and forgets what was not committed, as a crash would
/// at best; [`Journal::close`] ends it in order.
pub struct Journal {
    folder: Folder,
    options: Options,
    journal: Uuid,
    /// The commits that are not written yet.
    buffer: Vec<u8>,
    /// Where in the buffer the record begins whose checksum waits until it is known whether its
    /// commit ends with it.
    unfinished: Option<usize>,
    /// Where in the buffer commits end.
    ends: Vec<usize>,
    next: u64,
    written: u64,
    last_at: At,
    segment: Option<Segment>,
    /// Identity of the segment that the buffer goes to; chosen before its file exists.
    segment_uuid: Uuid,
    seed: u32,
    previous_root: Root,
    /// Instant of the last record before that segment.
    previous_at: At,
    reserve: Reserve,
    is_full: bool,
    is_stuck: bool,
    has_priority: bool,
    /// Whether somebody waits for what is in memory.
    is_awaited: bool,
    sync: Sync,
    alarm: Alarm,
    _lock: FolderLock,
}

struct Segment {
    target: Target,
    end: u64,
}

/// Bytes that may wait in memory for room on the disk.
const BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;
const _: () = assert!(RECORD_BYTES_MAX < BUFFER_BYTES_MAX);

impl Journal {
    /// Claims the folder, recovers what is in it and makes ready to append.
    ///
    /// # Errors
    /// The folder is in use, cannot be read or written, or holds what this release must not touch.
    /// A full disk and damaged segments are no errors.
    pub fn open(options: Options, disk: Arc<dyn Disk>) -> Result<(Self, Recovery), JournalError> {
        let folder = Folder { dir: options.dir.clone(), disk };
        let (lock, tail, recovery) = recover(&folder, options.check_from)?;
        let io = |doing| {
            let path = folder.dir.clone();
            move |source| JournalError::Io { doing, path, source }
        };
        let segment_uuid = folder.disk.random().map_err(io("draw an identity for"))?;
        let durable = Arc::new(Durable::starting_at(tail.last));
        let alarm = Alarm { durable, on_failure: Arc::clone(&options.on_failure) };
        let sync = match options.sync {
            SyncMode::Inline => Sync::inline(alarm.clone()),
            SyncMode::Thread | SyncMode::Kernel => {
                Sync::threaded(alarm.clone(), Pace::of(&options))
                    .map_err(io("start the sync thread of"))?
            }
        };
        let reserve = Reserve::keep(folder.clone(), options.reserve_bytes);
        let journal = Self {
            journal: recovery.journal_uuid,
            buffer: Vec::with_capacity(BUFFER_BYTES_MAX + 2 * RECORD_BYTES_MAX),
            unfinished: None,
            ends: Vec::with_capacity(64),
            next: tail.last.saturating_add(1),
            written: tail.last,
            last_at: tail.at,
            segment: None,
            segment_uuid,
            seed: segment_uuid.seed(),
            previous_root: tail.root,
            previous_at: tail.at,
            is_full: !reserve.is_whole(),
            is_stuck: false,
            reserve,
            has_priority: false,
            is_awaited: false,
            sync,
            alarm,
            folder,
            options,
            _lock: lock,
        };
        Ok((journal, recovery))
    }

    /// Adds a record, whose payload is the parts one after the other, to the commit in memory and
    /// gives its position. No system call, no allocation.
    ///
    /// # Errors
    /// [`AppendError::Full`] from a commit that found no room until [`Journal::make_room`]
    /// succeeds: the record was not taken and has no position.
    pub fn append(&mut self, at: At, kind: Kind, parts: &[&[u8]]) -> Result<u64, AppendError> {
        if self.is_full {
            return Err(if self.has_failed() { AppendError::Failed } else { AppendError::Full });
        }
        self.add(at, kind, parts)
    }

    /// As [`Journal::append`], also while the disk is full: the next commit may use the reserve.
    /// For clears, operators' commands and vigie's own alarms.
    ///
    /// # Errors
    /// [`AppendError::Full`] when the memory for waiting commits is used up too.
    pub fn append_priority(
        &mut self,
        at: At,
        kind: Kind,
        parts: &[&[u8]],
    ) -> Result<u64, AppendError> {
        let position = self.add(at, kind, parts)?;
        self.has_priority = true;
        Ok(position)
    }

    /// Somebody waits until what was appended is durable: with the next commit it is synced as soon
    /// as the disk's pace allows, not when it suits.
    pub fn hurry(&mut self) {
        self.is_awaited = true;
    }

    fn add(&mut self, at: At, kind: Kind, parts: &[&[u8]]) -> Result<u64, AppendError> {
        let bytes = parts.iter().map(|part| part.len()).fold(0, usize::saturating_add);
        if bytes > RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes });
        }
        // What the disk has, whatever counts as durable: a reader takes it for proof.
        let durable = self.alarm.durable.synced();
        if self.has_failed() {
            return Err(AppendError::Failed);
        }
        if self.buffer.len() >= BUFFER_BYTES_MAX {
            return Err(AppendError::Full);
        }
        self.finish_record(false);
        self.unfinished = Some(self.buffer.len());
        let position = self.next;
        encode(&mut self.buffer, &Draft { position, at, kind, durable }, parts);
        self.next = position.saturating_add(1);
        self.last_at = at;
        Ok(position)
    }

    fn finish_record(&mut self, is_commit_end: bool) {
        if let Some(start) = self.unfinished.take()
            && let Some(record) = self.buffer.get_mut(start..)
        {
            finish(record, is_commit_end, self.seed);
            if is_commit_end {
                self.ends.push(self.buffer.len());
            }
        }
    }

    /// Ends the commit in memory and writes everything that waits, with one call. It is durable
    /// when [`Journal::durable`] says so.
    ///
    /// # Errors
    /// [`AppendError::Full`]: nothing of it is on disk, all of it stays in memory, and a later
    /// commit, also one to which nothing was added, writes it. [`AppendError::Failed`]: only a
    /// restart can tell what is on disk.
    pub fn commit(&mut self) -> Result<(), AppendError> {
        if self.has_failed() {
            return Err(AppendError::Failed);
        }
        self.finish_record(true);
        if self.buffer.is_empty() {
            self.hurry_sync();
            return Ok(());
        }
        let mut result = self.write_buffer();
        if result == Err(AppendError::Full) {
            self.is_full = true;
            let waiting = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
            while self.has_priority
                && result == Err(AppendError::Full)
                && self.reserve.release(waiting.saturating_add(DATA_START))
            {
                self.claim_for(waiting);
                result = self.write_buffer();
            }
            let is_used_up = self.has_priority || self.reserve.is_used_up();
            self.is_stuck = is_used_up && result == Err(AppendError::Full);
        }
        result?;
        self.is_stuck = false;
        self.hurry_sync();
        self.has_priority = false;
        self.is_full = !self.reserve.is_whole();
        if self.has_failed() {
            return Err(AppendError::Failed);
        }
        if self.segment.as_ref().is_some_and(|segment| segment.end >= self.options.segment_bytes) {
            self.seal()?;
        }
        Ok(())
    }

    /// What the reserve has given up is for the next commits, not for whoever comes first.
    fn claim_for(&self, bytes: u64) {
        if let Some(segment) = &self.segment {
            // Without that the write itself shows whether there is room.
            let _ = segment
                .target
                .file
                .allocate(segment.end.saturating_add(bytes).saturating_add(PIECE_BYTES));
        }
    }

    /// All that was appended is written: if somebody waits for it, now is the time to say so.
    fn hurry_sync(&mut self) {
        if std::mem::take(&mut self.is_awaited) {
            self.sync.hurry();
        }
    }

    fn write_buffer(&mut self) -> Result<(), AppendError> {
        if self.segment.is_none() {
            self.begin_segment()?;
        }
        let Some(segment) = &mut self.segment else { return Err(AppendError::Failed) };
        let start = segment.end;
        let file = &segment.target.file;
        if let Err(error) = write_all(&**file, start, &self.buffer) {
            // Part of it may be there: back to the end of the last whole commit.
            let outcome = if is_no_room(&error) { file.truncate(start) } else { Err(error) };
            let Err(error) = outcome else { return Err(AppendError::Full) };
            self.alarm.raise("write", segment.target.path.clone(), error);
            return Err(AppendError::Failed);
        }
        let wide = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let bytes = wide(self.buffer.len());
        segment.end = start.saturating_add(bytes);
        self.written = self.next.saturating_sub(1);
        let ends = self.ends.iter().map(|end| start.saturating_add(wide(*end)));
        self.sync.submit(ends, self.written, bytes);
        if self.options.sync == SyncMode::Kernel {
            self.alarm.durable.publish(self.written);
        }
        self.buffer.clear();
        self.ends.clear();
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), AppendError> {
        let header = Header {
            segment: self.segment_uuid,
            journal: self.journal,
            first: self.written.saturating_add(1),
            previous_at: self.previous_at,
            previous_root: self.previous_root,
        };
        let name = file_name(header.first);
        let path = self.folder.path(&name);
        let placed = self.folder.place(&name, self.options.segment_bytes, |file| {
            write_all(file, 0, &header.encode_twice())
        });
        match placed {
            Ok(file) => {
                let target = Target { file, path, header };
                self.sync.begin(&target);
                self.segment = Some(Segment { target, end: DATA_START });
                Ok(())
            }
            Err(error) if is_no_room(&error) => Err(AppendError::Full),
            Err(error) => {
                self.alarm.raise("create", path, error);
                Err(AppendError::Failed)
            }
        }
    }

    /// Ends the current segment; the buffer is empty. The next commit begins a new one.
    fn seal(&mut self) -> Result<(), AppendError> {
        let Some(segment) = self.segment.take() else { return Ok(()) };
        self.previous_root = self.sync.seal(segment.end).ok_or(AppendError::Failed)?;
        self.previous_at = self.last_at;
        match self.folder.disk.random() {
            Ok(uuid) => {
                self.segment_uuid = uuid;
                self.seed = uuid.seed();
                Ok(())
            }
            Err(error) => {
                self.alarm.raise("draw an identity for", self.folder.dir.clone(), error);
                Err(AppendError::Failed)
            }
        }
    }

    /// Claims the reserve again and, if that succeeds, takes every record again. To be called from
    /// time to time, about once a second, while [`Journal::is_full`].
    pub fn make_room(&mut self) -> bool {
        if self.reserve.refill() && self.buffer.is_empty() {
            self.is_full = false;
        }
        !self.is_full
    }

    /// Whether only records of priority are taken, for want of room.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether there is room for clears: from the reserve they may have so much, and the rest of it
    /// is for what people say and for vigie's own alarms.
    #[must_use]
    pub const fn has_room_for_clears(&self) -> bool {
        !self.is_full || !self.reserve.is_low()
    }

    /// Whether the reserve is used up too: what is taken waits in memory.
    #[must_use]
    pub const fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Gives up so much of the reserve for another file of vigie on that disk.
    pub fn give_up_room(&mut self, bytes: u64) {
        self.is_full |= self.reserve.release(bytes);
    }

    /// The position that the next record gets.
    #[must_use]
    pub const fn next_position(&self) -> u64 {
        self.next
    }

    /// Instant of the last record.
    #[must_use]
    pub const fn last_at(&self) -> At {
        self.last_at
    }

    /// The last position that was given to the system.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// The durable position, to share with whoever waits for it.
    #[must_use]
    pub fn durable(&self) -> Arc<Durable> {
        Arc::clone(&self.alarm.durable)
    }

    /// A reader of this journal that begins at a position and stops at the durable one. It can be
    /// sent to another thread.
    #[must_use]
    pub fn reader(&self, from: u64) -> Reader {
        Reader::live(self.folder.clone(), from, self.durable())
    }

    /// What drops old segments, to be used on whatever thread.
    #[must_use]
    pub fn retirement(&self) -> Retirement {
        Retirement::new(self.folder.clone(), self.options.retain_bytes)
    }

    /// Commits, makes durable and seals, so that the next start finds a tail that proves itself.
    ///
    /// # Errors
    /// As [`Journal::commit`].
    pub fn close(mut self) -> Result<(), AppendError> {
        self.commit()?;
        self.seal()
    }

    fn has_failed(&self) -> bool {
        self.alarm.durable.has_failed()
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("dir", &self.folder.dir)
            .field("next", &self.next)
            .field("written", &self.written)
            .field("durable", &self.alarm.durable)
            .field("is_full", &self.is_full)
            .finish_non_exhaustive()
    }
}
