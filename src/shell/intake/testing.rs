//! What the tests of intake share: a pipeline whose messages say what to do with them, and the
//! place of the sequencer.

use crate::model::event::{Channel, Event, Lane, UNCLASSIFIED, Verb};
use crate::model::fault::{Fault, Faults};
use crate::model::limits::LANE_BATCHES;
use crate::model::severity::Severity;
use crate::model::time::{At, EngineTime};
use crate::shell::batch::{Answer, Batch};
use crate::shell::clock::{EngineClock, boot_ns};
use crate::shell::intake::feed::Feed;
use crate::shell::intake::guard::is_guarded;
use crate::shell::intake::pipeline::{Outcome, Pipeline, Place, Received};
use crate::shell::intake::stop::Stop;
use crate::shell::lanes::Lanes;
use crate::shell::observe::counters::{IgnoreReason, ListenerCounters};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Index of the listener in every test.
pub(super) const LISTENER: u16 = 7;

/// Obeys the first word of a message: `ignore`, `low`, `normal`, `panic`, `panic-late`,
/// `panic-twice`, `inform`, `inform-ignored`; anything else is an urgent event.
#[derive(Default)]
struct Obedient {
    answer: Vec<u8>,
}

impl Pipeline for Obedient {
    fn process(&mut self, message: &Received<'_>, place: Place<'_>) -> Outcome {
        assert!(is_guarded());
        let word = message.bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
        match word {
            b"ignore" => place.ignore(IgnoreReason::NoRule),
            b"low" => place.event(&event(message, Lane::Low)),
            b"normal" => place.event(&event(message, Lane::Normal)),
            b"panic" | b"panic-twice" => panic!("as told"),
            b"panic-late" => {
                let _outcome = place.event(&event(message, Lane::Urgent));
                panic!("as told, late");
            }
            b"inform" | b"inform-ignored" => {
                self.answer.clear();
                self.answer.extend_from_slice(b"answer to ");
                self.answer.extend_from_slice(message.bytes);
                let place = place.answering(&self.answer);
                if word == b"inform" {
                    place.event(&event(message, Lane::Urgent))
                } else {
                    place.ignore(IgnoreReason::RuleIgnores)
                }
            }
            _ => place.event(&event(message, Lane::Urgent)),
        }
    }

    fn panicked(&mut self, message: &Received<'_>, place: Place<'_>) -> Outcome {
        assert!(message.faults.has(Fault::DecoderPanicked));
        assert!(!message.bytes.starts_with(b"panic-twice"), "as told, twice");
        place.event(&event(message, Lane::Low))
    }
}

fn event<'a>(message: &Received<'a>, lane: Lane) -> Event<'a> {
    Event {
        severity: Severity::Major,
        lane,
        listener: message.listener,
        epoch: 1,
        peer: message.peer,
        device: "device",
        alarm_type: UNCLASSIFIED,
        rule: "obedient",
        raw: message.bytes,
        ..Event::new(Verb::Raise, Channel::Trap, message.arrived)
    }
}

/// A feed of its own for one test, with an obedient pipeline.
pub(super) fn feed() -> Feed {
    Feed {
        listener: LISTENER,
        channel: Channel::Trap,
        counters: Arc::new(ListenerCounters::default()),
        lanes: Arc::new(Lanes::default()),
        clock: EngineClock::starting_at(EngineTime(1_000_000_000_000)),
        pipelines: Arc::new(|| Box::new(Obedient::default())),
        stop: Arc::new(Stop::default()),
    }
}

/// Asks to stop, with some time to find room in the lanes.
pub(super) fn stop_within(feed: &Feed, grace: Duration) {
    let grace_ns = u64::try_from(grace.as_nanos()).unwrap();
    feed.stop.request(feed.clock.now().plus_ns(grace_ns));
}

/// An event as the sequencer would see it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Seen {
    pub(super) lane: Lane,
    pub(super) raw: Vec<u8>,
    pub(super) faults: Faults,
    pub(super) peer: IpAddr,
    pub(super) arrived: At,
    pub(super) rule: String,
    pub(super) listener: u16,
}

/// An answer as the sequencer would keep it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Owed {
    pub(super) peer: SocketAddr,
    pub(super) local: Option<IpAddr>,
    pub(super) bytes: Vec<u8>,
}

impl Owed {
    pub(super) fn answer(&self) -> Answer<'_> {
        let Self { peer, local, bytes } = self;
        Answer { listener: LISTENER, peer: *peer, local: *local, bytes }
    }
}

/// Stands in for the sequencer: takes everything and adds `journaled`.
#[derive(Default)]
pub(super) struct Sequencer {
    pub(super) events: Vec<Seen>,
    pub(super) answers: Vec<Owed>,
}

impl Sequencer {
    /// Takes what is in the lanes now, most urgent first.
    pub(super) fn take(&mut self, feed: &Feed) {
        for lane in Lane::ALL {
            while let Some(batch) = feed.lanes.receive(lane) {
                self.take_batch(&batch, lane);
                let count = u64::try_from(batch.len()).unwrap();
                feed.counters.journaled.fetch_add(count, Ordering::Relaxed);
                feed.lanes.give_back(batch);
            }
        }
    }

    /// Takes until there are so many events.
    pub(super) fn take_until(&mut self, feed: &Feed, count: usize) {
        self.take_until_at_least(feed, count);
        assert_eq!(self.events.len(), count);
    }

    /// Takes until there are so many events or more.
    pub(super) fn take_until_at_least(&mut self, feed: &Feed, count: usize) {
        wait_for("events in the lanes", || {
            self.take(feed);
            self.events.len() >= count
        });
    }

    fn take_batch(&mut self, batch: &Batch, lane: Lane) {
        for event in batch.events() {
            assert_eq!(event.lane, lane);
            self.events.push(Seen {
                lane,
                raw: event.raw.to_vec(),
                faults: event.faults,
                peer: event.peer,
                arrived: event.arrived,
                rule: event.rule.to_owned(),
                listener: event.listener,
            });
        }
        self.answers.extend(batch.answers().map(|answer| {
            assert_eq!(answer.listener, LISTENER);
            Owed { peer: answer.peer, local: answer.local, bytes: answer.bytes.to_vec() }
        }));
    }
}

/// Fills a lane with empty batches, so that nothing more goes in.
pub(super) fn fill(feed: &Feed, lane: Lane) {
    for _ in 0..LANE_BATCHES {
        feed.lanes.send(lane, Box::default()).expect("the lane has room");
    }
}

/// Received = journaled + ignored + shed.
pub(super) fn assert_ledger(feed: &Feed) {
    let counters = &feed.counters;
    let ignored: u64 = counters.ignored().map(|(_, count)| count).sum();
    let shed: u64 = counters.shed().map(|(_, _, count)| count).sum();
    let journaled = counters.journaled.load(Ordering::Relaxed);
    assert_eq!(counters.received.load(Ordering::Relaxed), journaled + ignored + shed);
}

/// Waits for a condition, ten seconds at most.
pub(super) fn wait_for(what: &str, mut is_met: impl FnMut() -> bool) {
    let deadline_ns = boot_ns() + 10_000_000_000;
    while !is_met() {
        assert!(boot_ns() < deadline_ns, "waited in vain for: {what}");
        std::thread::park_timeout(Duration::from_micros(200));
    }
}
