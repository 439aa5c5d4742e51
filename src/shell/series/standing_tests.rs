//! An engine that is told what a standing asks for knows as much as one that is told everything. A
//! sample that is sent again after the time that a band asks for may end it or not.

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
    /// The series is silent for a while, and both engines are told.
    Silence,
    /// One more series that means the alarm comes back from a silence, in the request of a sample.
    Return { value: f64, is_before: bool },
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
    /// It is in the journal, but the answer did not come through.
    Unheard,
}

fn step() -> impl Strategy<Value = Step> {
    let values = prop::sample::select(vec![10.0, 65.0, 75.0, 85.0, 95.0]);
    let outcomes = prop_oneof![
        20 => Just(Outcome::Durable),
        1 => Just(Outcome::Doubted),
        1 => Just(Outcome::Lost),
        1 => Just(Outcome::Unheard)
    ];
    let outcomes = prop::collection::vec(outcomes, 1..12);
    prop_oneof![
        12 => (values.clone(), 100..20_000_u64, outcomes)
            .prop_map(|(value, every_ms, outcomes)| Step::Samples { value, every_ms, outcomes }),
        1 => Just(Step::Restart),
        1 => Just(Step::Silence),
        1 => (values, any::<bool>())
            .prop_map(|(value, is_before)| Step::Return { value, is_before }),
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

/// A series, an engine that gets what is told of it, one that gets every sample once, and one that
/// gets those too that are sent again.
struct World {
    rule: ThresholdRule,
    standing: Standing,
    newest: Timestamp,
    told: Watch,
    once: Watch,
    all: Watch,
    now_ms: u64,
    request: u32,
    /// Whether the engines have the sample at hand.
    has_it: bool,
}

impl World {
    fn take(&mut self, value: f64, sampled_at: Timestamp, is_lost: bool) {
        let zone = self.rule.zones().of(value).expect("a number");
        let now_s = u32::try_from(self.now_ms / 1_000).expect("small");
        let sample = Compared { number: value, zone, rule: &self.rule };
        let is_again = sampled_at <= self.newest;
        self.newest = self.newest.max(sampled_at);
        let at = self.newest;
        let when = When { at, now_s, request: self.request, is_again };
        let told = self.standing.take(sample, when);
        // What is not told cannot be lost.
        if is_lost && told.is_some() {
            return;
        }
        let whole = event(self.now_ms, at);
        self.all.sample(&self.rule, &whole, value);
        if !std::mem::replace(&mut self.has_it, true) {
            self.once.sample(&self.rule, &whole, value);
        }
        let instants = told.map(|told| [Some(told.since), told.also]);
        for instant in instants.into_iter().flatten().flatten() {
            let event = event(self.now_ms, instant);
            if !self.told.is_repeated_by(&self.rule, &event, value) {
                self.told.sample(&self.rule, &event, value);
            }
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Samples { value, every_ms, outcomes } => {
                let mut again = None;
                for outcome in outcomes.into_iter().chain([Outcome::Durable]) {
                    self.now_ms += every_ms;
                    let at = again.unwrap_or_else(|| wall(self.now_ms));
                    self.request += 1;
                    self.has_it &= again.is_some();
                    self.take(value, at, outcome == Outcome::Lost);
                    let is_believed = matches!(outcome, Outcome::Durable | Outcome::Unheard);
                    self.standing.settle(self.request, is_believed);
                    again = (outcome != Outcome::Durable).then_some(at);
                    self.compare()?;
                }
            }
            Step::Restart => {
                self.standing = Standing::default();
                for engine in [&mut self.told, &mut self.once, &mut self.all] {
                    engine.await_sample();
                }
            }
            Step::Silence => {
                self.standing.forget();
                for engine in [&mut self.told, &mut self.once, &mut self.all] {
                    engine.lose_sight();
                }
            }
            Step::Return { value, is_before } => {
                self.now_ms += 1_000;
                self.request += 1;
                self.has_it = false;
                if is_before {
                    self.standing.forget();
                }
                self.take(value, wall(self.now_ms), false);
                if !is_before {
                    self.standing.forget();
                }
                self.standing.settle(self.request, true);
                self.compare()?;
            }
        }
        Ok(())
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let [told, once, all] =
            [&self.told, &self.once, &self.all].map(|engine| holds(engine, &self.rule));
        prop_assert!(once <= told && told <= all, "{once:?} {told:?} {all:?} at {}", self.now_ms);
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_is_told_is_enough(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World {
            rule: rule(),
            standing: Standing::default(),
            newest: Timestamp(0),
            told: watch(),
            once: watch(),
            all: watch(),
            now_ms: 10_000,
            request: 0,
            has_it: false,
        };
        for step in steps {
            world.step(step)?;
        }
    }
}
