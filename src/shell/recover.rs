//! From disk to an engine: the newest snapshot, then the journal behind it. The same way for a
//! restart, for `vigie replay` and for the snapshot child.

use crate::engine::Engine;
use crate::engine::digest::RollingDigest;
use crate::engine::effect::Effect;
use crate::engine::input::Input;
use crate::engine::snapshot::{Snapshot, SnapshotError};
use crate::engine::{ENGINE_VERSION, digest};
use crate::model::time::At;
use crate::shell::codec::{Decision, InputReader, Mark, Meaning, read_position};
use crate::shell::journal::{Kind, ReadError, Reader, RealDisk, Record, leading};
use crate::shell::poison;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a state directory cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] ReadError),
    /// A file of the state directory cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A snapshot could not be made.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Applying an input panicked.
    #[error(
        "applying record {position} panicked{}; please report it with the output of `vigie journal \
         dump`", if *.is_skipped {
            " for the second time: from the next start on it is passed over"
        } else {
            ": the next start tries it once more"
        })]
    Poison {
        /// Its position.
        position: u64,
        /// Whether the next start passes over it.
        is_skipped: bool,
    },
    /// The journal begins behind what the newest usable snapshot covers.
    #[error(
        "the journal begins at position {first} and no snapshot of engine version \
         {ENGINE_VERSION} covers what was before; go on with the release that wrote it; or let \
         `vigie journal repair` go on from what is there; or move the state directory away to \
         begin anew"
    )]
    Gap {
        /// First position that is there.
        first: u64,
    },
}

/// An engine being brought up to date.
pub struct Replay {
    /// The engine.
    pub engine: Engine,
    /// Digest of every input applied.
    pub digest: RollingDigest,
    /// Position of the last input applied.
    pub applied: u64,
    /// Both clocks of the last record read.
    pub at: At,
    /// Position of the last record read.
    pub read: u64,
    /// Inputs applied by this run, repeats counted each.
    pub inputs: u64,
    /// The newest mark.
    pub mark: Option<Mark>,
    /// Marks and decisions that this run did not reproduce.
    pub differences: Vec<Difference>,
    /// What could not be read, one sentence each. Behind a hole nothing can be reproduced, so that
    /// differences are looked for up to the next start only.
    pub holes: Vec<String>,
    is_behind_hole: bool,
    /// Positions that this run has passed over.
    pub passed_over: Vec<u64>,
    /// The position being applied; 0 between two of them.
    pub at_work: u64,
    /// Where this run began: decisions on what was before are not compared.
    begun_at: u64,
    skips: BTreeSet<u64>,
    inputs_read: InputReader,
    /// Decisions of the last input applied.
    expected: Vec<Expected>,
    /// Decisions of an input that panicked when it was taken in, and did not when it was applied
    /// again. Nobody has journaled them yet.
    owed: Vec<Decision>,
    effects: Vec<Effect>,
}

/// A decision that this run has made.
struct Expected {
    decision: Decision,
    is_journaled: bool,
}

/// Something that was journaled otherwise than this run decides it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Position of the input.
    pub position: u64,
    /// What differs.
    pub what: &'static str,
}

/// Differences kept; one is enough to look into.
const DIFFERENCES_MAX: usize = 16;

