//! What the tests of samples share: rules, an intake of its own, and the place of the sequencer.

use crate::classify::{Classifier, Directory, RuleSource, compile};
use crate::decode::metrics::line_protocol::{self, Precision};
use crate::model::event::{Lane, Verb};
use crate::model::inventory::{Device, Inventory};
use crate::model::time::{EngineTime, Timestamp};
use crate::shell::batch::NO_PEER;
use crate::shell::clock::{self, EngineClock};
use crate::shell::intake::stop::Stop;
use crate::shell::lanes::Lanes;
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::self_alarm::SelfAlarms;
use crate::shell::series::table::Bounds;
use crate::shell::series::{Protocol, SeriesIntake, SeriesParts, Settled, Shown, Told};
use crate::shell::submission::Way;
use arc_swap::ArcSwap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rules of the tests.
pub(in crate::shell) const RULES: &str = r#"
[[alarm_type]]
id = "test-hot"
title = "Too hot"
event_type = "environmental"
probable_cause = "temperatureUnacceptable"
severity = "critical"

[[metric]]
name = "hot"
metric = "temp_c"
alarm_type = "test-hot"
qualifier = "{sensor}"
text = "it is {value} degrees at {sensor}"
absent_after_s = 60
bands = [{ severity = "major", above = 90, clear_below = 80 }]

[[metric]]
name = "busy"
metric = "busy_seconds"
value = "rate"
alarm_type = "test-hot"
qualifier = "busy"
bands = [{ severity = "major", above = 0.9, samples = 2 }]

[[metric]]
name = "errors"
metric = "req_errors"
ratio_to = "req_total"
alarm_type = "test-hot"
qualifier = "errors"
bands = [{ severity = "major", above = 0.5 }]

[[metric]]
name = "unusual"
metric = "load_calls"
alarm_type = "test-hot"
baseline = { spread_min = 2 }
bands = [
  { severity = "major", above = 4, clear_below = 2 },
  { severity = "minor", below = -4, clear_above = -2 },
]
text = "{value} calls, usual are {expected}"
"#;

/// An intake, and the lanes that it feeds.
pub(in crate::shell) struct Bench {
    pub(in crate::shell) intake: Arc<SeriesIntake>,
    pub(in crate::shell) lanes: Arc<Lanes>,
    pub(in crate::shell) ledger: Arc<ListenerCounters>,
    pub(in crate::shell) stop: Arc<Stop>,
}

/// An event as the sequencer would see it.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::shell) struct Seen {
    pub(in crate::shell) verb: Verb,
    pub(in crate::shell) device: String,
    pub(in crate::shell) qualifier: String,
    pub(in crate::shell) rule: String,
    pub(in crate::shell) text: String,
    pub(in crate::shell) value: Option<f64>,
    pub(in crate::shell) occurred_at: Option<Timestamp>,
}

impl Default for Bench {
    fn default() -> Self {
        Self::bounded(Bounds::default())
    }
}

impl Bench {
    pub(in crate::shell::series) fn bounded(bounds: Bounds) -> Self {
        Self::with(bounds, RULES, None)
    }

    /// With rules and a file of baselines.
    pub(in crate::shell::series) fn with(
        bounds: Bounds,
        rules: &str,
        baselines: Option<PathBuf>,
    ) -> Self {
        let classifier = classifier(rules, 1);
        let lanes = Arc::new(Lanes::default());
        let ledger = Arc::new(ListenerCounters::default());
        let stop = Arc::new(Stop::default());
        let clock = EngineClock::starting_at(EngineTime(1_000_000_000_000));
        let parts = SeriesParts {
            way: Way { lanes: Arc::clone(&lanes), counters: Arc::clone(&ledger), clock },
            listener: 1,
            classifier: Arc::new(ArcSwap::from_pointee(classifier)),
            stop: Arc::clone(&stop),
            own: SelfAlarms {
                lanes: Arc::clone(&lanes),
                clock,
                counters: Arc::default(),
                listener: 0,
            },
            backfill_after: Duration::from_secs(300),
            baselines,
        };
        let intake = Arc::new(SeriesIntake::bounded(parts, bounds));
        // What every sender tells first is not what the tests are about.
        let bench = Self { intake, lanes, ledger, stop };
        bench.send(Some(true), "warm up=1");
        bench
    }

