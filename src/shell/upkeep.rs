//! What is looked after about once a second: kernel drops, clock quality, the watchdog, and the
//! snapshot child.

use crate::engine::input::Loss;
use crate::shell::clock;
use crate::shell::clock_quality::{self, ClockNews, ClockWatch};
use crate::shell::config::Config;
use crate::shell::intake::kafka::SourceStatus;
use crate::shell::intake::udp::UdpWatch;
use crate::shell::journal::Retirement;
use crate::shell::journal_room::Room;
use crate::shell::load_watch::{LoadNews, LoadWatch};
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::outbox::OutboxStatus;
use crate::shell::publish::publisher::PublisherStatus;
use crate::shell::recover;
use crate::shell::self_alarm::{
    ALARMS_FULL, CLOCK_UNSYNCHRONISED, DATA_LOST, JOURNAL_FULL, OVERLOADED, SINK_FAILING,
    SOURCE_FAILING, SelfAlarms,
};
use crate::shell::shared::{Control, Shared};
use crate::shell::store::thread::StoreStatus;
use smol_str::SmolStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What upkeep looks at.
pub struct Watched {
    /// Ledgers, in the order of the listeners.
    pub ledger: Vec<(String, Arc<ListenerCounters>)>,
    /// Outbox.
    pub outbox: Arc<OutboxStatus>,
    /// History.
    pub store: Arc<StoreStatus>,
    /// Kafka, if it is on.
    pub kafka: Option<Arc<PublisherStatus>>,
    /// Sources of samples, by name.
    pub sources: Vec<(String, Arc<SourceStatus>)>,
    /// Alarms about vigie itself that the run before has left: type and qualifier.
    pub left: Vec<(SmolStr, SmolStr)>,
    /// The way to give journal segments back.
    pub retirement: Retirement,
    /// The way in for alarms about vigie itself.
    pub own: SelfAlarms,
}

/// The thread.
pub struct Upkeep {
    is_stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Upkeep {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        config: &Config,
        shared: Arc<Shared>,
        sockets: Vec<(u16, Arc<UdpWatch>)>,
        watched: Watched,
    ) -> io::Result<Self> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let left = |alarm_type: &str, qualifier: &str| {
            let mut all = watched.left.iter();
            all.any(|(known, of)| *known == alarm_type && *of == qualifier)
        };
        let mut rounds = Rounds {
            state_dir: config.state.dir.clone(),
            snapshot_every_ns: u64::try_from(config.state.snapshot_every.as_nanos())
                .unwrap_or(u64::MAX),
            snapshot_at: clock::boot_ns(),
            snapshot_position: shared.applied.load(Ordering::Relaxed),
            child: None,
            quality: clock_quality::read(),
            clock: config.clock_alarm.then(ClockWatch::default),
            dropped: vec![0; sockets.len()],
            shed: vec![0; watched.ledger.len()],
            refused: shared.gauges.load().as_ref().as_ref().map_or(0, |all| all.alarms_refused),
            is_journal_full: left(JOURNAL_FULL, ""),
            failing: (left(SINK_FAILING, "history"), left(SINK_FAILING, "kafka")),
            failing_sources: watched
                .sources
                .iter()
                .map(|(name, _)| left(SOURCE_FAILING, name))
                .collect(),
            seen: Vec::new(),
            shared,
            load: LoadWatch::new(left(OVERLOADED, ""), clock::boot_ns()),
            sockets,
            watched,
        };
        let stopping = Arc::clone(&is_stopping);
        let thread = std::thread::Builder::new().name("upkeep".to_owned()).spawn(move || {
            while !stopping.load(Ordering::Acquire) {
                rounds.round();
                std::thread::park_timeout(Duration::from_secs(1));
            }
            rounds.end();
        })?;
        Ok(Self { is_stopping, thread })
    }

    /// Ends it, and a snapshot child with it.
    pub fn stop(self) {
        self.is_stopping.store(true, Ordering::Release);
        self.thread.thread().unpark();
        let _ = self.thread.join();
    }
}

struct Rounds {
    state_dir: PathBuf,
    snapshot_every_ns: u64,
    snapshot_at: u64,
    snapshot_position: u64,
    child: Option<Child>,
    quality: crate::engine::input::ClockQuality,
    clock: Option<ClockWatch>,
    dropped: Vec<u64>,
    shed: Vec<u64>,
    refused: u64,
    load: LoadWatch,
    is_journal_full: bool,
    failing: (bool, bool),
    failing_sources: Vec<bool>,
    seen: Vec<u64>,
    shared: Arc<Shared>,
    sockets: Vec<(u16, Arc<UdpWatch>)>,
    watched: Watched,
}

