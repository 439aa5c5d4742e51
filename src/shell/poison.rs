//! Inputs that kill: what is journaled when applying one panics, and when it is passed over.
//!
//! The first panic at a position appends a record that names it, behind everything that was taken
//! in, and the process ends. The restart applies the position again, since a panic may have had a
//! cause that is gone; what it decides then is journaled behind the panic. When the second try
//! panics too, recovery appends a skip as the first record of a new segment; whoever reads the
//! journal from then on knows it before the position comes up and passes over it. The skip is an
//! input like any other, so that every replay gives the same state.

use crate::engine::input::Input;
use crate::shell::codec::{Decision, encode, read_position};
use crate::shell::intake::guard;
use crate::shell::journal::{Journal, Kind, Waited};
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
/// a skip. Decisions that an earlier panic has kept from the journal are in it at the end, before
/// any sink looks for them. Gives the journal back with what it was recovered to.
///
/// # Errors
/// When the journal cannot be read, and after a panic: the next start goes on from there.
pub fn replay(mut journal: Journal, mut replay: Replay) -> Result<(Journal, Replay), RecoverError> {
    let mut reader = journal.reader(replay.read.saturating_add(1));
    let outcome = contain(|| replay.run(&mut reader));
    if let Some(result) = outcome {
        result?;
        journal_owed(&mut journal, replay.take_owed());
        return Ok((journal, replay));
    }
    let position = replay.at_work;
    let is_second = has_panicked_at(&journal, position);
    let kind = if is_second { Kind::Skip } else { Kind::Panic };
    append(&mut journal, kind, position);
    Err(RecoverError::Poison { position, is_skipped: is_second })
}

fn has_panicked_at(journal: &Journal, position: u64) -> bool {
    let mut reader = journal.reader(position.saturating_add(1));
    // Damage was named when the journal was opened.
    while let Ok(Some(record)) = reader.next_readable() {
        if record.kind == Kind::Panic && read_position(record.payload) == Some(position) {
            return true;
        }
    }
    false
}

fn journal_owed(journal: &mut Journal, owed: Vec<Decision>) {
    let (at, mut last) = (journal.last_at(), None);
    for decision in owed {
        let position = decision.position;
        match journal.append_priority(at, Kind::Decision, &[&encode(&decision)]) {
            Ok(record) => last = Some(record),
            Err(error) => tracing::error!(position, %error, "a late decision was not journaled"),
        }
        tracing::warn!(position, "an input that panicked succeeds now; what it decides is told");
    }
    let Some(last) = last else { return };
    journal.hurry();
    match journal.commit() {
        Ok(()) if journal.durable().wait_for(last, PATIENCE) == Waited::Durable => {}
        Ok(()) => tracing::error!("late decisions wait for a disk that does not answer"),
        Err(error) => tracing::error!(%error, "late decisions were not journaled"),
    }
}

fn append(journal: &mut Journal, kind: Kind, position: u64) {
    let at = journal.last_at();
    let appended = journal.append_priority(at, kind, &[&encode(&position)]);
    let durable = journal.durable();
    journal.hurry();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::Effect;
    use crate::engine::input::{Action, Boot, Command};
    use crate::model::time::{At, EngineTime, Timestamp};
    use crate::shell::journal::{Options, RealDisk};
    use crate::shell::publish::decisions::DecisionLog as _;
    use crate::shell::recover;
    use crate::shell::sinks::JournalDecisions;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn open(state: &Path) -> Journal {
        let options = Options::in_folder(recover::journal_dir(state));
        Journal::open(options, Arc::new(RealDisk)).expect("a journal").0
    }

    /// A journal that ends with a command (a ticket that does not exist) whose step panicked.
    fn panicked_at_a_command(state: &Path) -> u64 {
        let mut journal = open(state);
        let at = At { engine: EngineTime(5), wall: Timestamp(9) };
        let boot = Boot {
            version: String::new(),
            engine_version: crate::engine::ENGINE_VERSION,
            hash_seed: 1,
            downtime_ns: 0,
        };
        journal.append(at, Kind::Boot, &[&encode(&boot)]).expect("room");
        let action = Action::ConfirmTicket { number: "VIG-000001".to_owned() };
        let command = Command { id: 7, author: "ann".to_owned(), action };
        let position = journal.append(at, Kind::Command, &[&encode(&command)]).expect("room");
        note(&mut journal, position);
        journal.close().expect("the disk works");
        position
    }

    fn restart(state: &Path) -> (Journal, Replay) {
        let journal = open(state);
        let last = journal.next_position() - 1;
        let begun = Replay::begin(state, last).expect("a state folder");
        replay(journal, begun).expect("nothing panics any more")
    }

    #[test]
    fn what_an_input_decides_after_it_panicked_once_reaches_the_journal_once() {
        let name = format!("vigie-poison-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        let state = folder.0.as_path();
        std::fs::create_dir_all(state).expect("a temporary folder");
        let position = panicked_at_a_command(state);
        let (journal, recovered) = restart(state);
        assert_eq!(recovered.applied, position);
        let told = |journal: &Journal| {
            let dir = recover::journal_dir(state);
            let mut log = JournalDecisions { dir, durable: journal.durable() };
            log.read(0, position).expect("it can be read")
        };
        let decisions = told(&journal);
        let [decision] = decisions.as_slice() else { panic!("{decisions:?}") };
        assert_eq!((decision.position, decision.ordinal), (position, 0));
        assert!(matches!(&decision.effect, Effect::Answer(answer) if answer.command == 7));
        journal.close().expect("the disk works");

        let (journal, again) = restart(state);
        assert_eq!(again.differences, []);
        assert_eq!(told(&journal), decisions, "not a second time");
        assert_eq!(again.digest_hex(), recovered.digest_hex());
    }
}
