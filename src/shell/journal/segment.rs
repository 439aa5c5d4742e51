//! Head and foot of a segment file by bytes, and its name.
//!
//! ```text
//! name: first position, twenty digits, ".seg"
//!
//!   0  header (128 bytes)
//! 128  the same header again, in case a bit of the first one flips
//! 256  records
//!   …  footer (96 bytes), when the segment was sealed
//!
//! header                                   footer
//!   0  8   magic "VIGIESEG"                  0  8   magic "VIGIEEND"
//!   8  u32 format version                    8  u64 last position (first − 1 when empty)
//!  12  u32 zero                             16  u64 records
//!  16  16  segment uuid                     24  u64 commits
//!  32  16  journal uuid                     32  u64 offset of the footer
//!  48  u64 first position                   40  16  segment uuid
//!  56  u64 engine_ns of the record before   56  32  root
//!  64  i64 wall_ns of the record before     88  u32 zero
//!  72  32  root of the segment before       92  u32 CRC32C of bytes 0..92
//! 104  20  zero
//! 124  u32 CRC32C of bytes 0..124
//! ```

use crate::model::time::{At, EngineTime, Timestamp};
use crate::shell::journal::chain::Root;
use crate::shell::journal::disk::{DiskFile, read_range};
use crate::shell::journal::record::{array_at, u32_at, u64_at};
use std::fmt;
use std::io;

/// Version of the format that this program writes.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes of one copy of the header.
pub const HEADER_BYTES: usize = 128;
/// Where the records begin: after both copies of the header.
pub const DATA_START: u64 = 256;
/// Bytes of the footer.
pub const FOOTER_BYTES: usize = 96;

const HEADER_MAGIC: &[u8; 8] = b"VIGIESEG";
const FOOTER_MAGIC: &[u8; 8] = b"VIGIEEND";

/// Identity of a journal or of a segment: sixteen random bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// What the checksums of a segment start from, so that a record of another file is none here.
    pub(super) fn seed(self) -> u32 {
        crc32c::crc32c(&self.0)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a segment says about itself at its beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Identity of the file; seeds its checksums.
    pub segment: Uuid,
    /// Identity of the journal; the same in every segment.
    pub journal: Uuid,
    /// Position of its first record.
    pub first: u64,
    /// Instant of the record before the first.
    pub previous_at: At,
    /// Root of the segment before; zeros in the first.
    pub previous_root: Root,
}

/// Why bytes are no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderFault {
    /// Too short, no magic, or a wrong checksum.
    Damaged,
    /// Written by a release that this one does not know.
    Version(u32),
}

impl Header {
    /// One copy of it.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0_u8; HEADER_BYTES];
        bytes[0..8].copy_from_slice(HEADER_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.segment.0);
        bytes[32..48].copy_from_slice(&self.journal.0);
        bytes[48..56].copy_from_slice(&self.first.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.previous_at.engine.0.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.previous_at.wall.0.to_le_bytes());
        bytes[72..104].copy_from_slice(&self.previous_root.0);
        let crc = crc32c::crc32c(&bytes[0..124]);
        bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Both copies, as the file begins.
    pub(super) fn encode_twice(&self) -> Vec<u8> {
        self.encode().repeat(2)
    }

    fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>().ok_or(HeaderFault::Damaged)?;
        if &bytes[0..8] != HEADER_MAGIC || crc32c::crc32c(&bytes[0..124]) != u32_at(bytes, 124) {
            return Err(HeaderFault::Damaged);
        }
        let version = u32_at(bytes, 8);
        if version != FORMAT_VERSION {
            return Err(HeaderFault::Version(version));
        }
        Ok(Self {
            segment: Uuid(array_at(bytes, 16).unwrap_or_default()),
            journal: Uuid(array_at(bytes, 32).unwrap_or_default()),
            first: u64_at(bytes, 48),
            previous_at: At {
                engine: EngineTime(u64_at(bytes, 56)),
                wall: Timestamp(u64_at(bytes, 64).cast_signed()),
            },
            previous_root: Root(array_at(bytes, 72).unwrap_or_default()),
        })
    }
}

/// A header as it was found in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundHeader {
    /// The first good copy, or why there is none.
    pub(super) header: Result<Header, HeaderFault>,
    /// Offset of a copy that is damaged while the other one is good.
    pub(super) damaged_copy: Option<u64>,
}

