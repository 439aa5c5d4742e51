//! Repair of a journal that is damaged: what can still be known goes on under a new identity.
//!
//! In: a state folder on which no daemon runs. Out: a journal of which `verify` finds nothing
//! wrong, which begins behind the old one with a snapshot of everything that could be read; and the
//! old one whole, in a folder of its own. Nothing is deleted and no position is given twice.

use crate::engine::ENGINE_VERSION;
use crate::engine::snapshot::Snapshot;
use crate::shell::codec::{Decision, Mark, encode};
use crate::shell::journal::{
    AppendError, Ended, Journal, JournalError, Kind, Options, ReadError, RealDisk, Recovery, found,
    verify,
};
use crate::shell::poison;
use crate::shell::recover::{self, RecoverError, Replay};
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why nothing was repaired. The journal is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The journal cannot be opened; while a daemon runs on it, it is not touched.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal cannot be applied.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The new journal cannot be written.
    #[error("the new journal cannot be written: {0}")]
    Append(#[from] AppendError),
    /// A file could not be moved.
    #[error("cannot move {path}: {source}")]
    Move {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What was done.
#[derive(Debug)]
pub enum Outcome {
    /// There was nothing to repair.
    Sound,
    /// A new journal is in place.
    Repaired(Box<Repaired>),
}

/// What a repair did.
#[derive(Debug, Default)]
pub struct Repaired {
    /// What was wrong, a sentence each.
    pub wrong: Vec<String>,
    /// What could not be read and is lost, a sentence each.
    pub lost: Vec<String>,
    /// Identity of the new journal.
    pub journal_uuid: String,
    /// Its first position.
    pub first: u64,
    /// Inputs that the state at its beginning rests on, as far as they were read now.
    pub inputs: u64,
    /// Decisions that Kafka may not have yet, taken along.
    pub carried: u64,
    /// Where the old journal is.
    pub old: PathBuf,
}

/// Repairs the journal of a state folder.
///
/// # Errors
/// Whatever kept it from being repaired.
pub fn repair(state_dir: &Path) -> Result<Outcome, RepairError> {
    let dir = recover::journal_dir(state_dir);
    let (journal, recovery, mut wrong) = open(&dir)?;
    let problems = verify(&dir, Arc::new(RealDisk))?.problems;
    wrong.extend(problems.iter().map(|one| format!("{}:{}: {}", one.file, one.offset, one.what)));
    if wrong.is_empty() {
        return Ok(Outcome::Sound);
    }
    let last = journal.next_position().saturating_sub(1);
    let mut replay = Replay::begin(state_dir, last)?;
    replay.accept_late_beginning(verify(&dir, Arc::new(RealDisk))?.first);
    let (journal, replay) = poison::replay(journal, replay)?;
    // Recovery may have journaled decisions that were owed.
    let last = journal.next_position().saturating_sub(1);
    let fresh = state_dir.join("journal.repaired");
    // What an earlier repair has left when it was interrupted.
    let _ = std::fs::remove_dir_all(&fresh);
    let root = verify(&dir, Arc::new(RealDisk))?.root;
    let journal_uuid = found(&fresh, Arc::new(RealDisk), &Ended { last, at: replay.at, root })?;
    let carried = carry(&journal, &fresh, &replay, last)?;
    let old = state_dir.join(format!("journal-{}", recovery.journal_uuid));
    let repaired = Repaired {
        wrong,
        lost: replay.holes.clone(),
        journal_uuid: journal_uuid.to_string(),
        first: last.saturating_add(1),
        inputs: replay.inputs,
        carried,
        old: old.clone(),
    };
    let snapshot = Snapshot { position: last, ..replay.into_snapshot() };
    recover::write_snapshot(state_dir, &snapshot)?;
    let moved = |path: &Path| {
        let path = path.to_owned();
        move |source| RepairError::Move { path, source }
    };
    exchange(&fresh, &dir).map_err(moved(&dir))?;
    std::fs::rename(&fresh, &old).map_err(moved(&fresh))?;
    std::fs::File::open(state_dir).and_then(|dir| dir.sync_all()).map_err(moved(state_dir))?;
    drop(journal);
    Ok(Outcome::Repaired(Box::new(repaired)))
}

/// Opens the journal as a start does. Segments that a start refuses are set aside first.
fn open(dir: &Path) -> Result<(Journal, Recovery, Vec<String>), RepairError> {
    let mut wrong = Vec::new();
    loop {
        let refused = match Journal::open(Options::in_folder(dir), Arc::new(RealDisk)) {
            Ok((journal, recovery)) => {
                let corruptions = recovery.corruptions.iter();
                wrong.extend(corruptions.filter(|one| !one.is_known).map(ToString::to_string));
                return Ok((journal, recovery, wrong));
            }
            Err(error @ (JournalError::Foreign { .. } | JournalError::Version { .. })) => error,
            Err(error) => return Err(error.into()),
        };
        wrong.push(refused.to_string());
        if let JournalError::Foreign { path } | JournalError::Version { path, .. } = refused {
            let quarantine = dir.join("quarantine");
            let name = path.file_name().unwrap_or_default();
            std::fs::create_dir_all(&quarantine)
                .and_then(|()| std::fs::rename(&path, quarantine.join(name)))
                .map_err(|source| RepairError::Move { path: path.clone(), source })?;
        }
    }
}

/// Writes the beginning of the new journal: a mark, so that sinks go on where they were, and the
/// decisions that Kafka may not have yet.
fn carry(journal: &Journal, fresh: &Path, replay: &Replay, last: u64) -> Result<u64, RepairError> {
    let kafka_cursor = replay.mark.as_ref().map_or(0, |mark| mark.kafka_cursor);
    let (mut new, _) = Journal::open(Options::in_folder(fresh), Arc::new(RealDisk))?;
    let mark = Mark {
        engine_version: ENGINE_VERSION,
        position: last,
        digest: replay.digest.value(),
        kafka_cursor,
    };
    new.append(replay.at, Kind::Mark, &[&encode(&mark)])?;
    // Without a cursor, Kafka is off or has never had anything.
    let carried =
        if kafka_cursor > 0 { carry_decisions(journal, &mut new, kafka_cursor)? } else { 0 };
    new.close()?;
    Ok(carried)
}

fn carry_decisions(old: &Journal, new: &mut Journal, after: u64) -> Result<u64, RepairError> {
    let mut carried = 0_u64;
    let mut reader = old.reader(after.saturating_add(1));
    loop {
        match reader.next_readable() {
            Ok(Some(record)) if record.kind == Kind::Decision => {
                let is_owed = Decision::read(record.payload)
                    .is_some_and(|decision| decision.position > after);
                if is_owed {
                    new.append(record.at, Kind::Decision, &[record.payload])?;
                    new.commit()?;
                    carried = carried.saturating_add(1);
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => return Ok(carried),
            Err(ReadError::Retired { first, .. }) => reader = old.reader(first),
            Err(error) => return Err(RecoverError::from(error).into()),
        }
    }
}

/// Exchanges two folders in one step, so that there is a journal at every moment.
#[expect(unsafe_code, reason = "std has no call that exchanges two names")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    let one = CString::new(one.as_os_str().as_bytes())?;
    let other = CString::new(other.as_os_str().as_bytes())?;
    // SAFETY: both are strings that end with a zero and live until the call returns.
    let status = unsafe {
        libc::renameat2(
            libc::AT_FDCWD,
            one.as_ptr(),
            libc::AT_FDCWD,
            other.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
