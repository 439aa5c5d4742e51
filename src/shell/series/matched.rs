//! What is kept of a series that rules look at: its newest sample, and for each rule the zone in
//! which it lies and whether it is silent.
//!
//! In: samples, one after the other. Out: what is to be told. Samples that are older than the
//! newest change nothing. A NaN and a stale marker say that there is no value: the newest sample is
//! forgotten, so that a rate begins anew, and only silence can follow.
//!
//! A million of these are kept, and a sample of one fetches it from memory: what most series need
//! lies side by side, and what is rare lies elsewhere.
//!
//! Where an alarm stands that a series means alone is kept with the series. When a second one means
//! it too ([`Matched::share`]), both share it as if they always had, but for two things: the first
//! counts as heard since its last sample, even if that held no number for the rule; and its samples
//! were not held back behind the newest one of before a NaN, only behind the beginning of the zone.

use crate::classify::{Classifier, Hit, MetricRule, News, Quantity, Side};
use crate::model::sample::{Reading, Sample, Temporality};
use crate::model::time::Timestamp;
use crate::shell::series::baselines::Usual;
use crate::shell::series::key::Keys;
use crate::shell::series::measure::{Measure, Newest, measure};
use crate::shell::series::pair::Pair;
use crate::shell::series::peers::{Member, Peers};
use crate::shell::series::senders::Sender;
use crate::shell::series::shard::Place;
use crate::shell::series::shares::{Shared, locked};
use crate::shell::series::standing::{Compared, Instants, Standing, When};
use std::iter::once;
use std::mem::size_of;
use std::sync::{Arc, Mutex};

/// A sender that is heard within so many seconds is not silent, whatever its rules ask of series.
const SENDER_SILENT_S: u32 = 60;
/// Rules that look at one series at most: settling names each by an octet.
pub(super) const RULES_MAX: usize = 255;

/// A series that rules look at.
pub(super) struct Matched {
    /// The classifier that found the rules: hits mean something only to it.
    pub(super) classifier: Arc<Classifier>,
    /// How the values follow each other.
    temporality: Temporality,
    newest: Newest,
    /// Second in which a number came last.
    heard_s: u32,
    /// Most series have one: it lies here, so that nothing else has to be fetched.
    first: Track,
    more: Box<[Track]>,
}

/// A series under one rule.
struct Track {
    hit: Hit,
    alarm: OfAlarm,
    /// What is usual, where the rule goes by that.
    usual: Option<Box<Usual>>,
    /// A second without a number after which it is silent.
    absent_after_s: u32,
    /// Whether the engine was told that it is silent.
    is_silent: bool,
}

/// What a series has by one rule besides itself.
#[derive(Default)]
pub(super) struct Joined {
    /// The other series of a ratio.
    pub(super) pair: Option<Shared<Pair>>,
    /// What is usual, where the rule goes by that.
    pub(super) usual: Option<Box<Usual>>,
}

/// The series of one alarm by one rule.
enum OfAlarm {
    /// It is the only one.
    Alone(Alone),
    /// Each brings a number of its own.
    Peers(Shared<Peers>),
    /// Each brings its side of a ratio.
    Ratio(Shared<Pair>),
}

/// A series that means its alarm alone.
#[derive(Clone, Copy)]
struct Alone {
    /// Where the alarm stands.
    standing: Standing,
    /// The newest number that was held against the bands; NaN for none.
    compared: f64,
}

/// A series that is met for the first time under these rules.
#[derive(Clone, Copy)]
pub(super) struct First {
    /// How the values follow each other.
    pub(super) temporality: Temporality,
    pub(super) now_s: u32,
}

/// Something to tell about a series.
#[derive(Clone)]
pub(super) struct Tell {
    /// By which rule, about which alarm.
    pub(super) hit: Hit,
    /// Place of the track, to settle it.
    pub(super) track: u8,
    /// What it is.
    pub(super) news: News,
    /// Since when it lies in that zone.
    pub(super) since: Timestamp,
    /// Whether it is another zone than the one before.
    pub(super) is_change: bool,
}

/// What fell silent.
#[derive(Default)]
pub(super) struct Fallen {
    /// These tracks of the series.
    pub(super) tracks: Vec<(u8, Hit)>,
    /// The sender as a whole.
    pub(super) is_sender: bool,
}

