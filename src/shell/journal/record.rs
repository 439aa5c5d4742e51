//! One record by bytes: how it is encoded into the commit buffer and recognised on disk.
//!
//! ```text
//!  0  u32  crc        CRC32C of bytes 4.. of the record, seeded with the segment's uuid
//!  4  u32  length     bytes of payload
//!  8  u64  position   1-based, without holes
//! 16  u64  engine_ns  engine time
//! 24  i64  wall_ns    wall clock
//! 32  u8   kind       [`Kind`]
//! 33  u8   flags      bit 0: last record of its commit
//! 34  u16  zero
//! 36  u32  unsynced   position minus the position known durable when it was written
//! 40  …    payload
//! ```
//!
//! All numbers are little-endian. `unsynced` is what tells a torn tail from damage: a record that
//! knew its predecessors to be durable proves that a hole before it is no torn write.

use crate::model::limits::RECORD_BYTES_MAX;
use crate::model::time::{At, EngineTime, Timestamp};
use std::fmt;

/// What a payload is. The journal stores it and asks nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A classified event.
    Event = 1,
    /// Repeats that change nothing.
    Repeats = 2,
    /// An operator's command.
    Command = 3,
    /// Settings, or a chunk of them.
    Settings = 4,
    /// The daemon started.
    Boot = 5,
    /// The wall clock's quality.
    ClockQuality = 6,
    /// The wall clock was set.
    ClockStep = 7,
    /// Messages known to be lost.
    Loss = 8,
    /// The passage of time.
    Pulse = 9,
    /// A position that is passed over.
    Skip = 10,
    /// An effect that leaves the process.
    Decision = 11,
    /// Rolling hash and cursors.
    Mark = 12,
    /// The process died of applying a position.
    Panic = 13,
}

impl Kind {
    /// Every kind, in the order of its number on disk.
    pub const ALL: [Self; 13] = [
        Self::Event,
        Self::Repeats,
        Self::Command,
        Self::Settings,
        Self::Boot,
        Self::ClockQuality,
        Self::ClockStep,
        Self::Loss,
        Self::Pulse,
        Self::Skip,
        Self::Decision,
        Self::Mark,
        Self::Panic,
    ];

    /// The byte on disk.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless repr(u8) enum")]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind of a byte on disk; none when a newer release wrote it.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The word in a dump.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Repeats => "repeats",
            Self::Command => "command",
            Self::Settings => "settings",
            Self::Boot => "boot",
            Self::ClockQuality => "clock-quality",
            Self::ClockStep => "clock-step",
            Self::Loss => "loss",
            Self::Pulse => "pulse",
            Self::Skip => "skip",
            Self::Decision => "decision",
            Self::Mark => "mark",
            Self::Panic => "panic",
        }
    }
}

/// One record as a reader sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Its number, from 1.
    pub position: u64,
    /// Both clocks when it was appended.
    pub at: At,
    /// What the payload is.
    pub kind: Kind,
    /// The bytes that were appended.
    pub payload: &'a [u8],
}

/// One line for a dump: position, wall time, kind, size and the payload in printable form.
impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} engine={} {} {} \"{}\"",
            self.position,
            self.at.wall,
            self.at.engine.0,
            self.kind.as_str(),
            self.payload.len(),
            self.payload.escape_ascii()
        )
    }
}

/// Bytes of a record before its payload.
pub const RECORD_HEAD_BYTES: usize = 40;

/// The fixed part of a record whose checksum was found right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) position: u64,
    pub(super) at: At,
    pub(super) kind: u8,
    pub(super) is_commit_end: bool,
    /// The position that was durable when the record was written.
    pub(super) durable_claim: u64,
    pub(super) payload_bytes: usize,
}

impl Head {
    /// Bytes of the whole record.
    pub(super) const fn record_bytes(&self) -> usize {
        RECORD_HEAD_BYTES.saturating_add(self.payload_bytes)
    }
}

/// What stands at a place in a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parsed {
    /// A record whose checksum is right.
    Whole(Head),
    /// It could be a record, but this many bytes are needed to tell.
    Short(usize),
    /// No record.
    Bad,
}

/// Position, instant and kind of a record to encode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) position: u64,
    pub(super) at: At,
    pub(super) kind: Kind,
    pub(super) durable: u64,
}

/// Appends a record without its checksum: [`finish`] adds that once it is known whether the commit
/// ends here. The caller has checked that the parts together keep to `RECORD_BYTES_MAX`.
pub(super) fn encode(buffer: &mut Vec<u8>, draft: &Draft, parts: &[&[u8]]) {
    let start = buffer.len();
    let unsynced = u32::try_from(draft.position.saturating_sub(draft.durable)).unwrap_or(u32::MAX);
    let mut head = [0_u8; RECORD_HEAD_BYTES];
    head[8..16].copy_from_slice(&draft.position.to_le_bytes());
    head[16..24].copy_from_slice(&draft.at.engine.0.to_le_bytes());
    head[24..32].copy_from_slice(&draft.at.wall.0.to_le_bytes());
    head[32] = draft.kind.code();
    head[36..40].copy_from_slice(&unsynced.to_le_bytes());
    buffer.extend_from_slice(&head);
    for part in parts {
        buffer.extend_from_slice(part);
    }
    let payload = buffer.len().saturating_sub(start).saturating_sub(RECORD_HEAD_BYTES);
    let length = u32::try_from(payload).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(place) = buffer.get_mut(start.saturating_add(4)..start.saturating_add(8)) {
        place.copy_from_slice(&length);
    }
}

