//! The receive thread allocates nothing for a datagram once it is warm: not in the receiver, the
//! batches, the lanes or the ledger.

#[path = "support/counting.rs"]
mod counting;

use counting::Counting;
use std::cell::Cell;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vigie::model::event::{Channel, Event, Lane, Verb};
use vigie::model::fault::Faults;
use vigie::model::severity::Severity;
use vigie::model::time::EngineTime;
use vigie::shell::clock::{EngineClock, boot_ns};
use vigie::shell::intake::feed::Feed;
use vigie::shell::intake::pipeline::{Outcome, Pipeline, Place, Received};
use vigie::shell::intake::stop::Stop;
use vigie::shell::intake::udp::UdpListener;
use vigie::shell::lanes::Lanes;
use vigie::shell::observe::counters::{IgnoreReason, ListenerCounters};

/// Allocations on threads that have marked themselves.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting(count);

fn count(taken: usize, _: usize) {
    if taken > 0 && IS_WATCHED.try_with(Cell::get).unwrap_or(false) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

/// Marks its thread and takes every message as it is; the first letter says into which lane.
struct Watching;

impl Pipeline for Watching {
    fn process(&mut self, message: &Received<'_>, place: Place<'_>) -> Outcome {
        IS_WATCHED.set(true);
        let lane = match message.bytes.first() {
            Some(b'u') => Lane::Urgent,
            Some(b'n') => Lane::Normal,
            Some(b'l') => Lane::Low,
            _ => return place.ignore(IgnoreReason::NoRule),
        };
        place.event(&Event {
            verb: Verb::Raise,
            severity: Severity::Major,
            channel: Channel::Trap,
            lane,
            faults: Faults::NONE,
            listener: message.listener,
            epoch: 1,
            arrived: message.arrived,
            occurred_at: None,
            uptime_cs: None,
            value: None,
            lease_until: None,
            peer: message.peer,
            is_known: true,
            is_in_service: false,
            device: "core-router-1",
            component: "GigabitEthernet0/1",
            component_alias: "ifIndex=3",
            alarm_type: "interface-down",
            qualifier: "",
            rule: "link-down",
            text: "GigabitEthernet0/1 is down",
            labels: "",
            raw: message.bytes,
        })
    }

    fn panicked(&mut self, _: &Received<'_>, place: Place<'_>) -> Outcome {
        place.ignore(IgnoreReason::NoRule)
    }
}

#[test]
fn receive_thread_allocates_nothing_in_the_steady_state() {
    assert_allocations_are_seen();
    let feed = Feed {
        listener: 0,
        channel: Channel::Trap,
        counters: Arc::new(ListenerCounters::default()),
        lanes: Arc::new(Lanes::default()),
        clock: EngineClock::starting_at(EngineTime(1)),
        pipelines: Arc::new(|| Box::new(Watching)),
        stop: Arc::new(Stop::default()),
    };
    // As many batches as can be under way at once, as a daemon has after its first busy minute.
    (0..128).for_each(|_| feed.lanes.give_back(Box::default()));
    let listener = UdpListener::bind((Ipv4Addr::LOCALHOST, 0).into(), 8 << 20).expect("a port");
    let target = listener.local_address();
    let thread = listener.start(feed.clone()).expect("a thread");
    let senders: Vec<UdpSocket> = (1..=8)
        .map(|last| UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).expect("a sender"))
        .collect();
    let mut sent = 0;
    let mut exchange = |rounds: u32| {
        for _ in 0..rounds {
            for sender in &senders {
                for letter in [b'u', b'n', b'l', b'i'] {
                    sender.send_to(&[letter; 300], target).expect("room");
                    sent += 1;
                }
            }
            settle(&feed, sent);
        }
    };
    // Warm: every batch that goes round has grown.
    exchange(1_000);
    let warm = ALLOCATIONS.load(Ordering::Relaxed);
    exchange(2_000);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - warm, 0, "in {sent} datagrams");
    feed.stop.request(feed.clock.now().plus_ns(1_000_000_000));
    thread.join().expect("no panic");
    assert_eq!(feed.counters.received.load(Ordering::Relaxed), sent);
}

/// Otherwise a count of none would prove nothing.
fn assert_allocations_are_seen() {
    IS_WATCHED.set(true);
    drop(std::hint::black_box(Box::new([0_u8; 64])));
    IS_WATCHED.set(false);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), 1);
}

/// Takes batches like the sequencer, until all that was sent is accounted for.
fn settle(feed: &Feed, sent: u64) {
    let deadline_ns = boot_ns() + 20_000_000_000;
    loop {
        for lane in Lane::ALL {
            while let Some(batch) = feed.lanes.receive(lane) {
                let count = u64::try_from(batch.len()).expect("a small number");
                feed.counters.journaled.fetch_add(count, Ordering::Relaxed);
                feed.lanes.give_back(batch);
            }
        }
        let ignored: u64 = feed.counters.ignored().map(|(_, count)| count).sum();
        let shed: u64 = feed.counters.shed().map(|(_, _, count)| count).sum();
        let journaled = feed.counters.journaled.load(Ordering::Relaxed);
        if journaled + ignored + shed == sent {
            return;
        }
        assert!(boot_ns() < deadline_ns, "{journaled} + {ignored} + {shed} of {sent}");
        std::thread::park_timeout(Duration::from_micros(50));
    }
}