/// Of which series a sample is, when it came, and with which request.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) place: Place,
    pub(super) at: Timestamp,
    pub(super) now_s: u32,
    pub(super) request: u32,
}

impl Matched {
    /// A series that these rules look at, if any does; `join` gives what it has by one of them, or
    /// nothing when that rule is not to look at it.
    pub(super) fn new(
        classifier: &Arc<Classifier>,
        hits: Vec<Hit>,
        First { temporality, now_s }: First,
        join: impl Fn(&Hit, &MetricRule) -> Option<Joined>,
    ) -> Option<Self> {
        let track = |hit: Hit| {
            let rule = classifier.metric_rule(hit.rule)?;
            let absent_s = rule.absent_after_ms.div_ceil(1_000);
            let Joined { pair, usual } = join(&hit, rule)?;
            Some(Track {
                alarm: pair.map_or(OfAlarm::Alone(Alone::default()), OfAlarm::Ratio),
                usual,
                hit,
                absent_after_s: u32::try_from(absent_s).unwrap_or(u32::MAX),
                is_silent: false,
            })
        };
        let mut tracks = hits.into_iter().take(RULES_MAX).filter_map(track);
        Some(Self {
            classifier: Arc::clone(classifier),
            temporality,
            newest: Newest::NONE,
            heard_s: now_s,
            first: tracks.next()?,
            more: tracks.collect(),
        })
    }

    /// The same series under other rules: what it brought last stays, and where its alarms stand by
    /// rules that mean the same.
    pub(super) fn take_over(&mut self, before: &Self) {
        self.newest = before.newest;
        self.heard_s = before.heard_s;
        let meaning = |classifier: &Classifier, hit: &Hit| {
            classifier.metric_rule(hit.rule).map(MetricRule::meaning)
        };
        for track in once(&mut self.first).chain(&mut self.more) {
            let now = meaning(&self.classifier, &track.hit);
            let known = once(&before.first).chain(&before.more).find(|known| {
                meaning(&before.classifier, &known.hit) == now
                    && known.hit.is_about_the_same(&track.hit)
            });
            let Some(known) = known else { continue };
            track.is_silent = known.is_silent;
            if let (OfAlarm::Alone(alone), OfAlarm::Alone(known)) = (&mut track.alarm, &known.alarm)
            {
                *alone = *known;
            }
        }
    }

    /// Takes a sample; what is to be told is appended to `tells`. `sender_back_s` is when the
    /// sender came back from a silence of its own.
    pub(super) fn take(
        &mut self,
        sample: &Sample,
        moment: Moment,
        sender_back_s: u32,
        tells: &mut Vec<Tell>,
    ) {
        let value = match sample.reading {
            Reading::Number(value) if !value.is_nan() => value,
            Reading::Number(_) => {
                self.heard_s = self.heard_s.max(moment.now_s);
                self.newest.value = f64::NAN;
                return;
            }
            Reading::Stale => {
                self.newest.value = f64::NAN;
                return;
            }
        };
        let newest = self.newest.counted();
        if newest.is_some_and(|newest| moment.at < newest.at) {
            return;
        }
        let was_away = sender_back_s > self.heard_s;
        self.heard_s = self.heard_s.max(moment.now_s);
        let Moment { place: series, at, now_s, request } = moment;
        // Also when what was taken then counts for nothing any more (a stale marker came since).
        let is_again = at <= self.newest.at;
        let when = When { at, now_s, request, is_again };
        let now = Newest { value, at };
        for (place, track) in (0..=u8::MAX).zip(once(&mut self.first).chain(&mut self.more)) {
            if was_away || track.is_silent {
                track.is_silent = false;
                track.with_standing(Standing::forget);
            }
            let Some(rule) = self.classifier.metric_rule(track.hit.rule) else { continue };
            let computation = rule.computation;
            let quantity = match (track.hit.side, computation.divisor) {
                (Side::Divisor, Some(quantity)) => quantity,
                (Side::Measured | Side::Divisor, _) => computation.quantity,
            };
            let kind = match quantity {
                Quantity::Value => Measure::Value,
                Quantity::Rate => Measure::Rate,
                Quantity::Delta => Measure::Delta,
            };
            let made = measure(kind, (sample, self.temporality), now, newest);
            let number = made.and_then(|number| track.ratio(number, moment.at));
            let Some(number) = number else { continue };
            let news = track.news(number * computation.scale, moment.at, rule);
            if let Some((news, told, is_change)) = track.tell(news, (series, when), rule) {
                let hit = track.hit.clone();
                let tell = Tell { hit, track: place, news, since: told.since, is_change };
                let also = told.also.map(|since| Tell { since, is_change: false, ..tell.clone() });
                tells.push(tell);
                tells.extend(also);
            }
        }
        self.newest = now;
    }

