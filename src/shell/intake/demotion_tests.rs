//! Devices that move between lanes: nothing of one is ever overtaken, and no clear is lost.

use super::*;
use crate::model::event::{Channel, Event, Lane, Verb};
use crate::model::limits::{BATCH_EVENTS, LANE_BATCHES};
use crate::model::severity::Severity;
use crate::model::time::At;
use crate::shell::batch::NO_PEER;
use crate::shell::intake::open::OpenBatches;
use crate::shell::lanes::Lanes;
use crate::shell::observe::counters::ShedReason;
use crate::shell::turns::Turns;
use proptest::prelude::*;
use std::collections::BTreeMap;

const DEVICES: [&str; 3] = ["a", "b", "c"];
const CHATTY: u32 = 6;

fn event<'a>(device: &'a str, lane: Lane, verb: Verb, raw: &'a [u8]) -> Event<'a> {
    Event {
        severity: Severity::Major,
        lane,
        epoch: 1,
        peer: NO_PEER,
        is_known: true,
        device,
        alarm_type: lane.as_str(),
        raw,
        ..Event::new(verb, Channel::Trap, At::default())
    }
}

/// A receive thread and the sequencer, one step of either at a time.
struct Play {
    lanes: Arc<Lanes>,
    turns: Turns,
    counters: Arc<ListenerCounters>,
    open: OpenBatches,
    now: EngineTime,
    sent: u64,
    /// Numbers by device and alarm type, in the order in which the sequencer took them.
    taken: BTreeMap<(String, String), Vec<u64>>,
}

impl Play {
    fn new() -> Self {
        let (lanes, counters) = (Arc::new(Lanes::default()), Arc::<ListenerCounters>::default());
        let open = OpenBatches::new(Arc::clone(&lanes), Arc::clone(&counters), 0);
        Self {
            turns: Turns::new(Arc::clone(&lanes)),
            open: open.demoting(CHATTY),
            lanes,
            counters,
            now: EngineTime(SECOND_NS),
            sent: 0,
            taken: BTreeMap::new(),
        }
    }

    fn message(&mut self, device: usize, lane: Lane) {
        self.sent += 1;
        let raw = self.sent.to_le_bytes();
        let device = DEVICES.get(device).expect("one of them");
        self.open.begin();
        self.open.push(&event(device, lane, Verb::Raise, &raw));
        while let Some(lane) = self.open.full_lane() {
            assert!(self.open.has_sent(lane), "there is room");
        }
    }

    fn round_ends(&mut self) {
        for lane in Lane::ALL {
            assert!(self.open.has_sent(lane), "there is room");
        }
        self.open.watch_load(self.now);
    }

    fn second_passes(&mut self) {
        self.now = self.now.plus_ns(SECOND_NS);
        self.open.watch_load(self.now);
    }

    /// Takes at most so many batches of each lane.
    fn take(&mut self, shares: [usize; 3]) -> usize {
        let mut count = 0;
        for (lane, share) in Lane::ALL.into_iter().zip(shares) {
            for _ in 0..share {
                let Some(mut batch) = self.turns.next(lane) else { break };
                for event in batch.events() {
                    let number = event.raw.try_into().map(u64::from_le_bytes).expect("a number");
                    let key = (event.device.to_owned(), event.alarm_type.to_owned());
                    self.taken.entry(key).or_default().push(number);
                    count += 1;
                }
                batch.pass();
                self.lanes.give_back(batch);
            }
        }
        count
    }

    fn demoted(&self) -> u64 {
        self.counters.sources_demoted.load(Ordering::Relaxed)
    }
}

