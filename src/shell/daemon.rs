//! The daemon: brings the state up to date, opens the listeners, starts the threads, and ends them
//! in the order in which messages flow.

use crate::engine::snapshot::Snapshot;
use crate::engine::{ENGINE_VERSION, digest};
use crate::model::contract::Contracts;
use crate::model::diagnostic::Diagnostic;
use crate::shell::alertmanager::{Alertmanager, Parts, Turns};
use crate::shell::api::ApiState;
use crate::shell::api::view::{SharedView, ViewBounds, ViewWriter};
use crate::shell::boot::{Core, SequencerThread, boot, open_core};
use crate::shell::clock::EngineClock;
use crate::shell::commands::Commands;
use crate::shell::config::{Config, Supervised};
use crate::shell::control;
use crate::shell::fd_store::Kept;
use crate::shell::http::HttpListeners;
use crate::shell::intake::http::{Bodies, SampleDoor};
use crate::shell::intake::stop::Stop;
use crate::shell::intake::udp::UdpThread;
use crate::shell::journal::JournalError;
use crate::shell::kafka_link::Links;
use crate::shell::lanes::Lanes;
use crate::shell::listeners::{self, Bound, Intake, ListenError};
use crate::shell::new_settings::NewSettings;
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::observe::metrics::Figures;
use crate::shell::outbox::outbox;
use crate::shell::pipeline::SharedClassifier;
use crate::shell::priority;
use crate::shell::publish::feed::{FEED_EFFECTS_MAX, HISTORY_EFFECTS_MAX, feed};
use crate::shell::publish::publisher::KafkaPublisher;
use crate::shell::readiness::Readiness;
use crate::shell::recover::{self, RecoverError};
use crate::shell::sample_sources::SampleSources;
use crate::shell::self_alarm::{INPUT_SKIPPED, SELF, SelfAlarms};
use crate::shell::series::{BASELINES, Protocol, SAMPLES, SeriesIntake, SeriesParts, Shown};
use crate::shell::shared::{Control, Shared};
use crate::shell::sinks;
use crate::shell::store::thread::StoreThread;
use crate::shell::submission::Way;
use crate::shell::supervise::{self, Supervision};
use crate::shell::upkeep::{Upkeep, Watched};
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Rules or inventory have mistakes.
    #[error("rules or inventory have mistakes:\n{}", list(.0))]
    Mistakes(Vec<Diagnostic>),
    /// Certificates, tokens or passwords cannot be used.
    #[error("certificates, tokens or passwords cannot be used:\n{}", list(.0))]
    Access(Vec<Diagnostic>),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The state cannot be brought up to date.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// A listener cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The history cannot be opened.
    #[error("history: {0}")]
    Store(#[from] crate::shell::store::StoreError),
    /// The state folder cannot be made or written.
    #[error(
        "the state folder {path} cannot be written; give the user that vigie runs as \
         the right to write there, or name another folder with --state-dir"
    )]
    StateFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A thread or socket could not be had.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn list(mistakes: &[Diagnostic]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A running daemon.
pub struct Daemon {
    config: Config,
    shared: Arc<Shared>,
    stop: Arc<Stop>,
    clock: EngineClock,
    classifier: SharedClassifier,
    /// Those in force: the engine lets the ones before go, and they are freed here.
    contracts: Contracts,
    epoch: u32,
    addresses: Vec<(String, SocketAddr)>,
    ledger: Vec<(String, Arc<ListenerCounters>)>,
    view: SharedView,
    udp: Vec<UdpThread>,
    samples: SampleSources,
    series: Arc<SeriesIntake>,
    streams: Vec<tokio::task::JoinHandle<()>>,
    runtime: Runtime,
    http: HttpListeners,
    stop_http: watch::Sender<bool>,
    sequencer: SequencerThread,
    outbox: JoinHandle<()>,
    store: StoreThread,
    kafka: Option<KafkaPublisher>,
    upkeep: Upkeep,
}

/// How a daemon ended.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// Position of the last input.
    pub position: u64,
    /// Digest after it, as text.
    pub digest: String,
}

