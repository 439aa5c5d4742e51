//! One request among the series: what its samples say is compared with what is known, and what is
//! news goes on its way.
//!
//! In: series and samples, as a decoder visits them. Out: events in the lanes, the request's
//! account, and what a sender is told about samples that were not taken.

use crate::classify::{Classifier, Hit, MetricRule, Origin};
use crate::model::event::Verb;
use crate::model::sample::{
    Labels, METRIC_NAME, Recall, Rejection, Sample, SampleFault, Samples, SeriesKind, Tally,
};
use crate::model::time::{NS_PER_S, Timestamp};
use crate::shell::series::account::{Account, Protocol, Refusal};
use crate::shell::series::baselines::Usual;
use crate::shell::series::matched::{First, Joined, Matched, Moment, RULES_MAX, Tell};
use crate::shell::series::senders::Sender;
use crate::shell::series::shard::{Known, Place, Touch};
use crate::shell::series::table::Trail;
use crate::shell::series::{Core, SeriesIntake};
use crate::shell::submission::{Sent, Submission};
use std::fmt::Write as _;
use std::sync::Arc;

/// A sample is from the future when it is further ahead of the clock than clocks disagree, ns.
const AHEAD_NS_MAX: i64 = 600 * NS_PER_S;
/// Faults that are told to the sender in words; the others are counted.
const NOTES_MAX: usize = 5;
/// A name in such words is cut at so many characters.
const NOTE_NAME_CHARS: usize = 64;
/// Labels in a log are cut at so many characters.
const SHOWN_CHARS: usize = 1_024;

/// A request at work.
pub struct Visit<'i> {
    core: &'i Core,
    classifier: Arc<Classifier>,
    sender: Arc<Sender>,
    origin: Origin,
    untimed_at: Timestamp,
    protocol: Protocol,
    now_s: u32,
    request: u32,
    current: Current,
    trail: Trail,
    is_back: bool,
    account: Account,
    submission: Submission<'i>,
    /// What was told, to be settled.
    told: Vec<(Place, u8)>,
    tells: Vec<Tell>,
    line: String,
    notes: Notes,
}

/// The series at hand.
#[derive(Clone, Copy)]
enum Current {
    /// What comes is counted, and nothing else.
    Known(Known),
    /// None was named.
    None,
}

/// What a sender is told.
#[derive(Default)]
struct Notes {
    words: String,
    count: usize,
    /// Samples with a fault that is the sender's.
    faults: u64,
}

/// A request whose samples were looked at; what they tell may not be durable yet.
pub struct Told {
    sent: Sent,
    told: Vec<(Place, u8)>,
    /// The sender, if it was told to be back.
    back: Option<Arc<Sender>>,
    request: u32,
    protocol: Protocol,
    account: Account,
    tally: Tally,
    notes: Notes,
}

/// A request that is over.
pub struct Settled {
    /// Whether everything that it told is durable.
    pub is_durable: bool,
    /// What came of its body.
    pub tally: Tally,
    account: Account,
    notes: Notes,
}

impl<'i> Visit<'i> {
    pub(super) fn new(core: &'i Core, protocol: Protocol, sender: Arc<Sender>) -> Self {
        let arrived = core.way.clock.at();
        let origin = Origin { peer: sender.peer(), listener: core.listener, arrived };
        Self {
            classifier: core.classifier.load_full(),
            now_s: core.second(arrived.engine),
            request: core.next_request(),
            submission: Submission::new(&core.way),
            core,
            sender,
            origin,
            untimed_at: arrived.wall,
            protocol,
            current: Current::None,
            trail: Trail::default(),
            is_back: false,
            account: Account::default(),
            told: Vec::new(),
            tells: Vec::new(),
            line: String::new(),
            notes: Notes::default(),
        }
    }

