//! What the sinks need from the journal and the configuration.

use crate::shell::codec::Decision;
use crate::shell::config::Kafka;
use crate::shell::journal::{Durable, Kind, ReadError, RealDisk, is_no_room, read_from};
use crate::shell::kafka_link::Properties;
use crate::shell::publish::Published;
use crate::shell::publish::cloud_event::Speaker;
use crate::shell::publish::decisions::DecisionLog;
use crate::shell::publish::feed::FeedEnd;
use crate::shell::publish::publisher::PublisherStart;
use crate::shell::publish::settings::KafkaSettings;
use crate::shell::store::{Store, StoreError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Decisions again from the journal, for a sink that is behind.
pub struct JournalDecisions {
    /// Folder of the journal.
    pub dir: PathBuf,
    /// How far it is durable.
    pub durable: Arc<Durable>,
}

impl DecisionLog for JournalDecisions {
    fn read(&mut self, after: u64, up_to: u64) -> io::Result<Vec<Published>> {
        let up_to = up_to.min(self.durable.position());
        let mut reader = read_from(self.dir.clone(), Arc::new(RealDisk), after.saturating_add(1));
        let mut found: Vec<Published> = Vec::new();
        loop {
            let record = match reader.next() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                // What a sink has had may be gone; what it may not have had is kept.
                Err(ReadError::Retired { first, .. }) => {
                    reader = read_from(self.dir.clone(), Arc::new(RealDisk), first);
                    continue;
                }
                // The start has named the damage. What was in it is lost to this sink, what is
                // behind it is not.
                Err(error) if error.is_passed_over() => continue,
                Err(error) => return Err(io::Error::other(error)),
            };
            if record.position > self.durable.position() {
                break;
            }
            if record.kind != Kind::Decision {
                continue;
            }
            let Some(decision) = Decision::read(record.payload) else { continue };
            if decision.position <= after {
                continue;
            }
            if decision.position > up_to {
                break;
            }
            let is_next_position =
                found.last().is_some_and(|last| last.position != decision.position);
            if is_next_position && found.len() >= DECISIONS_AT_ONCE {
                break;
            }
            found.push(Published {
                position: decision.position,
                ordinal: decision.ordinal,
                at: record.at,
                effect: decision.effect,
            });
        }
        Ok(found)
    }
}

/// Opens the history. One that cannot be read, or that knows positions which the journal does not
/// have (it belongs to another), is set aside, never mixed.
///
/// On a full disk it wants a little room all the same: `make_room` gives some.
///
/// # Errors
/// When the file cannot be opened, or there is no room for that.
pub fn open_store(
    path: &Path,
    applied: u64,
    make_room: impl FnOnce(),
) -> Result<Store, StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Some(parent) = path.parent() {
        // A folder that cannot be made shows when the file cannot be opened.
        let _ = std::fs::create_dir_all(parent);
    }
    // Names and addresses are nobody else's business. SQLite takes a file that is there and empty
    // for a new one, and gives its own files beside it the same mode.
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(path);
    let mut opened = Store::open(path);
    if opened.is_err() && has_no_room(path) {
        make_room();
        opened = Store::open(path);
        // It may be whole: nothing is set aside for want of room.
        if opened.is_err() && has_no_room(path) {
            return Err(StoreError::NoRoom);
        }
    }
    let why = match opened {
        Ok(store) if store.cursor() <= applied => return Ok(store),
        Ok(_) => "the history is of another journal".to_owned(),
        // The history can be made again from now on; supervision cannot wait for it.
        Err(error) if path.exists() => error.to_string(),
        Err(error) => return Err(error),
    };
    let aside = path.with_extension(format!("{}.sqlite", crate::shell::clock::wall().0));
    tracing::warn!(
        path = %path.display(),
        aside = %aside.display(),
        why,
        "the history is set aside, a new one begins"
    );
    // When it cannot be moved, opening it again says so through the cursor at the next start.
    let _ = std::fs::rename(path, aside);
    Store::open(path)
}

/// Whether the disk beside that file takes nothing more.
fn has_no_room(path: &Path) -> bool {
    let probe = path.with_extension("probe");
    let written = std::fs::write(&probe, vec![1; 64 * 1024]);
    let _ = std::fs::remove_file(&probe);
    written.is_err_and(|error| is_no_room(&error))
}

/// The Kafka settings of a configuration, with what was read from files and credentials.
#[must_use]
pub fn kafka_settings(wanted: &Kafka, access: Properties) -> KafkaSettings {
    let mut settings = KafkaSettings::new(&wanted.link.brokers.join(","), "vigie");
    settings.event_topic.clone_from(&wanted.event_topic);
    settings.state_topic.clone_from(&wanted.state_topic);
    settings.properties.extend(wanted.link.properties.iter().cloned());
    settings.access = access;
    settings
}

/// What the Kafka publisher starts with.
#[must_use]
pub fn publisher_start(
    (settings, journal_uuid): (&KafkaSettings, &str),
    cursor: u64,
    feed: FeedEnd,
    journal_dir: &Path,
    durable: Arc<Durable>,
) -> PublisherStart {
    let source = settings.source.clone();
    let speaker = Speaker { source, journal_uuid: journal_uuid.to_owned() };
    let log = JournalDecisions { dir: journal_dir.to_owned(), durable };
    PublisherStart { speaker, cursor, feed, log: Some(Box::new(log)) }
}

/// Version of the time-zone data in use.
#[must_use]
pub fn tzdb_version() -> String {
    let path = ["/usr/share/zoneinfo/tzdata.zi", "/usr/share/zoneinfo/+VERSION"];
    path.into_iter()
        .find_map(|path| {
            let text = std::fs::read_to_string(path).ok()?;
            let first = text.lines().next()?.trim_start_matches("# version ").trim().to_owned();
            (!first.is_empty()).then_some(first)
        })
        .unwrap_or_else(|| "bundled".to_owned())
}

const DECISIONS_AT_ONCE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::Effect;
    use crate::model::time::At;
    use crate::shell::codec::encode;
    use crate::shell::journal::{Journal, Options};

    #[test]
    fn decisions_behind_damage_are_still_read() {
        let name = format!("vigie-sinks-{}-{}", std::process::id(), crate::shell::clock::boot_ns());
        let dir = std::env::temp_dir().join(name);
        let options = Options { reserve_bytes: 0, ..Options::in_folder(&dir) };
        let (mut journal, _) = Journal::open(options, Arc::new(RealDisk)).expect("a new one");
        let durable = journal.durable();
        for position in 1..=3_u64 {
            let effect = Effect::Withdrawn(format!("incident-{position}").into());
            let decision = Decision { position, ordinal: 0, effect };
            let payload = encode(&decision);
            journal.append(At::default(), Kind::Decision, &[&payload]).expect("it has room");
            journal.commit().expect("it is written");
        }
        journal.close().expect("it is on disk");
        let path = dir.join("00000000000000000001.seg");
        let mut bytes = std::fs::read(&path).expect("the segment");
        let place = bytes.windows(10).position(|window| window == b"incident-2");
        bytes[place.expect("the second")] ^= 1;
        std::fs::write(&path, bytes).expect("written back");
        let mut log = JournalDecisions { dir: dir.clone(), durable };
        let read = log.read(0, 3).expect("it goes on");
        let positions: Vec<u64> = read.iter().map(|published| published.position).collect();
        std::fs::remove_dir_all(&dir).expect("removed");
        assert_eq!(positions, [1, 3]);
    }
}
