//! Series of one alarm: it makes no difference when they began to share it.

use super::*;
use crate::classify::{Directory, RuleSource, compile};
use crate::model::inventory::Inventory;
use crate::shell::batch::NO_PEER;
use crate::shell::series::alarms::Alarms;
use crate::shell::series::senders::Senders;
use crate::shell::series::shares::Shares;
use crate::shell::series::testing::RULES;
use proptest::prelude::*;
use std::fmt::Write as _;

const SERIES: u32 = 4;

/// What happens to the series of one alarm.
#[derive(Clone, Debug)]
enum Step {
    /// A sample of one of them, so many seconds after the step before. Clocks differ.
    Sample { series: u32, value: f64, after_s: u32 },
    /// One of them says that it has no value.
    Stale { series: u32 },
    /// What became of one of the requests that told something.
    Settle { request: usize, is_durable: bool },
    /// Time passes, and who is silent is told of; it may not be durable.
    Silence { after_s: u32, is_durable: bool },
    /// One of them is forgotten.
    Forget { series: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let values = prop::sample::select(vec![10.0, 65.0, 75.0, 85.0, 95.0, f64::INFINITY]);
    prop_oneof![
        8 => (0..SERIES, values, 0..20_u32)
            .prop_map(|(series, value, after_s)| Step::Sample { series, value, after_s }),
        1 => (0..SERIES).prop_map(|series| Step::Stale { series }),
        6 => (0..8_usize, prop::bool::weighted(0.8))
            .prop_map(|(request, is_durable)| Step::Settle { request, is_durable }),
        2 => (0..70_u32, any::<bool>())
            .prop_map(|(after_s, is_durable)| Step::Silence { after_s, is_durable }),
        1 => (0..SERIES).prop_map(|series| Step::Forget { series }),
    ]
}

/// How series come to share an alarm.
enum Way {
    /// From their first sample on.
    Always(Shares<Peers>),
    /// When the second one comes.
    Late(Alarms),
}

struct World {
    way: Way,
    keys: Keys,
    classifier: Arc<Classifier>,
    sender: Arc<Sender>,
    series: Vec<Option<Matched>>,
    now_s: u32,
    request: u32,
    /// Requests that told something.
    told: Vec<(u32, u8, u32)>,
}

impl World {
    fn new(way: Way) -> Self {
        let own = "\n[[metric]]\nname = \"warm\"\nmetric = \"warm_c\"\n\
                   alarm_type = \"test-hot\"\nabsent_after_s = 60\nbands = [\n\
                   { severity = \"minor\", above = 70, clear_below = 60 },\n\
                   { severity = \"major\", above = 90, clear_below = 80, samples = 2 },\n]\n";
        let rules = compile(&[RuleSource { file: "test.toml", text: &format!("{RULES}{own}") }]);
        let rules = Arc::new(rules.expect("the rules of the tests compile"));
        let directory = Arc::new(Directory::build(&Inventory::default(), &|_| None));
        Self {
            way,
            keys: Keys::default(),
            classifier: Arc::new(Classifier::new(rules, directory, 1)),
            sender: Senders::default().of(NO_PEER.into()),
            series: (0..SERIES).map(|_| None).collect(),
            now_s: 1,
            request: 0,
            told: Vec::new(),
        }
    }

    fn at(&mut self, series: u32) -> &mut Option<Matched> {
        &mut self.series[usize::try_from(series).expect("few")]
    }

    /// The series; it comes in if it is not there.
    fn enter(&mut self, series: u32) -> &mut Matched {
        if self.at(series).is_none() {
            let labels = |name: &str| (name == "host").then_some("pe1");
            let hits = self.classifier.resolve_series("warm_c", &labels, NO_PEER);
            let first = First { temporality: Temporality::Untold, now_s: self.now_s };
            let join = |_: &Hit, _: &MetricRule| Some(Joined::default());
            let matched = Matched::new(&self.classifier, hits, first, join).expect("a rule");
            *self.at(series) = Some(matched);
            let peers = match &self.way {
                Way::Always(shares) => Some(shares.of(&self.keys, &["one"])),
                Way::Late(_) => self.meet(series),
            };
            if let Some(peers) = peers {
                self.at(series).as_mut().expect("it came in").join(0, peers);
            }
        }
        self.at(series).as_mut().expect("it came in")
    }

    /// As the table does it.
    fn meet(&mut self, series: u32) -> Option<Shared<Peers>> {
        let Way::Late(alarms) = &self.way else { return None };
        let place = Place::numbered(series);
        let meant = alarms.meant_by(self.series[usize::try_from(series).ok()?].as_ref());
        let [(0, alarm)] = meant[..] else { panic!("one alarm: {meant:?}") };
        let all = std::cell::RefCell::new(&mut self.series);
        alarms.join(alarm, place, |other, keys| {
            let number = usize::try_from(other.number()).ok()?;
            all.borrow_mut()[number].as_mut()?.share(other, alarm, keys)
        })
    }

