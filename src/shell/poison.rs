//! Inputs that kill: what is journaled when applying one panics, and when it is passed over.
//!
//! The first panic at a position appends a record that names it, behind everything that was taken
//! in, and the process ends. The restart applies the position again, since a panic may have had a
//! cause that is gone. When that panics too, recovery appends a skip as the first record of a new
//! segment; whoever reads the journal from then on knows it before the position comes up and passes
//! over it. The skip is an input like any other, so that every replay gives the same state.

use crate::engine::input::Input;
use crate::shell::codec::{encode, read_position};
use crate::shell::intake::guard;
use crate::shell::journal::{Journal, Kind, ReadError, Waited};
use crate::shell::recover::{RecoverError, Replay};
use std::time::Duration;

/// Runs what applies inputs. None when it panicked; the panic is reported already, and the caller
/// notes the position that was at work before the process ends.
pub fn contain<T>(work: impl FnOnce() -> T) -> Option<T> {
    guard::guarded(work)
}

/// Journals that applying a position panicked, with everything that waits before it, and waits
/// until the disk has it.
pub fn note(journal: &mut Journal, position: u64) {
    append(journal, Kind::Panic, position);
}

/// Replays the journal; a panic at one position is noted, and a second one there is answered with
/// a skip. Gives the journal back with what it was recovered to.
///
/// # Errors
/// When the journal cannot be read, and after a panic: the next start goes on from there.
pub fn replay(mut journal: Journal, mut replay: Replay) -> Result<(Journal, Replay), RecoverError> {
    let mut reader = journal.reader(replay.read.saturating_add(1));
    let outcome = contain(|| replay.run(&mut reader));
    if let Some(result) = outcome {
        return result.map(|()| (journal, replay));
    }
    let position = replay.at_work;
    let is_second = has_panicked_at(&journal, position);
    let kind = if is_second { Kind::Skip } else { Kind::Panic };
    append(&mut journal, kind, position);
    Err(RecoverError::Poison { position, is_skipped: is_second })
}

fn has_panicked_at(journal: &Journal, position: u64) -> bool {
    let mut reader = journal.reader(position.saturating_add(1));
    loop {
        match reader.next() {
            Ok(Some(record)) => {
                if record.kind == Kind::Panic && read_position(record.payload) == Some(position) {
                    return true;
                }
            }
            // Damage was named when the journal was opened; the reader goes on behind it.
            Err(
                ReadError::Damaged { .. }
                | ReadError::Missing { .. }
                | ReadError::UnknownKind { .. },
            ) => {}
            Ok(None) | Err(_) => return false,
        }
    }
}

fn append(journal: &mut Journal, kind: Kind, position: u64) {
    let at = journal.last_at();
    let appended = journal.append_priority(at, kind, &[&encode(&position)]);
    let durable = journal.durable();
    match appended.and_then(|last| journal.commit().map(|()| last)) {
        Ok(last) if durable.wait_for(last, PATIENCE) == Waited::Durable => {
            tracing::error!(position, kind = kind.as_str(), "applying an input panicked");
        }
        Ok(_) => tracing::error!(position, "applying an input panicked; the disk does not answer"),
        Err(error) => tracing::error!(position, %error, "a panic could not be journaled"),
    }
}

/// Panics at an event of the device that the tests name, in builds for tests only.
#[cfg(debug_assertions)]
pub fn inject(input: &Input<'_>) {
    let Some(device) = std::env::var_os("VIGIE_TEST_PANIC_AT_DEVICE") else { return };
    if let Input::Event(event) = input {
        assert!(*event.device != *device, "injected by a test");
    }
}

/// Nothing: a released program has no faults to inject.
#[cfg(not(debug_assertions))]
pub const fn inject(_: &Input<'_>) {}

const PATIENCE: Duration = Duration::from_secs(5);