impl Rounds {
    fn round(&mut self) {
        if let Some(kafka) = &self.watched.kafka {
            self.shared.kafka_cursor.store(kafka.cursor(), Ordering::Release);
        }
        self.note_drops();
        self.note_shed();
        self.note_load();
        self.note_refused();
        self.note_room();
        self.note_sinks();
        self.note_sources();
        self.note_clock();
        self.feed_watchdog();
        self.snapshot();
    }

    /// Datagrams that the kernel dropped are a known loss, and an input.
    fn note_drops(&mut self) {
        for ((listener, thread), before) in self.sockets.iter().zip(&mut self.dropped) {
            let now = thread.kernel_drops();
            let count = now.saturating_sub(*before);
            *before = now;
            if count > 0 {
                let name = self
                    .watched
                    .ledger
                    .get(usize::from(*listener))
                    .map(|(name, _)| name.clone())
                    .unwrap_or_default();
                tracing::error!(listener = name, count, "the kernel dropped datagrams");
                let text = format!("{name}: the kernel dropped {count} datagrams");
                self.watched.own.raise(DATA_LOST, &name, &text);
                let reason = "kernel-dropped".to_owned();
                // When too many inputs wait, the counter on /metrics still has it.
                let _ = self.shared.control(Control::Loss(Loss { listener: name, reason, count }));
            }
        }
    }

    /// So are messages that were shed.
    ///
    /// While the journal has no room that alarm says it all, and its reserve is not for counts:
    /// they are told when there is room again.
    fn note_shed(&mut self) {
        if self.shared.room.get() != Room::Enough {
            return;
        }
        for ((name, ledger), before) in self.watched.ledger.iter().zip(&mut self.shed) {
            let now = ledger.shed().map(|(_, _, count)| count).fold(0, u64::saturating_add);
            let count = now.saturating_sub(*before);
            *before = now;
            if count > 0 {
                tracing::error!(listener = name, count, "messages were shed");
                let text = format!(
                    "{name}: {count} messages were shed, under overload or for want of disk"
                );
                self.watched.own.raise(DATA_LOST, name, &text);
                let reason = "shed".to_owned();
                let loss = Loss { listener: name.clone(), reason, count };
                let _ = self.shared.control(Control::Loss(loss));
            }
        }
    }

    /// Before anything is shed, that it may be.
    fn note_load(&mut self) {
        let lanes = &self.shared.lanes;
        let own = &self.watched.own;
        match self.load.look(lanes.is_overloaded(), lanes.overloads(), clock::boot_ns()) {
            Some(LoadNews::Raise) => {
                tracing::error!("more is sent than vigie takes: chatty devices wait");
                own.raise(
                    OVERLOADED,
                    "",
                    "more is sent than vigie takes: devices that send too much wait, see \
                     vigie_sources_demoted; if that is not enough, messages are shed",
                );
            }
            Some(LoadNews::Clear) => own.clear(OVERLOADED, "", "vigie takes what is sent"),
            None => {}
        }
    }

    /// And alarms that were not held.
    fn note_refused(&mut self) {
        let gauges = self.shared.gauges.load();
        let now = gauges.as_ref().as_ref().map_or(0, |all| all.alarms_refused);
        let count = now.saturating_sub(self.refused);
        self.refused = now;
        if count > 0 {
            tracing::error!(count, "too many alarms: messages about further ones are counted only");
            let text = format!("{count} messages were about alarms beyond the limit");
            self.watched.own.raise(ALARMS_FULL, "", &text);
        }
    }

    /// And a journal that takes but the most urgent.
    fn note_room(&mut self) {
        let is_full = self.shared.room.get() != Room::Enough;
        let own = &self.watched.own;
        match turn(&mut self.is_journal_full, is_full) {
            Some(true) => own.raise(
                JOURNAL_FULL,
                "",
                "no room on the disk of the journal: new alarms are refused and counted as shed, \
                 clears and commands are taken as long as the reserve lasts; free some",
            ),
            Some(false) => own.clear(JOURNAL_FULL, "", "the journal has room again"),
            None => {}
        }
    }

    fn note_sinks(&mut self) {
        let history = self.watched.store.is_failing();
        let kafka = self.watched.kafka.as_ref().is_some_and(|kafka| kafka.is_failing());
        for (name, now, before) in
            [("history", history, &mut self.failing.0), ("kafka", kafka, &mut self.failing.1)]
        {
            match turn(before, now) {
                Some(true) => {
                    let text = format!("{name} cannot be written; what is for it waits");
                    self.watched.own.raise(SINK_FAILING, name, &text);
                }
                Some(false) => {
                    self.watched.own.clear(SINK_FAILING, name, &format!("{name} is written again"));
                }
                None => {}
            }
        }
    }

