//! What can go wrong with a journal, with what is needed to act.

use std::cmp::Ordering;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// A journal cannot be opened.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another daemon has the folder.
    #[error(
        "journal folder {dir} is in use by {}: stop that one, or give this one another folder",
        .holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// Process that holds it, as far as it said so.
        holder: Option<u32>,
    },
    /// A call failed.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A segment was written by a newer release.
    #[error(
        "{path} has format version {found}, this program knows {known}: start the newer release \
         again, or let it export the journal"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in its header.
        found: u32,
        /// Version that this program writes.
        known: u32,
    },
    /// Two journals were mixed in one folder.
    #[error(
        "{path} belongs to another journal than the segments before it: move the files that do \
         not belong here to another folder, or run `vigie journal repair`"
    )]
    Foreign {
        /// The first file that does not belong.
        path: PathBuf,
    },
}

/// A record or a commit was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AppendError {
    /// No room on the disk. The record was not taken; a commit stays in memory and is written by a
    /// later one.
    #[error("no room for the journal")]
    Full,
    /// The payload is longer than `RECORD_BYTES_MAX`.
    #[error("payload of {bytes} bytes is too large for a record")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A write or a sync failed before: nothing can be appended by this process any more.
    #[error("the journal has failed")]
    Failed,
}

/// A write or a sync failed. What was not reported durable may or may not be on disk; only a
/// restart, which reads the disk again, can tell.
#[derive(Debug, Error)]
#[error("cannot {doing} {path}: the journal stops here")]
pub struct Failure {
    /// What was being done.
    pub doing: &'static str,
    /// To which file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The next record cannot be read. Where [`ReadError::is_passed_over`], the reader goes on with the
/// record after that.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Bytes are not what was written.
    #[error(
        "{path} is damaged at {offset} ({bytes} bytes): {}",
        lost_words(*.lost_from, *.lost_to))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// How many bytes are passed over.
        bytes: u64,
        /// First position that is lost.
        lost_from: u64,
        /// Last position that is lost; before `lost_from` when none is.
        lost_to: u64,
    },
    /// A segment is not there.
    #[error("segment missing before {path}: {}", lost_words(*.lost_from, *.lost_to))]
    Missing {
        /// The segment after the gap.
        path: PathBuf,
        /// First position that is lost.
        lost_from: u64,
        /// Last position that is lost.
        lost_to: u64,
    },
    /// A newer release wrote this record.
    #[error("record {position} is of kind {code}, which this program does not know")]
    UnknownKind {
        /// Its position.
        position: u64,
        /// The byte on disk.
        code: u8,
    },
    /// The position was retired: a snapshot covers it.
    #[error("position {from} was retired, the journal begins at {first}")]
    Retired {
        /// What was asked for.
        from: u64,
        /// First position that is still there.
        first: u64,
    },
    /// The folder cannot be read.
    #[error(transparent)]
    Folder(#[from] JournalError),
}

impl ReadError {
    /// Whether the reader goes on behind it: records are lost, the journal is not.
    #[must_use]
    pub const fn is_passed_over(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Missing { .. } | Self::UnknownKind { .. })
    }
}

pub(super) fn lost_words(from: u64, to: u64) -> String {
    match to.cmp(&from) {
        Ordering::Less => "no record lost".to_owned(),
        Ordering::Equal => format!("record {from} is lost"),
        Ordering::Greater => format!("records {from} to {to} are lost"),
    }
}

/// Whether the system said that there is no room.
pub(in crate::shell) fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
