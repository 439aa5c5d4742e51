//! The daemon of the tests: the real decoders, rules, series, engine and view, in one thread and in
//! virtual time.

use super::inventory;
use super::packets::{Packet, Report};
use super::plan::Datacenter;
use super::show::{Moment, World};
use crate::classify::library;
use crate::classify::{Classified, Classifier, Directory, Origin, RuleSource, Scratch, compile};
use crate::decode::metrics::line_protocol::{self, Precision};
use crate::decode::metrics::remote_write_1;
use crate::decode::snmp::{Decoded, TrapDecoder};
use crate::decode::syslog::SyslogDecoder;
use crate::engine::Engine;
use crate::engine::input::{Action, Command, Input};
use crate::model::event::{Channel, Event, Lane};
use crate::model::fault::Faults;
use crate::model::settings::Settings;
use crate::model::time::{At, EngineTime, Timestamp};
use crate::shell::api::view::{View, ViewBounds, ViewWriter};
use crate::shell::clock::{self, EngineClock};
use crate::shell::intake::stop::Stop;
use crate::shell::lanes::Lanes;
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::publish::Published;
use crate::shell::self_alarm::SelfAlarms;
use crate::shell::series::{Protocol, SeriesIntake, SeriesParts};
use crate::shell::submission::Way;
use arc_swap::ArcSwap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// When every play begins. Samples that are too old or too new count for nothing, so it is now.
pub(super) static BEGIN: LazyLock<Timestamp> = LazyLock::new(clock::wall);

/// The daemon.
pub(super) struct Inside {
    pub(super) classifier: Classifier,
    pub(super) series: Arc<SeriesIntake>,
    lanes: Arc<Lanes>,
    engine: Engine,
    writer: ViewWriter,
    position: u64,
    now: At,
    events: u64,
    ignored: u64,
}

impl Inside {
    pub(super) fn new(plan: &Datacenter) -> Self {
        let supervised = inventory::supervised(plan).expect("checked elsewhere");
        let sources: Vec<RuleSource<'_>> = library::sources().collect();
        let rules = Arc::new(compile(&sources).expect("the library compiles"));
        let folder = super::stage::Folder::new(crate::shell::clock::boot_ns()).expect("a folder");
        let config = super::stage::settings(folder.path()).expect("built in").config;
        let settings = Settings {
            alarm_types: rules.alarm_types().to_vec(),
            thresholds: rules.thresholds(),
            inventory: supervised.inventory,
            contracts: supervised.contracts.into(),
            correlation: config.correlation,
            tickets: config.tickets,
        };
        let directory = Arc::new(Directory::build(&settings.inventory, &|_| None));
        let classifier = Classifier::new(rules, directory, 1);
        let lanes = Arc::new(Lanes::default());
        let mut inside = Self {
            series: series(&classifier, &lanes),
            lanes,
            classifier,
            engine: Engine::new(),
            writer: ViewWriter::new(ViewBounds::default()),
            position: 0,
            now: At::default(),
            events: 0,
            ignored: 0,
        };
        inside.at(0);
        inside.apply(&Input::Settings(Arc::new(settings)));
        inside
    }

    /// Time passes; what is due happens when it is due.
    pub(super) fn at(&mut self, ms: u64) -> Moment {
        let ns = ms * 1_000_000;
        let wall = BEGIN.plus_ns(i64::try_from(ns).expect("a short play"));
        while let Some(due) = self.engine.next_deadline().filter(|due| due.0 <= ns) {
            let since = i64::try_from(due.0.max(self.now.engine.0)).expect("a short play");
            self.now = At { engine: due.max(self.now.engine), wall: BEGIN.plus_ns(since) };
            self.apply(&Input::Pulse);
        }
        self.now = At { engine: EngineTime(ns), wall };
        Moment { ms, wall }
    }

    fn apply(&mut self, input: &Input<'_>) {
        let mut effects = Vec::new();
        self.position += 1;
        self.engine.step(self.now, self.position, input, &mut effects);
        for (effect, ordinal) in effects.into_iter().zip(0..) {
            let published = Published { position: self.position, ordinal, at: self.now, effect };
            self.writer.apply(&published);
        }
        self.writer.publish();
    }
}