impl Daemon {
    /// Starts; returns when it listens and has caught up. `given` replaces the inventory files;
    /// `adopted` holds the sockets that systemd handed over, by name.
    ///
    /// # Errors
    /// Whatever keeps it from starting, with the remedy.
    pub fn start(
        config: Config,
        given: Option<Supervised>,
        mut adopted: BTreeMap<String, Vec<OwnedFd>>,
    ) -> Result<Self, StartError> {
        let supervision = supervise::load(&config, given, 1).map_err(StartError::Mistakes)?;
        let http = HttpListeners::load(&config).map_err(StartError::Access)?;
        let links = Links::load(&config).map_err(|unready| {
            StartError::Access(unready.into_iter().map(|one| one.diagnostic).collect())
        })?;
        let mut kept = Kept::sort_out(&mut adopted, &config.listeners);
        kept.forget_unwanted();
        let mut bound = Vec::new();
        for listener in &config.listeners {
            bound.push(listeners::open(listener, &mut adopted, &mut kept)?);
        }
        // A socket that nobody reads swallows what is sent to it: closed now, not after recovery.
        for (name, sockets) in adopted {
            tracing::warn!(
                name,
                count = sockets.len(),
                "no listener has the name of these sockets"
            );
        }
        let core = open_core(&config)?;
        let ledger: Vec<(String, Arc<ListenerCounters>)> = config
            .listeners
            .iter()
            .map(|listener| (listener.name.clone(), Arc::new(ListenerCounters::default())))
            .collect();
        Launch { config, supervision, http, links, bound, core, ledger }.launch()
    }

    /// The addresses listened on, by listener.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.addresses.clone()
    }

    /// What the API shows.
    #[must_use]
    pub fn view(&self) -> SharedView {
        Arc::clone(&self.view)
    }

    /// The ledger of each listener that takes messages in.
    #[must_use]
    pub fn ledger(&self) -> Vec<(String, Arc<ListenerCounters>)> {
        intake_ledger(&self.config, &self.ledger)
    }

    /// The account of samples of each protocol.
    #[must_use]
    pub fn samples(&self) -> Vec<(Protocol, Shown)> {
        self.series.counters().shown().collect()
    }

    /// Reads rules and inventory again, and certificates, tokens and passwords. With mistakes in
    /// any of them the old ones stay.
    ///
    /// # Errors
    /// Every mistake.
    pub fn reload(&mut self) -> Result<(), Vec<Diagnostic>> {
        let epoch = self.epoch.saturating_add(1);
        let Supervision { classifier, settings } = supervise::load(&self.config, None, epoch)?;
        let access = HttpListeners::read_again(&self.config)?;
        // Journal, then engine, then intake: no event is classified by settings that are not there.
        let (new, in_force) = NewSettings::new(Arc::clone(&settings));
        if self.shared.control(Control::Settings(new)).is_err() {
            return Err(vec![Diagnostic::file(
                "reload",
                "too many commands wait",
                "send SIGHUP again in a moment",
            )]);
        }
        if in_force.recv_timeout(SETTINGS_PATIENCE).is_err() {
            tracing::warn!("new settings are still on their way: vigie is very busy");
        }
        self.epoch = epoch;
        self.contracts = settings.contracts.clone();
        self.classifier.store(classifier);
        self.http.exchange(access);
        Ok(())
    }

    /// Ends in the order in which messages flow: intake, sequencer, outbox, sinks; then writes a
    /// last snapshot. What was received is journaled.
    #[must_use]
    pub fn stop(self) -> Stopped {
        self.stop.request(self.clock.now().plus_ns(DRAIN_NS));
        for thread in self.udp {
            // A receive thread that panicked has aborted the process already.
            let _ = thread.join();
        }
        self.samples.join();
        let streams = self.streams;
        self.runtime.block_on(async {
            for stream in streams {
                let _ = stream.await;
            }
        });
        self.upkeep.stop();
        self.shared.is_stopping.store(true, Ordering::Release);
        self.shared.lanes.wake();
        let (journal, engine, digest) =
            self.sequencer.join().expect("a panic of the sequencer aborts the process");
        let _ = self.outbox.join();
        let _ = self.stop_http.send(true);
        let _ = self.store.stop();
        if let Some(kafka) = self.kafka {
            let cursor = kafka.stop(SINK_PATIENCE);
            self.shared.kafka_cursor.store(cursor, Ordering::Release);
        }
        self.runtime.shutdown_timeout(Duration::from_secs(3));
        self.series.save_baselines();
        let applied = self.shared.applied.load(Ordering::Acquire);
        if let Err(error) = journal.close() {
            tracing::error!(%error, "the journal was not closed");
        }
        let position = applied;
        let snapshot = Snapshot { engine_version: ENGINE_VERSION, position, digest, engine };
        if let Err(error) = recover::write_snapshot(&self.config.state.dir, &snapshot) {
            tracing::error!(%error, "no snapshot at the end; the next start replays the journal");
        }
        Stopped { position, digest: digest::to_hex(&digest) }
    }
}