    /// Takes a step; gives what is told of it.
    fn take(&mut self, step: &Step) -> String {
        match *step {
            Step::Sample { series, value, after_s } => {
                self.now_s += after_s;
                self.sample(series, Reading::of(value))
            }
            Step::Stale { series } => self.sample(series, Reading::Stale),
            Step::Settle { request, is_durable } => {
                if request < self.told.len() {
                    let (series, track, request) = self.told.remove(request);
                    if let Some(matched) = self.at(series) {
                        matched.settle(track, request, is_durable);
                    }
                }
                String::new()
            }
            Step::Silence { after_s, is_durable } => {
                self.now_s += after_s;
                let now_s = self.now_s;
                self.sender.hear(now_s);
                let mut silent = String::new();
                for (number, matched) in (0..).zip(&mut self.series) {
                    let Some(matched) = matched else { continue };
                    let fallen = matched.fall_silent(Place::numbered(number), now_s, &self.sender);
                    for (track, hit) in fallen.tracks {
                        // Writing to a text cannot fail.
                        let _ = write!(silent, "{number} {track} {};", hit.device());
                        if !is_durable {
                            matched.unsay_silence(track);
                        }
                    }
                }
                silent
            }
            Step::Forget { series } => {
                let gone = self.at(series).take();
                if let Way::Late(alarms) = &self.way {
                    alarms.leave(Place::numbered(series), gone.as_ref());
                }
                String::new()
            }
        }
    }

    fn sample(&mut self, series: u32, reading: Reading) -> String {
        self.request += 1;
        let second = 1_000 + i64::from(self.now_s) - 7 * i64::from(series);
        let at = Timestamp(second * 1_000_000_000);
        let (now_s, request) = (self.now_s, self.request);
        let moment = Moment { place: Place::numbered(series), at, now_s, request };
        let sample = Sample { at: Some(at), started_at: None, reading };
        let mut tells = Vec::new();
        self.enter(series).take(&sample, moment, 0, &mut tells);
        let mut told = String::new();
        for Tell { hit, track, news, since, is_change } in tells {
            // Writing to a text cannot fail.
            let _ = write!(told, "{} {track} {news:?} {since:?} {is_change};", hit.device());
            self.told.push((series, track, request));
        }
        told
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn it_makes_no_difference_when_series_began_to_share_an_alarm(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut always = World::new(Way::Always(Shares::default()));
        let mut late = World::new(Way::Late(Alarms::default()));
        for (number, step) in steps.iter().enumerate() {
            prop_assert_eq!(late.take(step), always.take(step), "{}: {:?}", number, step);
        }
    }
}

#[test]
fn one_that_comes_second_does_not_clear_what_the_first_has_raised() {
    let mut world = World::new(Way::Late(Alarms::default()));
    let sample = |series, value| Step::Sample { series, value, after_s: 1 };
    assert!(world.take(&sample(0, 75.0)).contains("75"));
    let _ = world.take(&Step::Settle { request: 0, is_durable: true });
    assert!(matches!(world.enter(0).first.alarm, OfAlarm::Alone(_)));
    assert_eq!(world.take(&sample(1, 10.0)), "", "the first stands worse");
    assert!(matches!(world.enter(0).first.alarm, OfAlarm::Peers(_)));
    assert!(world.take(&sample(0, 20.0)).contains("20"));
}

#[test]
fn one_that_has_told_before_it_met_the_others_makes_the_next_tell_anew() {
    let mut world = World::new(Way::Late(Alarms::default()));
    let sample = |series, value| Step::Sample { series, value, after_s: 1 };
    // The rule asks for two samples in a row, so that many are told.
    for _ in 0..2 {
        assert!(world.take(&sample(0, 75.0)).contains("75"));
        let _ = world.take(&Step::Settle { request: 0, is_durable: true });
    }
    assert_eq!(world.take(&sample(0, 75.0)), "");
    let (matched, keys) = (world.enter(0), Keys::default());
    let (_, alarm) = matched.alone(&keys).next().expect("alone");
    let peers = matched.share(Place::numbered(0), alarm, &keys).expect("alone");
    let mut late = World::new(Way::Late(Alarms::default()));
    assert!(late.take(&sample(1, 10.0)).contains("10"));
    late.enter(1).join(0, peers);
    assert!(world.take(&sample(0, 75.0)).contains("75"), "the engine may have heard another");
}

#[test]
fn an_instant_that_was_taken_before_a_stale_marker_is_taken_once() {
    for way in [Way::Always(Shares::default()), Way::Late(Alarms::default())] {
        let mut world = World::new(way);
        let sample = Step::Sample { series: 3, value: 10.0, after_s: 0 };
        assert!(world.take(&sample).contains("10"));
        assert_eq!(world.take(&Step::Stale { series: 3 }), "");
        assert_eq!(world.take(&sample).matches("Value").count(), 1, "it is not durable yet");
    }
}
