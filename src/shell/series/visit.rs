//! One request among the series: what its samples say is compared with what is known, and what is
//! news goes on its way.
//!
//! In: series and samples, as a decoder visits them. Out: events in the lanes, the request's
//! account, and what a sender is told about samples that were not taken.

use crate::classify::{Classifier, News, Origin};
use crate::model::event::Verb;
use crate::model::sample::{
    Labels, METRIC_NAME, Recall, Rejection, Sample, SampleFault, Samples, SeriesKind, Tally,
};
use crate::model::time::{NS_PER_S, Timestamp};
use crate::shell::series::account::{Account, Protocol, Refusal};
use crate::shell::series::matched::{Matched, Moment, Tell};
use crate::shell::series::senders::Sender;
use crate::shell::series::table::{Known, Place, Touch, Trail};
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

/// A request at work.
pub struct Visit<'i> {
    core: &'i Core,
    classifier: Arc<Classifier>,
    sender: Arc<Sender>,
    origin: Origin,
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
        let origin = Origin { peer: sender.peer, listener: core.listener, arrived };
        Self {
            classifier: core.classifier.load_full(),
            now_s: core.second(arrived.engine),
            request: core.next_request(),
            submission: Submission::new(&core.way),
            core,
            sender,
            origin,
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
    pub(super) fn panicked(&mut self) {
        self.account.add_refusal(Refusal::DecoderPanicked, 1);
        self.notes.add(1, format_args!("the decoder failed on this body"));
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
        let at = sample.at.unwrap_or(self.origin.arrived.wall);
        if let Some(refusal) = self.check_age(at) {
            self.account.add_refusal(refusal, 1);
            if refusal == Refusal::TooNew {
                let ahead_s = at.ns_since(self.origin.arrived.wall) / NS_PER_S;
                self.notes.add(1, format_args!("a sample is {ahead_s} s in the future"));
            }
            return;
        }
        self.account.applied = self.account.applied.saturating_add(1);
        let moment = Moment { at, now_s: self.now_s, request: self.request };
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
            let when = (&self.origin, Some(tell.since));
            let news = News::Value(tell.value);
            let event = classifier.series_event(&tell.hit, news, when, &mut self.line);
            let Some(event) = event.filter(|_| !self.submission.has_failed()) else { continue };
            self.submission.push(&event);
            self.told.push((place, tell.track));
            let changes = self.account.band_changes;
            self.account.band_changes = changes.saturating_add(u64::from(tell.is_change));
        }
    }
}

impl Samples for Visit<'_> {
    fn recall(&mut self, block: &[u8]) -> Recall {
        let Core { keys, table, .. } = self.core;
        let check = keys.check_of_block(block);
        let (mut trail, touch) = (self.trail, self.touch());
        let known = table.follow(&mut trail, check, &touch).or_else(|| {
            let key = keys.of_checked_block(block, check);
            table.recall(&mut trail, key, &touch)
        });
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
            let read = |name: &str| labels.get(name);
            let metric = labels.get(METRIC_NAME).unwrap_or_default();
            let hits = self.classifier.resolve_series(metric, &read, self.sender.peer);
            let how = (kind.temporality, self.now_s);
            let matched = Matched::new(&self.classifier, hits, how, |hit, rule| {
                let texts = [rule, hit.device(), hit.component(), hit.qualifier()];
                self.core.pairs.of(keys, &texts)
            });
            matched.map(Box::new)
        };
        let mut trail = self.trail;
        let known = self.core.table.enter((key, block), (&mut trail, &self.touch()), resolve);
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
        let mut complaint = format!("{faults} samples were not taken: {words}");
        if more > 0 {
            let _ = write!(complaint, "; and {more} more");
        }
        if let Some(fault) = self.tally.broken {
            let _ =
                write!(complaint, "; the body could not be read to its end: {}", fault.as_str());
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