    /// Notes that the sender is heard, and tells that it is back if it was silent.
    pub(super) fn hear_sender(&mut self) {
        self.is_back = self.sender.hear(self.now_s);
        if self.is_back {
            let text = "sends samples again";
            self.core.push_about_sender(&self.sender, Verb::Clear, text, &mut self.submission);
        }
    }

    /// Samples without a time that follow are of that instant; of the moment at which they come
    /// when there is none.
    pub fn date_untimed(&mut self, at: Option<Timestamp>) {
        self.untimed_at = at.unwrap_or(self.origin.arrived.wall);
    }

    /// Whether there was no room in the lanes: what is visited now comes to nothing.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.submission.has_failed()
    }

    /// The body is refused as a whole: one fault for all that may be in it.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.account.add_refusal(refusal, 1);
    }

    /// The body is read.
    pub(super) fn finish(self, tally: Tally) -> Told {
        Told {
            sent: self.submission.finish(),
            told: self.told,
            back: self.is_back.then_some(self.sender),
            request: self.request,
            protocol: self.protocol,
            account: self.account,
            tally,
            notes: self.notes,
        }
    }

    /// The decoder panicked: what was visited counts, and the body is a fault.
    pub fn panicked(&mut self) {
        self.account.add_refusal(Refusal::DecoderPanicked, 1);
        self.notes.add(1, format_args!("the decoder failed on this body"));
    }

    /// What the series has by a rule besides itself; `None` when it cannot have a baseline.
    fn join(&self, hit: &Hit, rule: &MetricRule) -> Option<Joined> {
        let Core { keys, pairs, baselines, .. } = self.core;
        let alarm = [rule.name(), hit.device(), hit.component(), hit.qualifier()];
        let usual = match &rule.baseline {
            None => None,
            Some(baseline) => {
                let zone = self.classifier.zone_of_baseline(hit);
                let name = zone.iana_name().unwrap_or("UTC");
                let baseline = baselines.of(&[&alarm[..], &[&baseline.subject, name]].concat())?;
                Some(Box::new(Usual::new(baseline, zone)))
            }
        };
        let pair = rule.computation.divisor.is_some().then(|| {
            // By a rule that means something else zones have other numbers.
            let meaning = rule.meaning().to_string();
            pairs.of(keys, &[&alarm[..], &[&meaning]].concat())
        });
        Some(Joined { pair, usual })
    }

    /// Says, ever more seldom, that another series means the same alarm.
    fn note_shared(&self, (place, track): (Place, u8), labels: &Labels<'_>) {
        let series = self.core.counters.share_alarm();
        if !series.is_power_of_two() {
            return;
        }
        let hit = self.core.table.with(place, |matched| matched.hit(track)).flatten();
        let Some(hit) = hit else { return };
        let rule = self.classifier.metric_rule(hit.rule).map(MetricRule::name);
        tracing::warn!(
            rule,
            device = hit.device(),
            component = hit.component(),
            qualifier = hit.qualifier(),
            labels = shown(labels),
            series,
            "several series mean one alarm, which stands as the worst of them; \
             put the label that tells them apart into the rule's `qualifier`"
        );
    }

    /// Says, ever more seldom, that not all rules look at a series.
    fn note_cut(&self, hits: usize, labels: &Labels<'_>) {
        let Some(cut) = hits.checked_sub(RULES_MAX).filter(|cut| *cut > 0) else { return };
        let before = self.core.counters.rules_cut();
        let cut = u64::try_from(cut).unwrap_or(u64::MAX);
        self.core.counters.cut_rules(cut);
        if before.saturating_add(cut).leading_zeros() < before.leading_zeros() {
            let labels = shown(labels);
            tracing::error!(
                labels,
                rules = hits,
                most = RULES_MAX,
                "too many rules for one series: those declared last do not look at it"
            );
        }
    }

    fn touch(&self) -> Touch<'_> {
        Touch {
            now_s: self.now_s,
            epoch: self.classifier.epoch(),
            request: self.request,
            sender: &self.sender,
            senders: &self.core.senders,
        }
    }

    /// Whether the sample may move an alarm.
    fn check_age(&self, at: Timestamp) -> Option<Refusal> {
        let age_ns = self.origin.arrived.wall.ns_since(at);
        if age_ns > self.core.backfill_after_ns {
            Some(Refusal::TooOld)
        } else if age_ns < -AHEAD_NS_MAX {
            Some(Refusal::TooNew)
        } else {
            None
        }
    }

    fn apply(&mut self, place: Place, sample: &Sample) {
        let at = sample.at.unwrap_or(self.untimed_at);
        if let Some(refusal) = self.check_age(at) {
            self.account.add_refusal(refusal, 1);
            if refusal == Refusal::TooNew {
                let ahead_s = at.ns_since(self.origin.arrived.wall) / NS_PER_S;
                self.notes.add(1, format_args!("a sample is {ahead_s} s in the future"));
            }
            return;
        }
        self.account.applied = self.account.applied.saturating_add(1);
        let moment = Moment { place, at, now_s: self.now_s, request: self.request };
        let back_s = self.sender.back_s();
        let tells = &mut self.tells;
        let classifier = self.core.table.with(place, |matched| {
            matched.take(sample, moment, back_s, tells);
            (!tells.is_empty()).then(|| Arc::clone(&matched.classifier))
        });
        if let Some(Some(classifier)) = classifier {
            self.tell(place, &classifier);
        }
    }

    #[cold]
    fn tell(&mut self, place: Place, classifier: &Classifier) {
        for tell in self.tells.drain(..) {
            // What is told again because it did not become durable is no change any more.
            let changes = self.account.band_changes;
            self.account.band_changes = changes.saturating_add(u64::from(tell.is_change));
            let when = (&self.origin, Some(tell.since));
            let event = classifier.series_event(&tell.hit, tell.news, when, &mut self.line);
            let Some(event) = event.filter(|_| !self.submission.has_failed()) else { continue };
            self.submission.push(&event);
            self.told.push((place, tell.track));
        }
    }
}