impl World for Inside {
    fn view(&self) -> Arc<View> {
        self.writer.shared().load_full()
    }

    fn deliver(&mut self, packet: &Packet) -> io::Result<()> {
        let classifier = self.classifier.clone();
        let is_event = with_event(&classifier, packet, self.now, |found| match found {
            Classified::Event(event) => {
                self.apply(&Input::Event(event));
                true
            }
            Classified::Ignored(_) => false,
        });
        let counter = if is_event { &mut self.events } else { &mut self.ignored };
        *counter += 1;
        Ok(())
    }

    fn report(&mut self, report: Report) {
        let peer = IpAddr::from([127, 0, 0, 1]);
        let told = if report.path == "/api/v1/write" {
            let bytes = snap::raw::Decoder::new().decompress_vec(&report.body).expect("snappy");
            self.series
                .take(Protocol::RemoteWrite1, peer, |visit| remote_write_1::decode(&bytes, visit))
        } else {
            self.series.take(Protocol::Influx, peer, |visit| {
                line_protocol::decode(&report.body, Precision::Nanosecond, visit)
            })
        };
        for lane in Lane::ALL {
            while let Some(mut batch) = self.lanes.receive(lane) {
                for event in batch.events() {
                    self.apply(&Input::Event(Event { arrived: self.now, ..event }));
                }
                if let Some(receipt) = batch.take_receipt() {
                    receipt.settle();
                }
                self.lanes.give_back(batch);
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let settled = runtime.expect("a runtime").block_on(told.settle(&self.series));
        assert!(settled.is_durable && settled.complaint().is_none(), "{:?}", settled.complaint());
        assert_eq!(settled.tally.accepted, report.samples);
    }

    fn close_ticket(&mut self, number: &str) -> io::Result<bool> {
        let action = Action::CloseTicket { number: number.to_owned(), reason: "agreed".to_owned() };
        self.apply(&Input::Command(Command { id: 1, author: "noc".to_owned(), action }));
        Ok(true)
    }
}

/// Decodes and classifies a packet. Nothing may be wrong with it.
pub(super) fn with_event<T>(
    classifier: &Classifier,
    packet: &Packet,
    arrived: At,
    then: impl FnOnce(Classified<'_>) -> T,
) -> T {
    let mut scratch = Scratch::default();
    let listener = u16::from(packet.to == Channel::Syslog);
    let origin = Origin { peer: IpAddr::V4(packet.from), listener, arrived };
    if packet.to == Channel::Trap {
        let mut decoder = TrapDecoder::default();
        let Decoded::Trap(trap) = decoder.decode(&packet.bytes) else {
            panic!("no notification: {packet:?}")
        };
        assert_eq!(trap.faults, Faults::NONE, "{packet:?}");
        then(classifier.classify_trap(&trap, &origin, &mut scratch))
    } else {
        let mut decoder = SyslogDecoder::new();
        let line = decoder.decode(&packet.bytes);
        let shown = String::from_utf8_lossy(&packet.bytes);
        assert_eq!(line.faults, Faults::NONE, "{shown}");
        then(classifier.classify_syslog(&line, &packet.bytes, &origin, &mut scratch))
    }
}

fn series(classifier: &Classifier, lanes: &Arc<Lanes>) -> Arc<SeriesIntake> {
    let clock = EngineClock::starting_at(EngineTime(1));
    let counters = Arc::<ListenerCounters>::default();
    Arc::new(SeriesIntake::new(SeriesParts {
        way: Way { lanes: Arc::clone(lanes), counters: Arc::clone(&counters), clock },
        listener: 2,
        classifier: Arc::new(ArcSwap::from_pointee(classifier.clone())),
        stop: Arc::new(Stop::default()),
        own: SelfAlarms { lanes: Arc::clone(lanes), clock, counters, listener: 3 },
        backfill_after: Duration::from_secs(300),
        baselines: None,
    }))
}
