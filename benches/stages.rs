//! What each stage costs by itself, with warm caches: a figure to compare with the budget of the
//! architecture, not with the daemon at work, whose caches are cold.
//!
//! `cargo bench --bench stages`

#[path = "support/fleet.rs"]
#[expect(dead_code, reason = "the fleet does more for the other benchmarks")]
mod fleet;
#[path = "support/remote_write.rs"]
mod remote_write;

use divan::Bencher;
use divan::counter::ItemsCount;
use fleet::{Fleet, Kind, Messages, clear, raise};
use remote_write::Receiver;
use std::net::IpAddr;
use std::sync::Arc;
use vigie::classify::{Classified, Classifier, Directory, Origin, Scratch, compile, library};
use vigie::decode::metrics::remote_write_1;
use vigie::decode::snmp::{Decoded, TrapDecoder};
use vigie::decode::syslog::SyslogDecoder;
use vigie::engine::Engine;
use vigie::engine::input::{Input, Repeat};
use vigie::model::event::{Event, Lane};
use vigie::model::inventory::{Component, Device, Inventory};
use vigie::model::settings::Settings;
use vigie::model::time::{At, EngineTime, Timestamp};
use vigie::shell::batch::Batch;
use vigie::shell::codec::{event_head, event_parts, push_repeat};
use vigie::shell::journal::{Journal, Kind as Record, Options, RealDisk};
use vigie::shell::lanes::Lanes;

const FLEET: Fleet = Fleet { devices: 100, interfaces: 48 };
const BATCH: usize = 64;

fn main() {
    divan::main();
}

fn inventory() -> Inventory {
    let device = |number| Device {
        name: format!("sw-{number:03}"),
        addresses: vec![IpAddr::V4(Fleet::address(number))],
        components: (1..=FLEET.interfaces)
            .map(|index| Component {
                name: format!("GigabitEthernet0/{index}"),
                if_index: Some(index),
                ..Component::default()
            })
            .collect(),
        ..Device::default()
    };
    Inventory { devices: (0..FLEET.devices).map(device).collect(), ..Inventory::default() }
}

/// Rules and alarm types as they are shipped.
fn supervision() -> (Classifier, Settings) {
    let sources: Vec<_> = library::sources().collect();
    let rules = compile(&sources).expect("the shipped rules compile");
    let settings = Settings {
        alarm_types: rules.alarm_types().to_vec(),
        inventory: inventory(),
        ..Settings::default()
    };
    let directory = Directory::build(&settings.inventory, &|_| None);
    (Classifier::new(Arc::new(rules), Arc::new(directory), 1), settings)
}

fn at(ms: u64) -> At {
    let ns = ms * 1_000_000;
    At { engine: EngineTime(ns), wall: Timestamp(1_700_000_000_000_000_000 + ns.cast_signed()) }
}

/// Decodes and classifies one message and hands its event over.
fn with_event<T>(
    classifier: &Classifier,
    (address, bytes): (std::net::Ipv4Addr, &[u8]),
    arrived: At,
    then: impl FnOnce(&Event<'_>) -> T,
) -> T {
    let mut decoder = TrapDecoder::default();
    let Decoded::Trap(trap) = decoder.decode(bytes) else { panic!("a trap") };
    let mut scratch = Scratch::default();
    let origin = Origin { peer: IpAddr::V4(address), listener: 0, arrived };
    let Classified::Event(event) = classifier.classify_trap(&trap, &origin, &mut scratch) else {
        panic!("an event")
    };
    then(&event)
}

#[divan::bench]
fn decode_trap(bencher: Bencher<'_, '_>) {
    let messages = Messages::encode(Kind::Trap, FLEET);
    let mut decoder = TrapDecoder::default();
    bencher.bench_local(|| {
        let (_, bytes) = messages.get(divan::black_box(raise(7)));
        matches!(decoder.decode(bytes), Decoded::Trap(_))
    });
}

#[divan::bench]
fn decode_syslog(bencher: Bencher<'_, '_>) {
    let messages = Messages::encode(Kind::Syslog, FLEET);
    let mut decoder = SyslogDecoder::new();
    bencher.bench_local(|| {
        let (_, bytes) = messages.get(divan::black_box(raise(7)));
        decoder.decode(bytes).faults
    });
}

/// Remote write of series that are known by their label block, or whose labels are read; per
/// sample, with the look-up of the receiver.
#[divan::bench(args = [true, false])]
fn decode_remote_write(bencher: Bencher<'_, '_>, has_memory: bool) {
    const SERIES: u32 = 2_000;
    let body = remote_write::body(SERIES);
    let mut receiver = Receiver::new(has_memory);
    remote_write_1::decode(&body, &mut receiver);
    bencher
        .counter(ItemsCount::new(SERIES))
        .bench_local(|| remote_write_1::decode(divan::black_box(&body), &mut receiver).accepted);
}

#[divan::bench]
fn classify_trap(bencher: Bencher<'_, '_>) {
    let messages = Messages::encode(Kind::Trap, FLEET);
    let (classifier, _) = supervision();
    let (address, bytes) = messages.get(raise(7));
    let origin = Origin { peer: IpAddr::V4(address), listener: 0, arrived: at(1) };
    let mut decoder = TrapDecoder::default();
    let Decoded::Trap(trap) = decoder.decode(bytes) else { panic!("a trap") };
    let mut scratch = Scratch::default();
    bencher.bench_local(|| {
        let classified = classifier.classify_trap(&trap, divan::black_box(&origin), &mut scratch);
        matches!(classified, Classified::Event(_))
    });
}

#[divan::bench]
fn classify_syslog(bencher: Bencher<'_, '_>) {
    let messages = Messages::encode(Kind::Syslog, FLEET);
    let (classifier, _) = supervision();
    let (address, bytes) = messages.get(raise(7));
    let origin = Origin { peer: IpAddr::V4(address), listener: 0, arrived: at(1) };
    let mut decoder = SyslogDecoder::new();
    let line = decoder.decode(bytes);
    let mut scratch = Scratch::default();
    bencher.bench_local(|| {
        let origin = divan::black_box(&origin);
        let classified = classifier.classify_syslog(&line, bytes, origin, &mut scratch);
        matches!(classified, Classified::Event(_))
    });
}

/// Into a batch, through a lane, out of the batch; per event.
#[divan::bench]
fn batch_and_lane(bencher: Bencher<'_, '_>) {
    let messages = Messages::encode(Kind::Trap, FLEET);
    let (classifier, _) = supervision();
    let lanes = Lanes::default();
    with_event(&classifier, messages.get(raise(7)), at(1), |event| {
        bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
            let mut batch: Box<Batch> = lanes.take_empty();
            for _ in 0..BATCH {
                batch.push(divan::black_box(event));
            }
            lanes.send(Lane::Urgent, batch).expect("an empty lane");
            let batch = lanes.receive(Lane::Urgent).expect("what was sent");
            let bytes: usize = batch.events().map(|event| event.component.len()).sum();
            lanes.give_back(batch);
            bytes
        });
    });
}