    /// Learns what became of a request that told something of a track.
    pub(super) fn settle(&mut self, track: u8, request: u32, is_durable: bool) {
        if let Some(track) = self.track(track) {
            track.with_standing(|standing| standing.settle(request, is_durable));
        }
    }

    /// The first second in which a track of it may be silent; `None` when none can be.
    pub(super) fn due_s(&self) -> Option<u32> {
        let tracks = once(&self.first).chain(&self.more);
        let waiting = tracks.filter(|track| track.is_waited_for());
        waiting.map(|track| self.heard_s.saturating_add(track.absent_after_s)).min()
    }

    /// Which tracks fell silent. Where the sender says nothing either for as long, that is no news
    /// of the series: then only the sender is silent. What is given counts as told from now on.
    pub(super) fn fall_silent(&mut self, series: Place, now_s: u32, sender: &Sender) -> Fallen {
        let heard_s = self.heard_s.max(sender.back_s());
        let mut fallen = Fallen::default();
        for (place, track) in (0..=u8::MAX).zip(once(&mut self.first).chain(&mut self.more)) {
            let is_due = |since_s: u32| since_s.saturating_add(track.absent_after_s) <= now_s;
            if !track.is_waited_for() || !is_due(heard_s) {
                continue;
            }
            if is_due(sender.heard_s()) {
                // It may send more seldom than one of its series is to be heard.
                let quiet_s = track.absent_after_s.max(SENDER_SILENT_S);
                fallen.is_sender |= sender.heard_s().saturating_add(quiet_s) <= now_s;
                continue;
            }
            track.is_silent = true;
            // While others tell of the alarm, nothing is missed.
            let is_told_by_others = match &mut track.alarm {
                OfAlarm::Alone(alone) => {
                    alone.compared = f64::NAN;
                    alone.standing.forget();
                    false
                }
                OfAlarm::Peers(peers) => {
                    locked(peers).leave(series.number(), now_s, track.absent_after_s)
                }
                OfAlarm::Ratio(_) => false,
            };
            if !is_told_by_others {
                fallen.tracks.push((place, track.hit.clone()));
            }
        }
        fallen
    }

    fn track(&mut self, place: u8) -> Option<&mut Track> {
        match place.checked_sub(1) {
            None => Some(&mut self.first),
            Some(place) => self.more.get_mut(usize::from(place)),
        }
    }

    /// What was told of the silence of a track was not durable.
    pub(super) fn unsay_silence(&mut self, track: u8) {
        if let Some(track) = self.track(track) {
            track.is_silent = false;
        }
    }

    /// By which rule a track looks at it, and about which alarm.
    pub(super) fn hit(&mut self, track: u8) -> Option<Hit> {
        Some(self.track(track)?.hit.clone())
    }

    /// The alarms that it means alone, by the places of their tracks.
    pub(super) fn alone(&self, keys: &Keys) -> impl Iterator<Item = (u8, u64)> {
        let tracks = (0..=u8::MAX).zip(once(&self.first).chain(&self.more));
        let alone = tracks.filter(|(_, track)| matches!(track.alarm, OfAlarm::Alone(_)));
        alone.filter_map(|(place, track)| Some((place, self.alarm(track, keys)?)))
    }

    /// Names the alarm of a track by its rule; a rule that means something else is another one.
    fn alarm(&self, track: &Track, keys: &Keys) -> Option<u64> {
        let hit = &track.hit;
        let rule = self.classifier.metric_rule(hit.rule)?;
        let meaning = rule.meaning().to_string();
        let texts = [rule.name(), hit.device(), hit.component(), hit.qualifier(), &meaning];
        Some(keys.of_texts(&texts).check)
    }