impl Samples for Visit<'_> {
    fn recall(&mut self, block: &[u8]) -> Recall {
        let Core { keys, table, .. } = self.core;
        let block = keys.of_block(block);
        let (mut trail, touch) = (self.trail, self.touch());
        let known = table.follow(&mut trail, block, &touch);
        let known = known.or_else(|| table.recall(&mut trail, block, &touch));
        match known {
            Some(known) => {
                self.trail = trail;
                self.current = Current::Known(known);
                Recall::Known
            }
            None => Recall::Unknown,
        }
    }

    fn series(&mut self, labels: &Labels<'_>, kind: SeriesKind) {
        let keys = &self.core.keys;
        let key = keys.of_labels(labels);
        let block = labels.block().map(|block| keys.of_block(block));
        let resolve = || {
            let sender = &self.sender;
            let read = |name: &str| labels.get(name).or_else(|| sender.device_label(name));
            let metric = labels.get(METRIC_NAME).unwrap_or_default();
            let hits = self.classifier.resolve_series(metric, &read, sender.peer());
            self.note_cut(hits.len(), labels);
            let temporality = kind.temporality;
            let first = First { temporality, now_s: self.now_s };
            let join = |hit: &Hit, rule: &MetricRule| self.join(hit, rule);
            Matched::new(&self.classifier, hits, first, join).map(Box::new)
        };
        let note_shared = |place: Place, track: u8| self.note_shared((place, track), labels);
        let (mut trail, touch, table) = (self.trail, self.touch(), &self.core.table);
        let known = table.enter((key, block), (&mut trail, &touch), resolve, note_shared);
        self.trail = trail;
        if known == Known::Full {
            let name: String = labels.name().chars().take(NOTE_NAME_CHARS).collect();
            self.notes.add(0, format_args!("{name:?}: too many series"));
        }
        self.current = Current::Known(known);
    }

    #[inline]
    fn sample(&mut self, sample: Sample) {
        match self.current {
            Current::Known(Known::Matched(place)) => self.apply(place, &sample),
            Current::Known(Known::Unmatched) | Current::None => {
                self.account.unmatched = self.account.unmatched.saturating_add(1);
            }
            Current::Known(Known::Full) => {
                self.account.add_refusal(Refusal::SeriesLimit, 1);
                self.notes.faults = self.notes.faults.saturating_add(1);
            }
        }
    }

    fn rejected(&mut self, rejection: &Rejection<'_>) {
        let Rejection { fault, samples, place, name } = *rejection;
        self.account.add_fault(fault, samples);
        if fault.is_senders() {
            let name: String = name.chars().take(NOTE_NAME_CHARS).collect();
            self.notes.add(samples, format_args!("{place} {name:?}: {}", fault.as_str()));
        }
    }
}