/// What SQLite wants to open a history on a full disk, bytes: its files beside it.
const HISTORY_BYTES_MIN: u64 = 512 * 1024;

/// What [`Daemon::start`] has gathered.
struct Launch {
    config: Config,
    supervision: Supervision,
    http: HttpListeners,
    links: Links,
    bound: Vec<Bound>,
    core: Core,
    ledger: Vec<(String, Arc<ListenerCounters>)>,
}

impl Launch {
    fn launch(self) -> Result<Daemon, StartError> {
        let Self { config, supervision, http, links, bound, core, ledger } = self;
        let Core { mut journal, replay, journal_uuid, clock, hash_seed } = core;
        let system = |doing| move |source| StartError::System { doing, source };
        let applied = replay.applied;
        let passed_over = replay.passed_over.clone();
        let left = replay.engine.active_alarms_of(SELF, "");
        let kafka_cursor = replay.mark.as_ref().map_or(0, |mark| mark.kafka_cursor);
        let shared = Arc::new(Shared::new(Arc::new(Lanes::default())));
        shared.applied.store(applied, Ordering::Release);
        shared.kafka_cursor.store(kafka_cursor, Ordering::Release);
        recover::remove_unfinished_snapshots(&config.state.dir);
        let writer = ViewWriter::new(ViewBounds::default());
        let view = writer.shared();
        let durable = journal.durable();
        let retirement = journal.retirement();
        let (end, mut out) = outbox(Arc::clone(&durable), writer);
        let after = applied.saturating_sub(1);
        let (store_feed, store_end) = feed(after, HISTORY_EFFECTS_MAX);
        let make_room = || journal.give_up_room(HISTORY_BYTES_MIN);
        let store = sinks::open_store(&config.store_path, applied, make_room)?;
        let room = Arc::clone(&shared.room);
        let store = StoreThread::start(store, (store_end, room), config.history)
            .map_err(system("history thread"))?;
        let mut feeds = vec![("history".to_owned(), store_feed.counters())];
        out.history = Some(store_feed);
        let mut kafka = None;
        if let Some((wanted, access)) = config.kafka.as_ref().zip(links.sink) {
            let (kafka_feed, kafka_end) = feed(applied, FEED_EFFECTS_MAX);
            feeds.push(("kafka".to_owned(), kafka_feed.counters()));
            out.decisions = Some(kafka_feed);
            let settings = sinks::kafka_settings(wanted, access);
            let start = sinks::publisher_start(
                (&settings, &journal_uuid),
                kafka_cursor,
                kafka_end,
                &recover::journal_dir(&config.state.dir),
                durable,
            );
            let started = KafkaPublisher::start(settings, start);
            kafka = Some(started.map_err(system("Kafka thread"))?);
        }
        let commands = Commands::new(Arc::clone(&shared), Arc::clone(&out.waiting));
        let outbox_status = Arc::clone(&out.status);
        let classifier: SharedClassifier =
            Arc::new(ArcSwap::new(Arc::clone(&supervision.classifier)));
        let contracts = supervision.settings.contracts.clone();
        let stop = Arc::new(Stop::default());
        let runtime = runtime().map_err(system("runtime"))?;
        let intake = Intake {
            config: &config,
            shared: &shared,
            ledger: &ledger,
            classifier: &classifier,
            stop: &stop,
            clock,
        };
        let opened = intake.start(bound, &runtime, &mut out)?;
        let own = Arc::new(ListenerCounters::default());
        let (alerted, sampled) = (Arc::<ListenerCounters>::default(), Arc::default());
        let listeners = ledger.iter().map(|(_, counters)| counters);
        let counters = listeners.chain([&own, &alerted, &sampled]).map(Arc::clone).collect();
        let listeners = u16::try_from(config.listeners.len()).unwrap_or(u16::MAX);
        let own_alarms = SelfAlarms {
            lanes: Arc::clone(&shared.lanes),
            clock,
            counters: Arc::clone(&own),
            listener: listeners,
        };
        let way = |counters: &Arc<ListenerCounters>| Way {
            lanes: Arc::clone(&shared.lanes),
            counters: Arc::clone(counters),
            clock,
        };
        let series = Arc::new(SeriesIntake::new(SeriesParts {
            way: way(&sampled),
            listener: listeners.saturating_add(2),
            classifier: Arc::clone(&classifier),
            stop: Arc::clone(&stop),
            own: own_alarms.clone(),
            backfill_after: config.metrics.backfill_after,
            baselines: Some(config.state.dir.join(BASELINES)),
        }));
        let sequencer =
            boot((journal, replay, clock, hash_seed), &shared, (counters, end), (supervision, out))
                .map_err(system("sequencer thread"))?;
        let from = (&config, ledger.as_slice());
        let samples =
            SampleSources::start(from, opened.samples, links.sources, &series, runtime.handle())
                .map_err(system("a thread for samples"))?;
        let readiness = Arc::new(Readiness::new(Arc::clone(&shared.room)));
        let metrics = Figures {
            listeners: intake_ledger(&config, &ledger)
                .into_iter()
                .chain([
                    (SELF.to_owned(), own),
                    (ALERTS.to_owned(), Arc::clone(&alerted)),
                    (SAMPLES.to_owned(), sampled),
                ])
                .collect(),
            http: http.counters(),
            shared: Arc::clone(&shared),
            outbox: Arc::clone(&outbox_status),
            store: store.status(),
            kafka: kafka.as_ref().map(KafkaPublisher::status),
            feeds,
            sockets: opened.udp.iter().map(|(_, one)| Arc::clone(one.watch())).collect(),
            series: Arc::clone(&series),
            sources: samples.status(),
            tzdb: sinks::tzdb_version(),
        };
        let (stop_http, stopped) = watch::channel(false);
        let state = ApiState::new(
            Arc::clone(&view),
            Arc::clone(&readiness),
            Arc::new(move || metrics.text()),
        );
        let alertmanager = Alertmanager::new(Parts {
            view: Arc::clone(&view),
            readiness: Arc::clone(&readiness),
            commands: commands.clone(),
            way: way(&alerted),
            listener: listeners.saturating_add(1),
            classifier: Arc::clone(&classifier),
            resolve_timeout: config.alerts.resolve_timeout,
            started_at: clock.at().wall,
            turns: Turns::default(),
        });
        let bodies = Arc::new(Bodies::new(config.metrics.body_bytes_max));
        let state = state
            .with_alertmanager(alertmanager)
            .with_samples(SampleDoor { series: Arc::clone(&series), bodies });
        runtime.spawn(Arc::clone(&series).watch());
        http.serve(&runtime, opened.http, &state, &stopped).map_err(system("HTTP"))?;
        let sock = runtime
            .block_on(async { control::bind(&config.state.dir) })
            .map_err(system("control socket"))?;
        runtime.spawn(control::serve(sock, commands.clone()));
        for position in passed_over {
            own_alarms.raise(INPUT_SKIPPED, &position.to_string(), &skipped_text(position));
        }
        let upkeep = Upkeep::start(
            &config,
            Arc::clone(&shared),
            opened.udp.iter().map(|(index, one)| (*index, Arc::clone(one.watch()))).collect(),
            Watched {
                ledger: ledger.clone(),
                outbox: outbox_status,
                store: store.status(),
                kafka: kafka.as_ref().map(KafkaPublisher::status),
                sources: samples.status(),
                left,
                retirement,
                own: own_alarms,
            },
        )
        .map_err(system("upkeep thread"))?;
        readiness.set_ready();
        Ok(Daemon {
            shared,
            stop,
            clock,
            classifier,
            contracts,
            epoch: 1,
            addresses: opened.addresses,
            ledger,
            view,
            udp: opened.udp.into_iter().map(|(_, thread)| thread).collect(),
            samples,
            series,
            streams: opened.streams,
            runtime,
            http,
            stop_http,
            sequencer: sequencer.0,
            outbox: sequencer.1,
            store,
            kafka,
            upkeep,
            config,
        })
    }
}

fn skipped_text(position: u64) -> String {
    format!(
        "record {position} of the journal made vigie panic twice and is passed over: see it with \
         `vigie journal dump`, and report it"
    )
}

/// The ledgers of the listeners that take messages in.
fn intake_ledger(
    config: &Config,
    ledger: &[(String, Arc<ListenerCounters>)],
) -> Vec<(String, Arc<ListenerCounters>)> {
    config
        .listeners
        .iter()
        .zip(ledger)
        .filter(|(listener, _)| listener.transport.access().is_none())
        .map(|(_, entry)| entry.clone())
        .collect()
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("tokio")
        .on_thread_start(|| priority::stand_back(priority::REQUESTS))
        .enable_all()
        .build()
}

/// Under which name the ledger of posted alerts is shown.
const ALERTS: &str = "alerts";
/// How long intake may drain what was received before a stop, ns.
const DRAIN_NS: u64 = 5_000_000_000;
/// How long a reload waits for its settings to be in force.
const SETTINGS_PATIENCE: Duration = Duration::from_secs(30);
/// How long Kafka may take for what is left at a stop.
const SINK_PATIENCE: Duration = Duration::from_secs(5);