impl Replay {
    /// Begins with the newest usable snapshot of the directory, or with nothing. A snapshot of what
    /// the journal does not have (its end is `last`) belongs to another journal.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn begin(state_dir: &Path, last: u64) -> Result<Self, RecoverError> {
        let mut replay = Self::from_nothing().passing_over(skips(&journal_dir(state_dir))?);
        for path in snapshots(state_dir)?.into_iter().rev() {
            let bytes = fs::read(&path)
                .map_err(|source| RecoverError::File { path: path.clone(), source })?;
            match Snapshot::from_bytes(&bytes) {
                Ok(snapshot) if snapshot.position > last => {
                    tracing::warn!(
                        path = %path.display(),
                        last,
                        "the journal ends before this snapshot: passed over"
                    );
                }
                Ok(snapshot) => {
                    replay.digest = RollingDigest::continuing(snapshot.digest);
                    replay.applied = snapshot.position;
                    replay.read = snapshot.position;
                    replay.begun_at = snapshot.position;
                    replay.engine = snapshot.engine;
                    return Ok(replay);
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "snapshot passed over");
                }
            }
        }
        Ok(replay)
    }

    /// Begins at the beginning of the journal.
    #[must_use]
    pub fn from_nothing() -> Self {
        Self {
            engine: Engine::new(),
            digest: RollingDigest::continuing([0; 32]),
            applied: 0,
            at: At::default(),
            read: 0,
            inputs: 0,
            mark: None,
            differences: Vec::new(),
            holes: Vec::new(),
            is_behind_hole: false,
            passed_over: Vec::new(),
            at_work: 0,
            begun_at: 0,
            skips: BTreeSet::new(),
            inputs_read: InputReader::default(),
            expected: Vec::new(),
            owed: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// With positions that are not to be applied; see [`skips`].
    #[must_use]
    pub fn passing_over(mut self, skips: BTreeSet<u64>) -> Self {
        self.skips = skips;
        self
    }

    /// For a repair: a journal whose first records are gone, and that no snapshot covers, counts
    /// from `first` on.
    pub fn accept_late_beginning(&mut self, first: u64) {
        let covered = self.applied.max(self.read);
        if first > covered.saturating_add(1) {
            self.holes.push(format!(
                "records {} to {} are lost",
                covered.saturating_add(1),
                first.saturating_sub(1)
            ));
            self.is_behind_hole = true;
            self.read = first.saturating_sub(1);
        }
    }

    /// Applies every record that the reader has, from the one behind [`Replay::read`] on.
    ///
    /// # Errors
    /// When the journal cannot be read or does not go on where the snapshot ends.
    pub fn run(&mut self, reader: &mut Reader) -> Result<(), RecoverError> {
        loop {
            let record = match reader.next() {
                Ok(Some(record)) => record,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.hole(error)?;
                    continue;
                }
            };
            let is_first = self.read == 0 && self.applied == 0 && self.holes.is_empty();
            if is_first && record.position > 1 {
                return Err(RecoverError::Gap { first: record.position });
            }
            if record.position > self.read {
                self.record(&record);
            }
        }
    }

    /// Damage is named and passed over: what is behind it still counts.
    fn hole(&mut self, error: ReadError) -> Result<(), RecoverError> {
        if !error.is_passed_over() || self.holes.len() >= HOLES_MAX {
            return Err(error.into());
        }
        tracing::error!(%error, "the journal has a hole; what follows it still counts");
        self.holes.push(error.to_string());
        self.is_behind_hole = true;
        Ok(())
    }

    /// Applies records up to a position.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn run_until(&mut self, reader: &mut Reader, position: u64) -> Result<(), RecoverError> {
        while self.read < position {
            match reader.next() {
                Ok(Some(record)) if record.position > position => return Ok(()),
                Ok(Some(record)) => {
                    if record.position > self.read {
                        self.record(&record);
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => self.hole(error)?,
            }
        }
        Ok(())
    }

    /// Applies one record.
    pub fn record(&mut self, record: &Record<'_>) {
        self.read = record.position;
        self.at = record.at;
        match record.kind {
            Kind::Mark => self.compare_mark(record),
            Kind::Decision => self.compare_decision(record),
            Kind::Panic => self.owe(record),
            _ => self.input(record),
        }
    }

    fn input(&mut self, record: &Record<'_>) {
        let Ok(meaning) = self.inputs_read.read(record.kind, record.payload) else {
            self.differ(record.position, "a record whose payload cannot be read was passed over");
            return;
        };
        self.digest.input(record.position, record.kind.code(), record.payload);
        self.applied = record.position;
        let Meaning::Input(input) = meaning else { return };
        if self.skips.contains(&record.position) {
            tracing::error!(position = record.position, "an input is passed over");
            self.passed_over.push(record.position);
            return;
        }
        // Whoever started here had read the journal with its hole, as this run has.
        self.is_behind_hole &= record.kind != Kind::Boot;
        self.inputs = self.inputs.saturating_add(match &input {
            Input::Repeats(repeats) => u64::try_from(repeats.len()).unwrap_or(u64::MAX),
            _ => 1,
        });
        self.effects.clear();
        self.at_work = record.position;
        poison::inject(&input);
        self.engine.step(record.at, record.position, &input, &mut self.effects);
        self.at_work = 0;
        self.digest.effects(&self.effects);
        self.expected.clear();
        for (ordinal, effect) in (0_u32..).zip(self.effects.drain(..)) {
            if effect.is_decision() {
                let decision = Decision { position: record.position, ordinal, effect };
                self.expected.push(Expected { decision, is_journaled: false });
            }
        }
    }

    /// The panic came before the input's decisions could be journaled, and this run has made them.
    fn owe(&mut self, record: &Record<'_>) {
        let position = read_position(record.payload);
        let made = self.expected.iter().filter(|one| !one.is_journaled);
        let made = made.filter(|one| Some(one.decision.position) == position);
        self.owed.extend(made.map(|one| one.decision.clone()));
    }

    /// Decisions of inputs that panicked at first and not when they were applied again: to be
    /// journaled behind everything else, so that sinks find them.
    pub fn take_owed(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.owed)
    }

    /// What was decided stays decided: a replay that decides otherwise is at fault, and says so.
    fn compare_decision(&mut self, record: &Record<'_>) {
        let Some(journaled) = Decision::read(record.payload) else {
            self.differ(record.position, "a decision cannot be read");
            return;
        };
        // A repair takes decisions along that a sink may not have yet.
        if journaled.position <= self.begun_at {
            return;
        }
        let owed = self.owed.len();
        self.owed.retain(|one| *one != journaled);
        let mut is_made = self.owed.len() < owed;
        for one in self.expected.iter_mut().filter(|one| one.decision == journaled) {
            one.is_journaled = true;
            is_made = true;
        }
        if !is_made {
            self.differ(journaled.position, "a journaled decision is not reproduced");
        }
    }

    fn compare_mark(&mut self, record: &Record<'_>) {
        let Some(mark) = Mark::read(record.payload) else { return };
        if mark.engine_version == ENGINE_VERSION
            && mark.position == self.applied
            && mark.digest != self.digest.value()
        {
            self.differ(record.position, "the digest differs from the journaled mark");
        }
        // The writer begins anew from the mark's value, so that a snapshot taken here can too.
        self.digest.checkpoint();
        self.mark = Some(mark);
    }

    fn differ(&mut self, position: u64, what: &'static str) {
        if self.is_behind_hole {
            return;
        }
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(Difference { position, what });
        }
        tracing::error!(position, what, "replay differs from the journal");
    }

    /// The state now, as a snapshot. The digest goes on from the snapshot's, so that a run that
    /// begins with it and one that does not give the same marks.
    #[must_use]
    pub fn into_snapshot(self) -> Snapshot {
        Snapshot {
            engine_version: ENGINE_VERSION,
            position: self.applied,
            digest: self.digest.value(),
            engine: self.engine,
        }
    }

    /// The digest as text.
    #[must_use]
    pub fn digest_hex(&self) -> String {
        digest::to_hex(&self.digest.value())
    }
}