/// Whole events into the journal, written but not waited for; per event.
#[divan::bench]
fn journal_events(bencher: Bencher<'_, '_>) {
    let messages = Messages::encode(Kind::Trap, FLEET);
    let (classifier, _) = supervision();
    let mut journal = scratch_journal("events");
    with_event(&classifier, messages.get(raise(7)), at(1), |event| {
        bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
            for _ in 0..BATCH {
                let head = event_head(divan::black_box(event));
                let parts = event_parts(&head, event);
                journal.append(at(1), Record::Event, &parts).expect("room");
            }
            journal.commit().expect("room");
        });
    });
}

/// Repeats into the journal; per repeat.
#[divan::bench]
fn journal_repeats(bencher: Bencher<'_, '_>) {
    let mut journal = scratch_journal("repeats");
    let mut payload = Vec::new();
    let repeat = Repeat { alarm: 7, listener: 0, channel: 1, age_ns: 5 };
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        payload.clear();
        for _ in 0..BATCH {
            push_repeat(divan::black_box(&repeat), &mut payload);
        }
        journal.append(at(1), Record::Repeats, &[&payload]).expect("room");
        journal.commit().expect("room");
    });
}

/// Finding out that an event is a repeat, and counting it; per event.
#[divan::bench]
fn engine_repeat(bencher: Bencher<'_, '_>) {
    let messages = Messages::encode(Kind::Trap, FLEET);
    let (classifier, settings) = supervision();
    let mut engine = raised(&classifier, &messages, settings);
    let mut position = u64::from(FLEET.alarms()) + 2;
    let mut effects = Vec::new();
    with_event(&classifier, messages.get(raise(7)), at(2), |event| {
        bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
            let mut repeats = Vec::with_capacity(BATCH);
            for _ in 0..BATCH {
                let hash = engine.hash_of(divan::black_box(event).identity());
                let alarm = engine.repeat_of(event, hash).expect("a known alarm");
                repeats.push(Repeat { alarm, listener: 0, channel: 1, age_ns: 0 });
            }
            position += 1;
            effects.clear();
            engine.step(at(2), position, &Input::Repeats(&repeats), &mut effects);
        });
    });
}

/// An interface that comes up, and goes down again: two events.
#[divan::bench]
fn engine_change(bencher: Bencher<'_, '_>) {
    let messages = Messages::encode(Kind::Trap, FLEET);
    let (classifier, settings) = supervision();
    let mut engine = raised(&classifier, &messages, settings);
    let mut position = u64::from(FLEET.alarms()) + 2;
    let mut effects = Vec::new();
    let mut alarm = 0;
    let mut now = 2;
    bencher.counter(ItemsCount::new(2_usize)).bench_local(|| {
        alarm = (alarm + 7) % FLEET.alarms();
        now += 1;
        for message in [clear(alarm), raise(alarm)] {
            position += 1;
            effects.clear();
            with_event(&classifier, messages.get(message), at(now), |event| {
                engine.step(at(now), position, &Input::Event(*event), &mut effects);
            });
        }
    });
}

/// An engine in which every alarm of the fleet is raised.
fn raised(classifier: &Classifier, messages: &Messages, settings: Settings) -> Engine {
    let mut engine = Engine::new();
    let mut effects = Vec::new();
    engine.step(at(0), 1, &Input::Settings(Arc::new(settings)), &mut effects);
    for alarm in 0..FLEET.alarms() {
        effects.clear();
        let position = u64::from(alarm) + 2;
        with_event(classifier, messages.get(raise(alarm)), at(1), |event| {
            engine.step(at(1), position, &Input::Event(*event), &mut effects);
        });
    }
    engine
}

fn scratch_journal(name: &str) -> Journal {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("stages").join(name);
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir_all(&dir).expect("a folder below target/tmp");
    let mut options = Options::in_folder(dir);
    options.retain_bytes = 256 * 1024 * 1024;
    Journal::open(options, Arc::new(RealDisk)).expect("a new journal").0
}
