//! The file of what was learnt of series: `baselines` in the state folder.
//!
//! ```text
//! "vigie baselines\n" | version u32 | record* | records u32 | CRC-32C of all before u32
//! record: key, 16 octets | hour of the first value u32 | of the newest u32 | 168 buckets, 8 octets
//! ```
//! Integers are little-endian. The file is written aside and renamed: it is the old one or the new
//! one, whatever happens.

use crate::shell::series::bucket::{Bucket, HOURS};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Names what a baseline is of.
pub(super) type Key = [u8; 16];

/// One baseline.
pub(super) struct Learnt {
    pub(super) key: Key,
    pub(super) began_h: u32,
    pub(super) heard_h: u32,
    pub(super) week: Box<[Bucket; HOURS]>,
}

/// Why a file says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("is not a file of baselines")]
    Foreign,
    #[error("has version {0}, which is not known here")]
    Version(u32),
    #[error("is {0} octets long, which does not fit its {1} records")]
    Torn(usize, u32),
    #[error("is damaged: its checksum is wrong")]
    Checksum,
}

/// Reads the file; one that is not there is empty.
pub(super) fn read(path: &Path) -> Result<Vec<Learnt>, FileError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let rest = bytes.strip_prefix(MAGIC).ok_or(FileError::Foreign)?;
    let (version, rest) = rest.split_first_chunk().ok_or(FileError::Foreign)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(FileError::Version(version));
    }
    let (rest, checksum) = rest.split_last_chunk().ok_or(FileError::Torn(bytes.len(), 0))?;
    let (records, count) = rest.split_last_chunk().ok_or(FileError::Torn(bytes.len(), 0))?;
    let covered = bytes.len().saturating_sub(checksum.len());
    if crc32c::crc32c(bytes.get(..covered).unwrap_or(&[])) != u32::from_le_bytes(*checksum) {
        return Err(FileError::Checksum);
    }
    let count = u32::from_le_bytes(*count);
    let wanted = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(RECORD_BYTES);
    if records.len() != wanted {
        return Err(FileError::Torn(bytes.len(), count));
    }
    Ok(records.chunks_exact(RECORD_BYTES).filter_map(record).collect())
}

fn record(bytes: &[u8]) -> Option<Learnt> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (began_h, rest) = rest.split_first_chunk()?;
    let (heard_h, buckets) = rest.split_first_chunk()?;
    let mut week = Box::new([Bucket::default(); HOURS]);
    for (bucket, octets) in week.iter_mut().zip(buckets.chunks_exact(8)) {
        *bucket = Bucket::from_octets(octets.try_into().ok()?);
    }
    let (began_h, heard_h) = (u32::from_le_bytes(*began_h), u32::from_le_bytes(*heard_h));
    Some(Learnt { key: *key, began_h, heard_h, week })
}

/// Writes the file anew.
pub(super) fn write(path: &Path, all: impl Iterator<Item = Learnt>) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o640).open(&part)?;
    let mut out = Summed { out: BufWriter::with_capacity(BUFFER_BYTES, file), sum: 0 };
    out.put(MAGIC)?;
    out.put(&VERSION.to_le_bytes())?;
    let mut count = 0_u32;
    for Learnt { key, began_h, heard_h, week } in all {
        out.put(&key)?;
        out.put(&began_h.to_le_bytes())?;
        out.put(&heard_h.to_le_bytes())?;
        for bucket in week.iter() {
            out.put(&bucket.to_octets())?;
        }
        count = count.saturating_add(1);
    }
    out.put(&count.to_le_bytes())?;
    let sum = out.sum;
    out.put(&sum.to_le_bytes())?;
    out.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&part, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Puts a file that says nothing out of the way; gives where it is.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = path.with_extension("damaged");
    fs::rename(path, &aside)?;
    Ok(aside)
}

struct Summed {
    out: BufWriter<File>,
    sum: u32,
}

impl Summed {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum = crc32c::crc32c_append(self.sum, bytes);
        self.out.write_all(bytes)
    }
}

const MAGIC: &[u8] = b"vigie baselines\n";
const VERSION: u32 = 1;
const RECORD_BYTES: usize = 16 + 4 + 4 + HOURS * 8;
const BUFFER_BYTES: usize = 256 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_every_damage_is_named() {
        let dir = std::env::temp_dir().join(format!("vigie-baseline-file-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        let path = dir.join("baselines");
        assert!(read(&path).expect("not there").is_empty());
        let mut week = Box::new([Bucket::default(); HOURS]);
        week[7] = Bucket::from_octets([2, 0, 0xff, 0, 0, 0, 0x59, 0x40]);
        let learnt = |key| Learnt { key: [key; 16], began_h: 3, heard_h: 9, week: week.clone() };
        write(&path, [learnt(1), learnt(2)].into_iter()).expect("written");
        let known = read(&path).expect("whole");
        assert_eq!((known.len(), known[1].key, known[1].heard_h), (2, [2; 16], 9));
        assert_eq!(known[1].week, week);
        let bytes = fs::read(&path).expect("there");
        let said = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            read(&path).err().expect("damaged").to_string()
        };
        for at in [0, 17, 21, 500, bytes.len() - 6, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(!said(&damaged).is_empty(), "octet {at}");
        }
        for length in 0..bytes.len().min(64) {
            said(&bytes[..length]);
        }
        assert_eq!(said(&bytes[..bytes.len() - 1]), "is damaged: its checksum is wrong");
        assert!(set_aside(&path).expect("moved").ends_with("baselines.damaged"));
        fs::remove_dir_all(&dir).expect("it can be removed");
    }
}