/// Positions that recovery has decided to pass over. Each such decision is the first record of its
/// segment, so that it is known before the position itself comes up.
///
/// # Errors
/// When the journal cannot be read.
pub fn skips(journal_dir: &Path) -> Result<BTreeSet<u64>, RecoverError> {
    let found = leading(journal_dir, Arc::new(RealDisk), Kind::Skip).map_err(ReadError::from)?;
    Ok(found.iter().filter_map(|payload| read_position(payload)).collect())
}

/// Folder of the journal in a state directory.
#[must_use]
pub fn journal_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("journal")
}

fn snapshot_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("snapshots")
}

/// Snapshot files, oldest first.
fn snapshots(state_dir: &Path) -> Result<Vec<PathBuf>, RecoverError> {
    let dir = snapshot_dir(state_dir);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(RecoverError::File { path: dir, source }),
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "snap"))
        .collect();
    paths.sort();
    Ok(paths)
}

/// Writes a snapshot durably and removes all but the newest two.
///
/// # Errors
/// When a file cannot be written.
pub fn write_snapshot(state_dir: &Path, snapshot: &Snapshot) -> Result<PathBuf, RecoverError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let dir = snapshot_dir(state_dir);
    let path = dir.join(format!("{:020}.snap", snapshot.position));
    let part = dir.join(format!("{:020}.part", snapshot.position));
    let in_file = |source| RecoverError::File { path: path.clone(), source };
    fs::create_dir_all(&dir).map_err(in_file)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o640);
    let mut file = options.open(&part).map_err(in_file)?;
    let mut written = Ok(());
    let encoded = snapshot.write(&mut |piece| {
        written = file.write_all(piece);
        written.is_ok()
    });
    let placed = written
        .and_then(|()| file.sync_all())
        .map_err(in_file)
        .and_then(|()| Ok(encoded?))
        .and_then(|()| fs::rename(&part, &path).map_err(in_file));
    if placed.is_err() {
        // What is left of it only takes room, most likely where there is none.
        let _ = fs::remove_file(&part);
    }
    placed?;
    fs::File::open(&dir).and_then(|dir| dir.sync_all()).map_err(in_file)?;
    let mut known = snapshots(state_dir)?;
    known.truncate(known.len().saturating_sub(SNAPSHOTS_KEPT));
    for old in known {
        // A snapshot that cannot be removed costs room, not truth.
        let _ = fs::remove_file(old);
    }
    Ok(path)
}

/// Removes what snapshots have left that were not finished, as when the host went down.
pub fn remove_unfinished_snapshots(state_dir: &Path) {
    let entries = fs::read_dir(snapshot_dir(state_dir)).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.extension().is_some_and(|end| end == "part") {
            // One that cannot be removed costs room, not truth.
            let _ = fs::remove_file(path);
        }
    }
}

/// Position that is covered even if the newest snapshot should be damaged.
#[must_use]
pub fn covered_by_snapshots(state_dir: &Path) -> Option<u64> {
    let known = snapshots(state_dir).ok()?;
    let older = known.len().checked_sub(SNAPSHOTS_KEPT)?;
    known.get(older)?.file_stem()?.to_str()?.parse().ok()
}

/// Position of the newest snapshot, by its name.
#[must_use]
pub fn newest_snapshot(state_dir: &Path) -> Option<u64> {
    snapshots(state_dir).ok()?.last()?.file_stem()?.to_str()?.parse().ok()
}

const SNAPSHOTS_KEPT: usize = 2;
/// Holes passed over; a journal with more of them is no journal.
const HOLES_MAX: usize = 1_000;