    /// These rules come into force.
    pub(in crate::shell::series) fn reload(&self, rules: &str, epoch: u32) {
        self.intake.core.classifier.store(Arc::new(classifier(rules, epoch)));
    }

    /// Sends lines, journals what they tell (or loses it, or leaves it), and gives the events.
    pub(in crate::shell) fn send(
        &self,
        is_durable: Option<bool>,
        lines: &str,
    ) -> (Settled, Vec<Seen>) {
        self.send_from(NO_PEER, is_durable, lines)
    }

    pub(in crate::shell) fn send_from(
        &self,
        peer: IpAddr,
        is_durable: Option<bool>,
        lines: &str,
    ) -> (Settled, Vec<Seen>) {
        let told = self.told(peer, lines);
        let seen = is_durable.map(|is_durable| self.journal(is_durable));
        (self.settle(told), seen.unwrap_or_default())
    }

    pub(in crate::shell) fn told(&self, peer: IpAddr, lines: &str) -> Told {
        self.intake.take(Protocol::Influx, peer, |visit| {
            line_protocol::decode(lines.as_bytes(), Precision::Nanosecond, visit)
        })
    }

    pub(in crate::shell) fn settle(&self, told: Told) -> Settled {
        settle(&self.intake, told)
    }

    /// Stands in for the sequencer: takes everything, and settles it or loses it.
    pub(in crate::shell) fn journal(&self, is_durable: bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        for lane in Lane::ALL {
            while let Some(mut batch) = self.lanes.receive(lane) {
                seen.extend(batch.events().map(|event| Seen {
                    verb: event.verb,
                    device: event.device.to_owned(),
                    qualifier: event.qualifier.to_owned(),
                    rule: event.rule.to_owned(),
                    text: event.text.to_owned(),
                    value: event.value,
                    occurred_at: event.occurred_at,
                }));
                let count = u64::try_from(batch.len()).expect("few");
                self.ledger.journaled.fetch_add(count, Ordering::Relaxed);
                if let Some(receipt) = batch.take_receipt().filter(|_| is_durable) {
                    receipt.settle();
                }
                self.lanes.give_back(batch);
            }
        }
        seen
    }

    /// The account of line protocol.
    pub(in crate::shell) fn shown(&self, protocol: Protocol) -> Shown {
        let mut all = self.intake.counters().shown();
        let (_, shown) = all.find(|(known, _)| *known == protocol).expect("every protocol");
        shown
    }

    /// Asserts that the account adds up; gives received, applied, unmatched, rejected.
    pub(in crate::shell) fn account(&self, protocol: Protocol) -> [u64; 4] {
        let shown = self.shown(protocol);
        let rejected = shown.rejected.iter().map(|(_, count)| count).sum();
        assert_eq!(shown.received, shown.applied + shown.unmatched + rejected, "{shown:?}");
        [shown.received, shown.applied, shown.unmatched, rejected]
    }
}

fn classifier(rules: &str, epoch: u32) -> Classifier {
    let sources = [RuleSource { file: "test.toml", text: rules }];
    let rules = compile(&sources).expect("the rules of the tests compile");
    let device = Device { name: "pe1".to_owned(), ..Device::default() };
    let inventory = Inventory { devices: vec![device], ..Inventory::default() };
    let directory = Directory::build(&inventory, &|_| None);
    Classifier::new(Arc::new(rules), Arc::new(directory), epoch)
}

/// Waits for what a request told.
pub(in crate::shell) fn settle(intake: &SeriesIntake, told: Told) -> Settled {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(told.settle(intake))
}

/// An instant so many seconds from now, as lines write it.
pub(in crate::shell) fn from_now(seconds: i64) -> i64 {
    clock::wall().0 + seconds * 1_000_000_000
}