/// Labels for a log, cut where they get long.
fn shown(labels: &Labels<'_>) -> String {
    let mut shown = String::new();
    for (name, value) in labels.iter() {
        let between = if shown.is_empty() { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(shown, "{between}{name}={value:?}");
    }
    shown.chars().take(SHOWN_CHARS).collect()
}

impl Notes {
    fn add(&mut self, samples: u64, words: std::fmt::Arguments<'_>) {
        self.faults = self.faults.saturating_add(samples);
        if self.count < NOTES_MAX {
            let between = if self.count == 0 { "" } else { "; " };
            // Writing to a text cannot fail.
            let _ = write!(self.words, "{between}{words}");
        }
        self.count = self.count.saturating_add(1);
    }
}

impl Told {
    /// Whether it found no room in the lanes: what comes after it will not find any either.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.sent, Sent::Failed)
    }

    /// Waits for the disk, and lets the series know what came of it.
    pub async fn settle(self, intake: &SeriesIntake) -> Settled {
        let Self { sent, told, back, request, protocol, mut account, tally, notes } = self;
        let is_durable = sent.wait_for_disk().await;
        let core = intake.core();
        for (place, track) in told {
            let settle = |matched: &mut Matched| matched.settle(track, request, is_durable);
            // A series that is gone has nothing to learn.
            let _ = core.table.with(place, settle);
        }
        if !is_durable {
            account.lose();
            if let Some(sender) = back {
                sender.unsay_return();
            }
        }
        core.counters.add(protocol, &account);
        Settled { is_durable, tally, account, notes }
    }
}

impl Settled {
    /// What the sender is told about samples that were not taken through a fault of its own, or
    /// since there are too many series; `None` when there are none.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        if self.notes.faults == 0 && self.tally.broken.is_none() {
            return None;
        }
        let Notes { words, count, faults } = &self.notes;
        let more = count.saturating_sub(NOTES_MAX);
        let mut complaint = match faults {
            0 => String::new(),
            1 => format!("1 sample was not taken: {words}"),
            _ => format!("{faults} samples were not taken: {words}"),
        };
        if more > 0 {
            let _ = write!(complaint, "; and {more} more");
        }
        if let Some(fault) = self.tally.broken {
            let join = if complaint.is_empty() { "" } else { "; " };
            let fault = fault.as_str();
            let _ = write!(complaint, "{join}the body could not be read to its end: {fault}");
        }
        Some(complaint)
    }

    /// Whether nothing of the body could be read.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.tally.accepted == 0 && self.tally.broken.is_some_and(SampleFault::is_senders)
    }

    /// Samples that were taken note of, in the sender's unit.
    #[must_use]
    pub fn written(&self) -> u64 {
        let refused = [Refusal::TooNew, Refusal::SeriesLimit].map(|why| self.account.refused(why));
        self.tally.accepted.saturating_sub(refused.iter().sum())
    }
}
