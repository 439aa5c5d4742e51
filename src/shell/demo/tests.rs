//! The whole play in virtual time, against the real decoders, rules and engine.

use super::faults::{Fault, Kind};
use super::inventory;
use super::judge::Verdict;
use super::noise::Noise;
use super::notice::Notice;
use super::packets::{Packet, packet};
use super::plan::{Datacenter, Role};
use super::random::Random;
use super::screen::Screen;
use super::show::{Moment, Show, World};
use crate::classify::{Classified, Classifier, Directory, Origin, RuleSource, Scratch, compile};
use crate::classify::{IgnoreCause, library};
use crate::decode::snmp::{Decoded, TrapDecoder};
use crate::decode::syslog::SyslogDecoder;
use crate::engine::Engine;
use crate::engine::input::{Action, Command, Input};
use crate::model::event::{Channel, Event, UNCLASSIFIED, Verb};
use crate::model::fault::Faults;
use crate::model::settings::Settings;
use crate::model::time::{At, EngineTime, Timestamp};
use crate::shell::api::view::{View, ViewBounds, ViewWriter};
use crate::shell::publish::Published;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

const BEGIN: Timestamp = Timestamp(1_795_502_400_000_000_000);

/// Decoders, rules, engine and view, in one thread and in virtual time.
struct Inside {
    classifier: Classifier,
    engine: Engine,
    writer: ViewWriter,
    position: u64,
    now: At,
    events: u64,
    ignored: u64,
}

