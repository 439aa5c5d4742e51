//! From the state directory to an engine at work: what the journal holds is replayed, what is known
//! is shown, and the first inputs of this run are journaled.

use crate::engine::input::{Boot, Input};
use crate::engine::{ENGINE_VERSION, Engine};
use crate::model::time::{At, EngineTime};
use crate::shell::clock::EngineClock;
use crate::shell::clock_quality;
use crate::shell::codec::encode;
use crate::shell::config::{Config, Sync as SyncPromise};
use crate::shell::daemon::StartError;
use crate::shell::journal::{Journal, Kind, Options, RealDisk};
use crate::shell::new_settings::NewSettings;
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::outbox::{Outbox, OutboxEnd, Staged};
use crate::shell::poison;
use crate::shell::publish::Published;
use crate::shell::recover::{self, Replay};
use crate::shell::sequencer::Sequencer;
use crate::shell::shared::Shared;
use crate::shell::supervise::Supervision;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
/// Everything that exists before the listeners are opened.
pub(in crate::shell) struct Core {
    pub(in crate::shell) journal: Journal,
    pub(in crate::shell) replay: Replay,
    pub(in crate::shell) journal_uuid: String,
    pub(in crate::shell) clock: EngineClock,
    pub(in crate::shell) hash_seed: u64,
}

/// Makes the folder, and finds out now whether it can be written: later errors would name files of
/// which an operator knows nothing.
fn make_writable(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let probe = dir.join(format!(".probe-{}", std::process::id()));
    std::fs::File::create(&probe)?;
    std::fs::remove_file(&probe)
}

/// Opens and replays the journal.
pub(in crate::shell) fn open_core(config: &Config) -> Result<Core, StartError> {
    let dir = &config.state.dir;
    make_writable(dir).map_err(|source| StartError::StateFolder { path: dir.clone(), source })?;
    let mut options = Options::in_folder(recover::journal_dir(dir));
    options.segment_bytes = config.journal.segment_bytes;
    options.retain_bytes = config.journal.retain_bytes;
    options.check_from = recover::newest_snapshot(dir).unwrap_or(0);
    if config.journal.sync == SyncPromise::Kernel {
        options = options.trusting_the_kernel();
    }
    let (journal, recovery) = Journal::open(options, Arc::new(RealDisk))?;
    for corruption in &recovery.corruptions {
        tracing::error!(
            "the journal is damaged: {corruption}; `vigie journal repair` ends the report"
        );
    }
    if recovery.truncated_bytes > 0 {
        let bytes = recovery.truncated_bytes;
        tracing::warn!(bytes, "a torn end of the journal was cut off");
    }
    let last_position = recovery.last.map_or(0, |(position, _)| position);
    let (journal, replay) = poison::replay(journal, Replay::begin(dir, last_position)?)?;
    let last = recovery.last.map_or(At::default(), |(_, at)| at);
    let start = EngineTime(last.engine.0.max(replay.at.engine.0).saturating_add(1));
    let hash_seed = random_seed()
        .map_err(|source| StartError::System { doing: "reading /dev/urandom", source })?;
    Ok(Core {
        journal_uuid: recovery.journal_uuid.to_string(),
        journal,
        replay,
        clock: EngineClock::starting_at(start),
        hash_seed,
    })
}

fn random_seed() -> io::Result<u64> {
    use std::io::Read as _;
    let mut bytes = [0_u8; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// The sequencer, and what it gives back at its end.
pub(in crate::shell) type SequencerThread = JoinHandle<(Journal, Engine, [u8; 32])>;

/// Starts outbox and sequencer; shows what recovery knows; journals boot, clock and settings.
pub(in crate::shell) fn boot(
    (journal, replay, clock, hash_seed): (Journal, Replay, EngineClock, u64),
    shared: &Arc<Shared>,
    (counters, end): (Vec<Arc<ListenerCounters>>, OutboxEnd),
    (supervision, out): (Supervision, Outbox),
) -> io::Result<(SequencerThread, JoinHandle<()>)> {
    let outbox = std::thread::Builder::new().name("outbox".to_owned()).spawn(move || out.run())?;
    let at = clock.at();
    let mut effects = Vec::new();
    replay.engine.show_everything(at, &mut effects);
    let position = replay.applied;
    let effects: Vec<Published> = (0_u32..)
        .zip(effects)
        .map(|(ordinal, effect)| Published { position, ordinal, at, effect })
        .collect();
    if !effects.is_empty() {
        end.stage(Staged { durable_at: position, effects, is_known: true });
    }
    let parts = (journal, replay.engine, replay.digest);
    let mut sequencer = Sequencer::new(parts, clock, Arc::clone(shared), (counters, end));
    let started = Boot {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine_version: ENGINE_VERSION,
        hash_seed,
        downtime_ns: u64::try_from(at.wall.ns_since(replay.at.wall)).unwrap_or(0),
    };
    sequencer.apply(Kind::Boot, &encode(&started), &Input::Boot(started.clone()));
    let quality = clock_quality::read();
    let payload = encode(&quality);
    sequencer.apply(Kind::ClockQuality, &payload, &Input::ClockQuality(quality));
    sequencer.apply_settings(NewSettings::new(supervision.settings).0);
    let thread =
        std::thread::Builder::new().name("sequencer".to_owned()).spawn(move || sequencer.run())?;
    Ok((thread, outbox))
}