#[test]
fn a_chatty_device_is_moved_under_overload_and_comes_back_when_calm() {
    let mut play = Play::new();
    let burst = |play: &mut Play, count: u32| {
        (0..count).for_each(|_| play.message(0, Lane::Urgent));
        play.message(1, Lane::Urgent);
        play.round_ends();
    };
    burst(&mut play, 3 * CHATTY);
    assert_eq!(play.demoted(), 0, "without overload nobody is looked at");
    play.lanes.set_overloaded(true);
    play.round_ends();
    burst(&mut play, 3 * CHATTY);
    assert_eq!(play.demoted(), 1);
    assert_eq!(play.lanes.waiting(Lane::Low), 1);
    play.second_passes();
    play.second_passes();
    assert_eq!(play.demoted(), 1, "calm, but what it sent waits");
    assert_eq!(play.take([9, 9, 9]), 2 * (3 * 6 + 1));
    burst(&mut play, 1);
    assert_eq!(play.take([0, 0, 9]), 0, "what was sent before on another lane goes first");
    play.take([9, 9, 9]);
    play.lanes.set_overloaded(false);
    play.second_passes();
    assert_eq!((play.demoted(), play.counters.demotions.load(Ordering::Relaxed)), (0, 1));
    burst(&mut play, 1);
    assert_eq!(play.lanes.waiting(Lane::Low), 0);
}

#[test]
fn a_full_low_lane_sheds_raises_and_keeps_clears() {
    let mut play = Play::new();
    for _ in 0..LANE_BATCHES {
        play.lanes.send(Lane::Low, play.lanes.take_empty()).expect("room");
    }
    let clear = event("a", Lane::Low, Verb::Clear, &[7; 8]);
    let raise = event("a", Lane::Low, Verb::Raise, &[8; 8]);
    play.open.push(&raise);
    play.open.push(&clear);
    play.open.push(&raise);
    assert!(!play.open.has_sent(Lane::Low));
    assert!(play.open.has_room_without_raises(Lane::Low, ShedReason::LaneFull));
    let shed: u64 = play.counters.shed().map(|(_, _, count)| count).sum();
    assert_eq!(shed, 2);
    assert!(!play.open.has_sent(Lane::Low) && !play.open.is_empty(Lane::Low));
    assert!(play.open.has_room_without_raises(Lane::Low, ShedReason::LaneFull));
    (1..BATCH_EVENTS).for_each(|_| play.open.push(&clear));
    assert!(!play.open.has_sent(Lane::Low));
    assert!(!play.open.has_room_without_raises(Lane::Low, ShedReason::LaneFull), "it must wait");
    play.take([0, 0, 1]);
    assert!(play.open.has_sent(Lane::Low));
    assert_eq!(play.take([0, 0, LANE_BATCHES + 1]), BATCH_EVENTS);
}

#[derive(Clone, Debug)]
enum Step {
    Messages { device: usize, lane: Lane, count: usize },
    RoundEnds,
    SecondPasses,
    Overload(bool),
    Take([usize; 3]),
}

fn step() -> impl Strategy<Value = Step> {
    let lane = prop_oneof![4 => Just(Lane::Urgent), 2 => Just(Lane::Normal), 1 => Just(Lane::Low)];
    prop_oneof![
        6 => (0..DEVICES.len(), lane, prop_oneof![1..9_usize, Just(70)])
            .prop_map(|(device, lane, count)| Step::Messages { device, lane, count }),
        4 => Just(Step::RoundEnds),
        2 => Just(Step::SecondPasses),
        1 => any::<bool>().prop_map(Step::Overload),
        4 => [0..3_usize, 0..2, 0..3].prop_map(Step::Take),
    ]
}

proptest! {
    #[test]
    fn nothing_of_a_device_is_overtaken_or_lost(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut play = Play::new();
        play.lanes.set_overloaded(true);
        for step in steps {
            match step {
                Step::Messages { device, lane, count } => {
                    (0..count).for_each(|_| play.message(device, lane));
                }
                Step::RoundEnds => play.round_ends(),
                Step::SecondPasses => play.second_passes(),
                Step::Overload(is_overloaded) => play.lanes.set_overloaded(is_overloaded),
                Step::Take(shares) => {
                    play.take(shares);
                }
            }
        }
        play.round_ends();
        while play.take([1, 1, 1]) > 0 {}
        prop_assert!(play.turns.is_empty());
        let taken: usize = play.taken.values().map(Vec::len).sum();
        prop_assert_eq!(u64::try_from(taken).expect("few"), play.sent);
        for (key, numbers) in &play.taken {
            prop_assert!(numbers.is_sorted(), "{:?}: {:?}", key, numbers);
        }
        // Whoever was moved comes back.
        play.lanes.set_overloaded(false);
        play.second_passes();
        play.second_passes();
        prop_assert_eq!(play.demoted(), 0);
    }
}