impl Inside {
    fn new(plan: &Datacenter) -> Self {
        let supervised = inventory::supervised(plan).expect("checked elsewhere");
        let sources: Vec<RuleSource<'_>> = library::sources().collect();
        let rules = Arc::new(compile(&sources).expect("the library compiles"));
        let folder = super::stage::Folder::new(crate::shell::clock::boot_ns()).expect("a folder");
        let config = super::stage::settings(folder.path()).expect("built in").config;
        let settings = Settings {
            alarm_types: rules.alarm_types().to_vec(),
            thresholds: rules.thresholds(),
            inventory: supervised.inventory,
            contracts: supervised.contracts,
            correlation: config.correlation,
            tickets: config.tickets,
        };
        let directory = Arc::new(Directory::build(&settings.inventory, &|_| None));
        let mut inside = Self {
            classifier: Classifier::new(rules, directory, 1),
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
    fn at(&mut self, ms: u64) -> Moment {
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

    fn close_ticket(&mut self, number: &str) -> io::Result<bool> {
        let action = Action::CloseTicket { number: number.to_owned(), reason: "agreed".to_owned() };
        self.apply(&Input::Command(Command { id: 1, author: "noc".to_owned(), action }));
        Ok(true)
    }
}

/// Decodes and classifies a packet. Nothing may be wrong with it.
fn with_event<T>(
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

fn check(plan: &Datacenter, classifier: &Classifier, notice: &Notice) {
    let sent = packet(plan, notice, BEGIN);
    let arrived = At { engine: EngineTime(0), wall: BEGIN };
    let wanted = notice.alarm(plan);
    with_event(classifier, &sent, arrived, |found| match (found, wanted) {
        (Classified::Event(event), Some((key, is_raise))) => {
            let Event { device, component, .. } = event;
            let resource = if component.is_empty() {
                device.to_owned()
            } else {
                format!("{device}/{component}")
            };
            assert_eq!(resource, key.resource, "{notice:?}");
            assert_eq!(event.alarm_type, key.alarm_type, "{notice:?}");
            assert_eq!(event.qualifier, key.qualifier, "{notice:?}");
            assert_eq!(event.verb == Verb::Raise, is_raise, "{notice:?}");
            assert_eq!(event.verb == Verb::Clear, !is_raise, "{notice:?}");
            assert!(event.is_known && event.faults == Faults::NONE, "{notice:?}");
        }
        (Classified::Event(event), None) => {
            assert!(matches!(event.verb, Verb::Event | Verb::AdminDown), "{notice:?}");
            let is_unheard = notice.what == super::notice::What::Unheard;
            assert_eq!(event.alarm_type == UNCLASSIFIED, is_unheard, "{notice:?}");
        }
        (Classified::Ignored(cause), None) => assert_eq!(cause, IgnoreCause::NoRule),
        (Classified::Ignored(cause), Some(_)) => panic!("ignored ({cause:?}): {notice:?}"),
    });
}

#[test]
fn every_packet_says_what_it_is_meant_to_say() {
    let plan = Datacenter::new();
    let inside = Inside::new(&plan);
    let mut random = Random::new(5);
    for kind in Kind::ALL {
        for _ in 0..12 {
            let fault = Fault::of(kind, &plan, &mut random);
            assert!(!fault.alarms(&plan).is_empty() && !fault.mends.is_empty());
            for notice in fault.breaks.iter().chain(&fault.mends) {
                check(&plan, &inside.classifier, notice);
            }
            let raised = fault.alarms(&plan);
            let cleared: BTreeSet<_> =
                fault.mends.iter().filter_map(|one| one.alarm(&plan)).map(|(key, _)| key).collect();
            assert_eq!(raised, cleared, "{}", fault.title);
            assert!(fault.breaks.iter().all(|notice| !fault.silent.contains(&notice.from)));
        }
    }
    let mut noise = Noise::new(5);
    for _ in 0..200 {
        for notice in noise.next(&plan, &BTreeSet::new()) {
            let device = plan.device(notice.from);
            if device.role != Role::Access {
                check(&plan, &inside.classifier, &notice);
            }
        }
    }
}

/// Plays so many minutes; gives the end and what the terminal showed.
fn play(plan: &Datacenter, seed: u64, minutes: u64) -> (Vec<(String, Option<Verdict>)>, String) {
    let mut inside = Inside::new(plan);
    let end_ms = minutes * 60_000;
    let mut show = Show::new(plan, seed, Some(end_ms));
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, false);
    for ms in (0..=end_ms).step_by(20) {
        let now = inside.at(ms);
        show.tick(now, &mut inside, &mut screen).expect("nothing can fail here");
    }
    assert!(show.is_over());
    let strays: Vec<String> = show
        .judge
        .strays(&inside.view())
        .into_iter()
        .map(|stray| format!("{}: {} ({})", stray.id, stray.root_resource, stray.why))
        .collect();
    let staged = show.judge.staged.iter();
    let verdicts = staged.map(|one| (one.fault.title.clone(), one.verdict.clone())).collect();
    let shown = String::from_utf8(out).expect("text");
    assert_eq!(strays, Vec::<String>::new(), "{shown}");
    assert_eq!(show.restored, show.judge.staged.len(), "{shown}");
    (verdicts, shown)
}

#[test]
fn every_fault_becomes_one_incident_with_the_right_root() {
    let plan = Datacenter::new();
    let mut failures = Vec::new();
    for seed in 1..=6 {
        let (verdicts, shown) = play(&plan, seed, 3);
        assert!(verdicts.len() >= 12, "{shown}");
        for (title, verdict) in verdicts {
            match verdict {
                Some(Verdict::Right { incidents }) if incidents.len() == 1 => {}
                other => failures.push(format!("seed {seed}: {title}: {other:?}")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_terminal_is_never_silent_and_tells_the_story() {
    let plan = Datacenter::new();
    let (verdicts, shown) = play(&plan, 1, 1);
    assert!((3..=8).contains(&verdicts.len()), "{shown}");
    for word in ["BREAK", "INCIDENT", "why: ", "TICKET", "GTR", "RESTORED", "messages/s"] {
        assert!(shown.contains(word), "no {word} in:\n{shown}");
    }
    let seconds: Vec<i64> = shown.lines().filter_map(second_of).collect();
    assert!(seconds.windows(2).all(|pair| pair[1] - pair[0] <= 3), "silent:\n{shown}");
    assert_eq!(shown, play(&plan, 1, 1).1, "the same seed is the same play");
    assert_ne!(shown, play(&plan, 2, 1).1);
}

/// The time of day that a line begins with, in seconds.
fn second_of(line: &str) -> Option<i64> {
    let mut parts = line.get(..8)?.split(':').map(str::parse::<i64>);
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    Some(hours.ok()? * 3_600 + minutes.ok()? * 60 + seconds.ok()?)
}