    fn note_sources(&mut self) {
        for ((name, status), before) in self.watched.sources.iter().zip(&mut self.failing_sources) {
            match turn(before, status.is_failing()) {
                Some(true) => {
                    let words = status.words();
                    tracing::error!(source = name, words, "the source cannot be read");
                    let text =
                        format!("{name} cannot be read, or not all of it; it waits there: {words}");
                    self.watched.own.raise(SOURCE_FAILING, name, &text);
                }
                Some(false) => {
                    self.watched.own.clear(SOURCE_FAILING, name, &format!("{name} is read again"));
                }
                None => {}
            }
        }
    }

    fn note_clock(&mut self) {
        let quality = clock_quality::read();
        let now_ns = clock::boot_ns();
        let news = self.clock.as_mut().and_then(|one| one.look(quality.is_synchronised, now_ns));
        let own = &self.watched.own;
        match news {
            Some(ClockNews::Raise) => own.raise(
                CLOCK_UNSYNCHRONISED,
                "",
                "the wall clock has not been synchronised for five minutes: the times of tickets \
                 are worth what this clock is worth; look after chrony or ntpd",
            ),
            Some(ClockNews::Clear) => {
                own.clear(CLOCK_UNSYNCHRONISED, "", "the wall clock is synchronised");
            }
            None => {}
        }
        if quality.is_synchronised != self.quality.is_synchronised
            || quality.source != self.quality.source
        {
            let state = if quality.is_synchronised { "synchronised" } else { "not synchronised" };
            let source = &quality.source;
            tracing::warn!(
                "the wall clock is {state} now, error {} µs, says {source}",
                quality.error_us
            );
            let _ = self.shared.control(Control::ClockQuality(quality.clone()));
            self.quality = quality;
        }
    }

    /// Healthy means that every thread has made progress since the last look.
    fn feed_watchdog(&mut self) {
        let mut now: Vec<u64> = vec![
            self.shared.rounds.load(Ordering::Relaxed),
            self.watched.outbox.rounds.load(Ordering::Relaxed),
            self.watched.store.rounds(),
        ];
        now.extend(self.sockets.iter().map(|(_, thread)| thread.progress()));
        let is_healthy = self.seen.len() != now.len()
            || now.iter().zip(&self.seen).all(|(now, before)| now != before);
        if is_healthy {
            self.seen = now;
            // Without systemd there is nobody to tell.
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }

    fn snapshot(&mut self) {
        if let Some(child) = &mut self.child {
            match child.try_wait() {
                Ok(None) => return,
                Ok(Some(status)) if status.success() => self.retire(),
                Ok(Some(status)) => tracing::error!(%status, "the snapshot child failed"),
                Err(error) => tracing::error!(%error, "the snapshot child is lost"),
            }
            self.child = None;
        }
        let now = clock::boot_ns();
        let applied = self.shared.applied.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(self.snapshot_at) >= self.snapshot_every_ns;
        if !is_due || applied == self.snapshot_position {
            return;
        }
        self.snapshot_at = now;
        self.snapshot_position = applied;
        match self.start_child() {
            Ok(child) => self.child = Some(child),
            Err(error) => tracing::error!(%error, "the snapshot child was not started"),
        }
    }

    /// Gives back the segments that the older snapshot covers and every sink has passed. The older,
    /// since a newest snapshot that turned out to be damaged must not be the end.
    fn retire(&self) {
        let Some(covered) = recover::covered_by_snapshots(&self.state_dir) else { return };
        let kafka = self.watched.kafka.as_ref().map_or(u64::MAX, |kafka| kafka.cursor());
        let before = covered.min(kafka).min(self.watched.store.cursor());
        match self.watched.retirement.retire(before) {
            Ok(retired) if retired.segments > 0 => {
                tracing::info!(segments = retired.segments, bytes = retired.bytes, "retired");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "journal segments were not given back"),
        }
    }

    /// This very program, also after an upgrade has put another in its place: that one may have
    /// another engine.
    fn start_child(&self) -> io::Result<Child> {
        Command::new("/proc/self/exe")
            .arg0("vigie")
            .arg("snapshot")
            .arg("--state-dir")
            .arg(&self.state_dir)
            .stdout(std::process::Stdio::null())
            .spawn()
    }

    fn end(&mut self) {
        if let Some(child) = &mut self.child {
            // The stop writes a newer snapshot than the child would.
            let _ = child.kill();
            let _ = child.wait();
        }
        let newest = recover::newest_snapshot(&self.state_dir);
        tracing::debug!(?newest, "upkeep ends");
    }
}

/// Notes how a thing is now; says it if that is news.
fn turn(before: &mut bool, now: bool) -> Option<bool> {
    (std::mem::replace(before, now) != now).then_some(now)
}
