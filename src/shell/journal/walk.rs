//! Walks over one segment, record by record, and finds the way again after damage.
//!
//! In: a file, its header, and from where on to walk. Out: [`Step`]s. It never fails on content;
//! only a read that the system refuses is an error.
//!
//! What cannot be read is either a torn tail (a write that the power cut stopped; nobody was told
//! that it is durable) or damage. It is damage as soon as anything proves that the position had
//! been durable: a later record that knew so ([`Head::durable_claim`]), a footer (it is written
//! only after the sync of everything before it), a following segment, or this process's own
//! durable position.

use crate::shell::journal::disk::{DiskFile, read_range_into};
use crate::shell::journal::record::{Head, Parsed, RECORD_HEAD_BYTES, parse, position_of};
use crate::shell::journal::segment::{DATA_START, FOOTER_BYTES, Footer, Header};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A place in a segment and what is read there.
#[derive(Debug)]
pub(super) struct Walk {
    file: Arc<dyn DiskFile>,
    header: Header,
    seed: u32,
    /// First position of the segment that follows; what this one holds from there on was
    /// abandoned.
    successor: Option<u64>,
    /// Last position known to be durable, whatever the segment says itself.
    trusted: u64,
    /// Position of the next record.
    expected: u64,
    buffer: Vec<u8>,
    /// Offset of the buffer in the file.
    base: u64,
    /// Next byte in the buffer.
    cursor: usize,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Step {
    /// A record; its payload is in [`Walk::bytes`].
    Record(Head, Range<usize>),
    /// The segment was sealed here.
    Footer(Footer),
    /// Damage: what follows it is what the next step gives.
    Hole(Hole),
    /// Nothing more, for now or for ever.
    End,
}

/// Bytes that were durable and are no record any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hole {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) lost_from: u64,
    /// Before `lost_from` when no record is lost.
    pub(super) lost_to: u64,
}

/// What was found after a place that cannot be read.
enum Found {
    Record { offset: usize, position: u64 },
    Footer { offset: usize, last: u64 },
}

const READ_AHEAD_BYTES: usize = 256 * 1024;

impl Walk {
    /// A walk from the beginning of a segment.
    pub(super) fn new(file: Arc<dyn DiskFile>, header: &Header, successor: Option<u64>) -> Self {
        Self {
            file,
            header: *header,
            seed: header.segment.seed(),
            successor,
            trusted: successor.map_or(0, |first| first.saturating_sub(1)),
            expected: header.first,
            buffer: Vec::new(),
            base: DATA_START,
            cursor: 0,
        }
    }

    /// Another walk over the same file, from where this one is.
    pub(super) fn fork(&self) -> Self {
        let mut fork = Self::new(Arc::clone(&self.file), &self.header, self.successor);
        fork.trusted = self.trusted;
        fork.expected = self.expected;
        fork.base = self.offset();
        fork
    }

    /// Position of the next record.
    pub(super) const fn expected(&self) -> u64 {
        self.expected
    }

    /// Last position known to be durable.
    pub(super) const fn trusted(&self) -> u64 {
        self.trusted
    }

    /// Where the walk is in the file.
    pub(super) fn offset(&self) -> u64 {
        self.base.saturating_add(wide(self.cursor))
    }