/// Sets flag and checksum of the record in `record` (the whole of it and nothing else).
pub(super) fn finish(record: &mut [u8], is_commit_end: bool, seed: u32) {
    if let Some(flags) = record.get_mut(33) {
        *flags = u8::from(is_commit_end);
    }
    if let Some((crc, body)) = record.split_first_chunk_mut::<4>() {
        *crc = crc32c::crc32c_append(seed, body).to_le_bytes();
    }
}

/// What stands at the beginning of `bytes`.
pub(super) fn parse(bytes: &[u8], seed: u32) -> Parsed {
    let Some(head) = bytes.first_chunk::<RECORD_HEAD_BYTES>() else {
        return Parsed::Short(RECORD_HEAD_BYTES);
    };
    let payload_bytes = usize::try_from(u32_at(head, 4)).unwrap_or(usize::MAX);
    if payload_bytes > RECORD_BYTES_MAX || head[33] > 1 || head[34] != 0 || head[35] != 0 {
        return Parsed::Bad;
    }
    let total = RECORD_HEAD_BYTES.saturating_add(payload_bytes);
    let Some(body) = bytes.get(4..total) else {
        return Parsed::Short(total);
    };
    if crc32c::crc32c_append(seed, body) != u32_at(head, 0) {
        return Parsed::Bad;
    }
    let position = position_of(head);
    Parsed::Whole(Head {
        position,
        at: At {
            engine: EngineTime(u64_at(head, 16)),
            wall: Timestamp(u64_at(head, 24).cast_signed()),
        },
        kind: head[32],
        is_commit_end: head[33] == 1,
        durable_claim: position.saturating_sub(u64::from(u32_at(head, 36))),
        payload_bytes,
    })
}

/// The position that a record here would have, before its checksum is known to be right; for a
/// scan that wants to reject most places cheaply.
pub(super) fn position_of(head: &[u8; RECORD_HEAD_BYTES]) -> u64 {
    u64_at(head, 8)
}

/// Four bytes as a number; 0 past the end, which no caller passes.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    array_at(bytes, offset).map_or(0, u32::from_le_bytes)
}

/// Eight bytes as a number; 0 past the end, which no caller passes.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    array_at(bytes, offset).map_or(0, u64::from_le_bytes)
}

/// `N` bytes at a place.
pub(super) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

const _: () = assert!(RECORD_HEAD_BYTES == 40);
const _: () = assert!(RECORD_BYTES_MAX < 0x4000_0000);

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(position: u64) -> Draft {
        let at = At { engine: EngineTime(7), wall: Timestamp(-3) };
        Draft { position, at, kind: Kind::Decision, durable: position - 5 }
    }

    #[test]
    fn record_comes_back_as_it_was_written() {
        let mut buffer = vec![9; 3];
        encode(&mut buffer, &draft(42), &[b"ab", b"", b"cde"]);
        finish(&mut buffer[3..], true, 77);
        let expected = Head {
            position: 42,
            at: At { engine: EngineTime(7), wall: Timestamp(-3) },
            kind: 11,
            is_commit_end: true,
            durable_claim: 37,
            payload_bytes: 5,
        };
        assert_eq!(parse(&buffer[3..], 77), Parsed::Whole(expected));
        assert_eq!(&buffer[43..], b"abcde");
        assert_eq!(parse(&buffer[3..], 78), Parsed::Bad, "the seed of another segment");
        assert_eq!(parse(&buffer[3..30], 77), Parsed::Short(40));
        assert_eq!(parse(&buffer[3..47], 77), Parsed::Short(45));
    }

    #[test]
    fn every_bit_counts() {
        let mut buffer = Vec::new();
        encode(&mut buffer, &draft(42), &[b"payload"]);
        finish(&mut buffer, false, 1);
        for bit in 0..buffer.len() * 8 {
            let mut bent = buffer.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(parse(&bent, 1), Parsed::Whole(_)), "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(parse(&[0; 100], 12345), Parsed::Bad);
    }

    #[test]
    fn kinds_keep_their_numbers() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(kind.code()), index + 1);
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(Kind::from_code(0), None);
        assert_eq!(Kind::from_code(14), None);
    }

    #[test]
    fn dump_line_is_printable() {
        let at = At { engine: EngineTime(5), wall: Timestamp(0) };
        let record = Record { position: 3, at, kind: Kind::Event, payload: b"a\"\n\xff" };
        assert_eq!(
            record.to_string(),
            "3 1970-01-01T00:00:00.000000000Z engine=5 event 4 \"a\\\"\\n\\xff\""
        );
    }
}