    /// Shares an alarm from now on, if it means it alone.
    pub(super) fn share(&mut self, place: Place, alarm: u64, keys: &Keys) -> Option<Shared<Peers>> {
        let (track, _) = self.alone(keys).find(|(_, one)| *one == alarm)?;
        let (heard_s, newest) = (self.heard_s, self.newest.at);
        let track = self.track(track)?;
        let OfAlarm::Alone(Alone { standing, compared }) = track.alarm else { return None };
        let news = match &track.usual {
            Some(usual) => usual.news(compared),
            None => News::Value(compared),
        };
        let leader = Member { series: place.number(), heard_s, news };
        let leader = (!compared.is_nan()).then_some(leader);
        let peers = Arc::new(Mutex::new(Peers::led_by(leader, standing, newest)));
        track.alarm = OfAlarm::Peers(Arc::clone(&peers));
        Some(peers)
    }

    /// Shares the alarm of a track with those who meant it before.
    pub(super) fn join(&mut self, track: u8, peers: Shared<Peers>) {
        let Some(track) = self.track(track) else { return };
        if let OfAlarm::Alone(alone) = &track.alarm
            && alone.standing.zone().is_some()
        {
            // It has told already, so that nobody knows what the engine heard last.
            locked(&peers).standing.forget();
        }
        track.alarm = OfAlarm::Peers(peers);
    }
}

impl Default for Alone {
    fn default() -> Self {
        Self { standing: Standing::default(), compared: f64::NAN }
    }
}

impl Track {
    fn is_waited_for(&self) -> bool {
        self.absent_after_s > 0 && !self.is_silent
    }

    fn with_standing<T>(&mut self, work: impl FnOnce(&mut Standing) -> T) -> T {
        match &mut self.alarm {
            OfAlarm::Alone(alone) => work(&mut alone.standing),
            OfAlarm::Peers(peers) => work(&mut locked(peers).standing),
            OfAlarm::Ratio(pair) => work(&mut locked(pair).standing),
        }
    }

    /// The number itself, or the ratio that it completes.
    fn ratio(&self, number: f64, at: Timestamp) -> Option<f64> {
        match &self.alarm {
            OfAlarm::Alone(_) | OfAlarm::Peers(_) => Some(number),
            OfAlarm::Ratio(pair) => locked(pair).take(self.hit.side, number, at),
        }
    }

    /// The number as it is, or beside what is usual.
    fn news(&mut self, number: f64, at: Timestamp, rule: &MetricRule) -> News {
        match self.usual.as_mut().zip(rule.baseline.as_ref()) {
            None => News::Value(number),
            Some((usual, rule)) => usual.look(number, at, rule),
        }
    }

    /// What is to be told: the news, with which instants, and whether it is a change.
    fn tell(
        &mut self,
        news: News,
        (series, when): (Place, When),
        rule: &MetricRule,
    ) -> Option<(News, Instants, bool)> {
        match &mut self.alarm {
            OfAlarm::Alone(Alone { standing, compared }) => {
                *compared = news.compared().unwrap_or(f64::NAN);
                let is_again = when.is_again || when.at <= standing.since();
                let when = When { at: when.at.max(standing.since()), is_again, ..when };
                stand(standing, news, when, rule)
            }
            OfAlarm::Ratio(pair) => {
                let mut pair = locked(pair);
                let (at, is_again) = pair.time_of(when.at);
                stand(&mut pair.standing, news, When { at, is_again, ..when }, rule)
            }
            OfAlarm::Peers(peers) => {
                let mut peers = locked(peers);
                let member = Member { series: series.number(), heard_s: when.now_s, news };
                peers.note(when.at);
                let (news, is_own) = peers.take(member, &rule.threshold, self.absent_after_s)?;
                let is_again = !is_own || when.is_again;
                let when = When { at: peers.lead(!is_again), is_again, ..when };
                stand(&mut peers.standing, news, when, rule)
            }
        }
    }
}

fn stand(
    standing: &mut Standing,
    news: News,
    when: When,
    rule: &MetricRule,
) -> Option<(News, Instants, bool)> {
    let number = news.compared()?;
    let zone = rule.zones.of(number)?;
    // Of a series that is new, only what is not normal is a change.
    let is_change = match standing.zone() {
        Some(before) => before != zone,
        None => !rule.threshold.is_normal(number),
    };
    let told = standing.take(Compared { number, zone, rule: &rule.threshold }, when)?;
    Some((news, told, is_change))
}

// What every series costs that rules look at, besides its texts.
const _: () = assert!(size_of::<Matched>() <= 128);

#[cfg(test)]
#[path = "matched_tests.rs"]
mod tests;