    /// What the segment says at its beginning.
    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// The file.
    pub(super) const fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// Bytes of the last step.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or(&[])
    }

    /// More is durable than before. What was read ahead may have been half written then, so it is
    /// read again.
    pub(super) fn trust(&mut self, position: u64) {
        self.trusted = self.trusted.max(position);
        self.base = self.offset();
        self.buffer.clear();
        self.cursor = 0;
    }

    /// The next step.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        let is_past_end = self.successor.is_some_and(|first| self.expected >= first);
        if !is_past_end && let Some(head) = self.record_here()? {
            let start = self.cursor.saturating_add(RECORD_HEAD_BYTES);
            self.cursor = self.cursor.saturating_add(head.record_bytes());
            self.expected = self.expected.saturating_add(1);
            return Ok(Step::Record(head, start..self.cursor));
        }
        if let Some(footer) = self.footer_here()? {
            return Ok(Step::Footer(footer));
        }
        if is_past_end { Ok(Step::End) } else { self.resynchronise() }
    }

    fn record_here(&mut self) -> io::Result<Option<Head>> {
        let mut needed = RECORD_HEAD_BYTES;
        loop {
            if !self.fill(needed)? {
                return Ok(None);
            }
            match parse(self.buffer.get(self.cursor..).unwrap_or(&[]), self.seed) {
                Parsed::Whole(head) if head.position == self.expected => return Ok(Some(head)),
                Parsed::Short(more) if more > needed => needed = more,
                Parsed::Whole(_) | Parsed::Short(_) | Parsed::Bad => return Ok(None),
            }
        }
    }

    fn footer_here(&mut self) -> io::Result<Option<Footer>> {
        if !self.fill(FOOTER_BYTES)? {
            return Ok(None);
        }
        let footer = Footer::decode(self.buffer.get(self.cursor..).unwrap_or(&[]));
        Ok(footer.filter(|footer| self.is_mine(footer, self.offset())))
    }

    fn is_mine(&self, footer: &Footer, offset: u64) -> bool {
        footer.segment == self.header.segment
            && footer.offset == offset
            && footer.last.saturating_add(1) >= self.expected
    }

    /// Makes `needed` bytes available from the cursor on, if the file has them.
    fn fill(&mut self, needed: usize) -> io::Result<bool> {
        if self.buffer.len().saturating_sub(self.cursor) >= needed {
            return Ok(true);
        }
        let from = self.offset();
        let to = from.saturating_add(wide(needed.max(READ_AHEAD_BYTES)));
        read_range_into(&*self.file, from..to, &mut self.buffer)?;
        self.base = from;
        self.cursor = 0;
        Ok(self.buffer.len() >= needed)
    }

    /// Nothing can be read here: looks for the next thing that can, and for proof that this place
    /// had been durable.
    fn resynchronise(&mut self) -> io::Result<Step> {
        let from = self.offset();
        let mut rest = Vec::new();
        read_range_into(&*self.file, from..u64::MAX, &mut rest)?;
        let found = self.find(&rest, from, 1);
        if self.trusted < self.expected && !self.is_proved_durable(&rest, from, found.as_ref()) {
            return Ok(Step::End);
        }
        let (end, next) = match found {
            Some(Found::Record { offset, position }) => (offset, position),
            Some(Found::Footer { offset, last }) => (offset, last.saturating_add(1)),
            None => (rest.len(), self.trusted.max(self.expected.saturating_sub(1)) + 1),
        };
        let hole = Hole {
            offset: from,
            bytes: wide(end),
            lost_from: self.expected,
            lost_to: next.saturating_sub(1),
        };
        self.base = from.saturating_add(wide(end));
        self.buffer.clear();
        self.cursor = 0;
        self.expected = next;
        Ok(Step::Hole(hole))
    }

    /// The first record or footer at or after an index of the bytes that begin at `from`.
    fn find(&self, bytes: &[u8], from: u64, start: usize) -> Option<Found> {
        let room = wide(bytes.len() / RECORD_HEAD_BYTES);
        let highest = self.expected.saturating_add(room);
        let highest = self.successor.map_or(highest, |first| highest.min(first.saturating_sub(1)));
        (start..bytes.len()).find_map(|offset| {
            let here = bytes.get(offset..)?;
            let head = here.first_chunk::<RECORD_HEAD_BYTES>()?;
            if (self.expected..=highest).contains(&position_of(head))
                && let Parsed::Whole(head) = parse(here, self.seed)
            {
                return Some(Found::Record { offset, position: head.position });
            }
            let footer = Footer::decode(here)?;
            self.is_mine(&footer, from.saturating_add(wide(offset)))
                .then_some(Found::Footer { offset, last: footer.last })
        })
    }

    fn is_proved_durable(&self, bytes: &[u8], from: u64, found: Option<&Found>) -> bool {
        let mut next = match found {
            Some(Found::Record { offset, .. }) => *offset,
            Some(Found::Footer { .. }) => return true,
            None => return false,
        };
        loop {
            match parse(bytes.get(next..).unwrap_or(&[]), self.seed) {
                Parsed::Whole(head) if head.durable_claim >= self.expected => return true,
                Parsed::Whole(head) => next = next.saturating_add(head.record_bytes()),
                Parsed::Short(_) | Parsed::Bad => match self.find(bytes, from, next) {
                    Some(Found::Record { offset, .. }) => next = offset,
                    Some(Found::Footer { .. }) => return true,
                    None => return false,
                },
            }
        }
    }
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
