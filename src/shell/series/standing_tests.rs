//! An engine that is told what a standing asks for knows as much as one that is told everything.

use super::*;
use crate::correlate::threshold::{Heard, Watch, WatchKey};
use crate::model::event::{Channel, Event, Verb};
use crate::model::severity::Severity;
use crate::model::threshold::{Band, Cut, Extent};
use crate::model::time::{At, EngineTime};
use crate::shell::batch::NO_PEER;
use proptest::prelude::*;

/// What happens to a series.
#[derive(Clone, Debug)]
enum Step {
    /// Samples of one value, so many milliseconds after each other, and what becomes of the
    /// requests. One that was not durable is sent again.
    Samples { value: f64, every_ms: u64, outcomes: Vec<Outcome> },
    /// Vigie starts again: what the standing knew is gone.
    Restart,
}

/// What becomes of the request with a sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// It is in the journal, and the sender knows.
    Durable,
    /// It is in the journal, but the sender was told that it is not.
    Doubted,
    /// It is not in the journal, and the sender was told so.
    Lost,
}

fn step() -> impl Strategy<Value = Step> {
    let values = prop::sample::select(vec![10.0, 65.0, 75.0, 85.0, 95.0]);
    let outcomes = prop_oneof![
        20 => Just(Outcome::Durable),
        1 => Just(Outcome::Doubted),
        1 => Just(Outcome::Lost)
    ];
    let outcomes = prop::collection::vec(outcomes, 1..12);
    prop_oneof![
        12 => (values, 100..20_000_u64, outcomes)
            .prop_map(|(value, every_ms, outcomes)| Step::Samples { value, every_ms, outcomes }),
        1 => Just(Step::Restart),
    ]
}

fn rule() -> ThresholdRule {
    let band = |severity, raise, clear, for_ms, samples| Band {
        severity,
        extent: Extent::Above {
            raise: Cut::above(raise).expect("finite"),
            clear: Cut::below(clear).expect("finite"),
        },
        for_ms,
        samples,
    };
    ThresholdRule {
        name: "r".to_owned(),
        alarm_type: "t".to_owned(),
        bands: vec![
            band(Severity::Warning, 60.0, 60.0, 90_000, 1),
            band(Severity::Minor, 70.0, 60.0, 30_500, 2),
            band(Severity::Major, 80.0, 70.0, 0, 2),
            band(Severity::Critical, 90.0, 80.0, 60_000, 1),
        ],
        absent_alarm_type: String::new(),
        absent_severity: Severity::Minor,
    }
}

fn event(now_ms: u64, occurred_at: Timestamp) -> Event<'static> {
    let engine = EngineTime(now_ms * 1_000_000);
    Event {
        epoch: 1,
        occurred_at: Some(occurred_at),
        peer: NO_PEER,
        is_known: true,
        device: "r1",
        alarm_type: "t",
        rule: "r",
        ..Event::new(Verb::Crossing, Channel::Metric, At { engine, wall: wall(now_ms) })
    }
}

fn wall(now_ms: u64) -> Timestamp {
    Timestamp(i64::try_from(now_ms * 1_000_000).expect("small"))
}

fn watch() -> Watch {
    let (qualifier, rule) = (Box::default(), Box::from("r"));
    let key = WatchKey { resource: 1, alarm_type: 0, qualifier, rule };
    Watch::new(key, Heard::of(&event(0, Timestamp(0))))
}

/// The severity that holds.
fn holds(watch: &Watch, rule: &ThresholdRule) -> Option<Severity> {
    watch.worst(rule).map(|(severity, _)| severity)
}

/// A series, an engine that gets what is told of it, and one that gets all of it.
struct World {
    standing: Standing,
    told: Watch,
    all: Watch,
    now_ms: u64,
    request: u32,
}

impl World {
    fn sample(&mut self, rule: &ThresholdRule, (value, at): (f64, Timestamp), outcome: Outcome) {
        self.request += 1;
        let zone = rule.zones().of(value).expect("a number");
        let now_s = u32::try_from(self.now_ms / 1_000).expect("small");
        let sample = Compared { number: value, zone, rule };
        let told = self.standing.take(sample, When { at, now_s, request: self.request });
        if outcome != Outcome::Lost {
            self.all.sample(rule, &event(self.now_ms, at), value);
            let instants = told.map(|told| [Some(told.since), told.also]);
            for instant in instants.into_iter().flatten().flatten() {
                let event = event(self.now_ms, instant);
                if !self.told.is_repeated_by(rule, &event, value) {
                    self.told.sample(rule, &event, value);
                }
            }
        }
        self.standing.settle(self.request, outcome == Outcome::Durable);
    }
}

proptest! {
    #[test]
    fn what_is_told_is_enough(steps in prop::collection::vec(step(), 1..40)) {
        let rule = rule();
        let mut world = World {
            standing: Standing::default(),
            told: watch(),
            all: watch(),
            now_ms: 10_000,
            request: 0,
        };
        for step in steps {
            let Step::Samples { value, every_ms, outcomes } = step else {
                world.standing = Standing::default();
                world.told.await_sample();
                world.all.await_sample();
                continue;
            };
            let mut again = None;
            for outcome in outcomes.into_iter().chain([Outcome::Durable]) {
                world.now_ms += every_ms;
                let at = again.unwrap_or_else(|| wall(world.now_ms));
                world.sample(&rule, (value, at), outcome);
                again = (outcome != Outcome::Durable).then_some(at);
                let (told, all) = (holds(&world.told, &rule), holds(&world.all, &rule));
                prop_assert_eq!(told, all, "at {}", world.now_ms);
            }
        }
    }
}