/// Reads the header, from its second copy when the first is damaged.
pub(super) fn read_header(file: &dyn DiskFile) -> io::Result<FoundHeader> {
    let bytes = read_range(file, 0, DATA_START)?;
    let second = bytes.get(HEADER_BYTES..).unwrap_or(&[]);
    let copies = (Header::decode(&bytes), Header::decode(second));
    Ok(match copies {
        (Ok(header), Ok(again)) if header == again => {
            FoundHeader { header: Ok(header), damaged_copy: None }
        }
        (Ok(header), _) => FoundHeader { header: Ok(header), damaged_copy: Some(128) },
        (Err(_), Ok(header)) => FoundHeader { header: Ok(header), damaged_copy: Some(0) },
        (Err(fault @ HeaderFault::Version(_)), Err(_)) | (Err(_), Err(fault)) => {
            FoundHeader { header: Err(fault), damaged_copy: None }
        }
    })
}

/// What a sealed segment says about itself at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Footer {
    /// Identity of the file, as in its header.
    pub segment: Uuid,
    /// Position of its last record; first − 1 when it has none.
    pub last: u64,
    /// Number of records.
    pub records: u64,
    /// Number of commits.
    pub commits: u64,
    /// Where the footer stands.
    pub offset: u64,
    /// Root over header and commits.
    pub root: Root,
}

impl Footer {
    /// The bytes of it.
    #[must_use]
    pub fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0_u8; FOOTER_BYTES];
        bytes[0..8].copy_from_slice(FOOTER_MAGIC);
        bytes[8..16].copy_from_slice(&self.last.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.records.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.commits.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.offset.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.segment.0);
        bytes[56..88].copy_from_slice(&self.root.0);
        let crc = crc32c::crc32c(&bytes[0..92]);
        bytes[92..96].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads it; none when these bytes are no footer.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<FOOTER_BYTES>()?;
        if &bytes[0..8] != FOOTER_MAGIC || crc32c::crc32c(&bytes[0..92]) != u32_at(bytes, 92) {
            return None;
        }
        Some(Self {
            segment: Uuid(array_at(bytes, 40)?),
            last: u64_at(bytes, 8),
            records: u64_at(bytes, 16),
            commits: u64_at(bytes, 24),
            offset: u64_at(bytes, 32),
            root: Root(array_at(bytes, 56)?),
        })
    }
}

/// The file of the segment that begins at a position.
#[must_use]
pub fn file_name(first: u64) -> String {
    format!("{first:020}.seg")
}

/// The first position that a file name says; none when it is no segment's name.
#[must_use]
pub fn first_of_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let is_ours = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_ours.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            segment: Uuid([1; 16]),
            journal: Uuid([2; 16]),
            first: 3,
            previous_at: At { engine: EngineTime(4), wall: Timestamp(-5) },
            previous_root: Root([6; 32]),
        }
    }

    #[test]
    fn header_and_footer_come_back() {
        assert_eq!(Header::decode(&header().encode()), Ok(header()));
        let footer = Footer {
            segment: Uuid([1; 16]),
            last: 9,
            records: 7,
            commits: 2,
            offset: 4096,
            root: Root([8; 32]),
        };
        assert_eq!(Footer::decode(&footer.encode()), Some(footer));
    }

    #[test]
    fn every_bit_of_a_header_counts() {
        let good = header().encode();
        for bit in 0..good.len() * 8 {
            let mut bent = good;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bent), Err(HeaderFault::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn newer_version_is_named() {
        let mut bytes = header().encode();
        bytes[8] = 9;
        let crc = crc32c::crc32c(&bytes[0..124]).to_le_bytes();
        bytes[124..128].copy_from_slice(&crc);
        assert_eq!(Header::decode(&bytes), Err(HeaderFault::Version(9)));
    }

    #[test]
    fn names_sort_as_their_numbers() {
        assert_eq!(file_name(1), "00000000000000000001.seg");
        assert_eq!(first_of_name(&file_name(u64::MAX)), Some(u64::MAX));
        for other in ["1.seg", "00000000000000000001.tmp", "LOCK", "+0000000000000000001.seg"] {
            assert_eq!(first_of_name(other), None, "{other}");
        }
    }
}
