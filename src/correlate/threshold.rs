//! What a threshold rule knows of one alarm, and all of that.
//!
//! ```text
//!             entered            a sample after its time, and enough of them
//!   Outside ──────────▶ Pending ─────────────────────────────────▶ Holds
//!      ▲                   │ a sample that is not in it               │
//!      ├───────────────────┘                                         │
//!      └─────────────────────────────────────────────────────────────┘ left by its other limit
//! ```
//!
//! Each band of a rule goes its own way; the worst that holds gives the severity. Time alone brings
//! no band to hold: it takes a sample to know that the value still lies there. Nothing is kept of
//! an alarm whose series is in no band and was not missed.

use crate::correlate::resource::Slot;
use crate::model::event::Event;
use crate::model::severity::Severity;
use crate::model::threshold::{Band, ThresholdRule};
use crate::model::time::{At, EngineTime, Timestamp};
use crate::model::timer::Timers;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Slot of a watch. Slots of forgotten watches are used again.
pub type WatchSlot = u32;

/// The alarm that a rule means, and the rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct WatchKey {
    /// The resource.
    pub resource: Slot,
    /// Number of the alarm type.
    pub alarm_type: u32,
    /// Qualifier of the alarm.
    pub qualifier: Box<str>,
    /// Name of the rule.
    pub rule: Box<str>,
}

impl WatchKey {
    /// The alarm.
    #[must_use]
    pub fn alarm(&self) -> (Slot, u32, &str) {
        (self.resource, self.alarm_type, &self.qualifier)
    }
}

/// What one rule knows of one alarm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watch {
    /// Which rule and which alarm.
    pub key: WatchKey,
    bands: Vec<BandState>,
    /// The severity that it raised and has not cleared.
    pub told: Option<Severity>,
    /// Time of the last sample that was told.
    sampled_at: Option<Timestamp>,
    /// Whether the series sends nothing any more, or was not heard yet since vigie was down.
    pub is_silent: bool,
    /// The alarm type that its silence raised.
    pub absence: Option<u32>,
    /// Whether the limits have changed since the last sample.
    is_stale: bool,
    /// Who told the last sample.
    pub heard: Heard,
}

/// Where the last sample of a series came from, and what it said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heard {
    /// Who sent it.
    pub peer: IpAddr,
    /// Who heard it.
    pub listener: u16,
    /// The line for people.
    pub text: Box<str>,
}

impl Heard {
    /// What an event says of its origin.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        Self { peer: event.peer, listener: event.listener, text: event.text.into() }
    }
}

/// Where one band is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum BandState {
    Outside,
    Pending { since: At, occurred_at: Option<Timestamp>, samples: u32 },
    Holds { occurred_at: Option<Timestamp> },
}

impl Watch {
    /// A watch that no sample has touched yet.
    #[must_use]
    pub fn new(key: WatchKey, heard: Heard) -> Self {
        Self {
            key,
            bands: Vec::new(),
            told: None,
            sampled_at: None,
            is_silent: false,
            absence: None,
            is_stale: false,
            heard,
        }
    }

    /// The worst band that holds: its severity, and when its first sample was taken.
    #[must_use]
    pub fn worst(&self, rule: &ThresholdRule) -> Option<(Severity, Option<Timestamp>)> {
        let holding = self.bands.iter().zip(&rule.bands).filter_map(|(state, band)| match state {
            BandState::Holds { occurred_at } => Some((band.severity, *occurred_at)),
            BandState::Outside | BandState::Pending { .. } => None,
        });
        holding.max_by_key(|(severity, _)| *severity)
    }

    /// Whether there is anything to remember.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let is_outside = |state: &BandState| *state == BandState::Outside;
        self.told.is_none() && self.absence.is_none() && self.bands.iter().all(is_outside)
    }

    /// Whether a sample would change nothing at all.
    #[must_use]
    pub fn is_repeated_by(&self, rule: &ThresholdRule, event: &Event<'_>, value: f64) -> bool {
        if self.is_late(event) {
            return true;
        }
        let is_same = |(state, band): (&BandState, &Band)| match state {
            BandState::Outside => !band.is_entered_by(value),
            BandState::Holds { .. } => band.is_held_by(value),
            BandState::Pending { samples: before, .. } => {
                let mut after = *state;
                after.sample(band, (event, self.is_another(event)), value);
                let is_counted = *before >= band.samples;
                matches!(after, BandState::Pending { samples, .. }
                    if is_counted || samples == *before)
            }
        };
        !self.is_silent
            && !self.is_stale
            && self.bands.len() == rule.bands.len()
            && self.bands.iter().zip(&rule.bands).all(is_same)
    }

    /// Whether a younger sample was told before.
    fn is_late(&self, event: &Event<'_>) -> bool {
        event.occurred_at.zip(self.sampled_at).is_some_and(|(new, known)| new < known)
    }

    /// Whether it is not the last one, sent once more: senders repeat what was not acknowledged.
    fn is_another(&self, event: &Event<'_>) -> bool {
        event.occurred_at.is_none() || event.occurred_at != self.sampled_at
    }

    /// A sample. `false` when it is older than the last one and nothing was done.
    pub fn sample(&mut self, rule: &ThresholdRule, event: &Event<'_>, value: f64) -> bool {
        if self.is_late(event) {
            return false;
        }
        let is_another = self.is_another(event);
        self.sampled_at = event.occurred_at.or(self.sampled_at);
        self.is_silent = false;
        self.heard = Heard::of(event);
        if self.is_stale || self.bands.len() != rule.bands.len() {
            self.begin_anew(rule, value);
        }
        for (state, band) in self.bands.iter_mut().zip(&rule.bands) {
            state.sample(band, (event, is_another), value);
        }
        true
    }

    /// The limits have changed: what was raised under the old ones holds under those of the new
    /// that would still hold it.
    fn begin_anew(&mut self, rule: &ThresholdRule, value: f64) {
        let was_raised = self.told.is_some();
        self.is_stale = false;
        self.bands = rule
            .bands
            .iter()
            .map(|band| {
                if was_raised && band.is_held_by(value) {
                    BandState::Holds { occurred_at: None }
                } else {
                    BandState::Outside
                }
            })
            .collect();
    }

    /// Until when the sample that completes what is pending is waited for, when one is; `now` is
    /// that of the last sample.
    #[must_use]
    pub fn awaited_until(&self, rule: &ThresholdRule, now: EngineTime) -> Option<EngineTime> {
        let bands = self.bands.iter().zip(&rule.bands);
        let pending = bands.filter(|(state, _)| matches!(state, BandState::Pending { .. }));
        let longest = pending.map(|(_, band)| band.for_ns()).max()?;
        Some(now.plus_ns(longest.saturating_add(MISSED_NS)))
    }

    /// Nobody knows how it goes on: what was not raised yet has to begin again.
    pub fn lose_sight(&mut self) {
        self.is_silent = true;
        self.give_up();
    }

    /// No sample completes what has begun.
    pub fn give_up(&mut self) {
        for state in &mut self.bands {
            if matches!(state, BandState::Pending { .. }) {
                *state = BandState::Outside;
            }
        }
    }

    /// Until a sample comes, nothing holds: nobody knows whether its bands still last.
    pub fn await_sample(&mut self) {
        self.is_silent = true;
    }

    /// The rule has other limits now, which the next sample is held against.
    pub fn outdate(&mut self) {
        self.lose_sight();
        self.is_stale = true;
    }
}

impl BandState {
    fn sample(&mut self, band: &Band, (event, is_another): (&Event<'_>, bool), value: f64) {
        let is_in = band.is_entered_by(value);
        let (since, occurred_at, samples) = match *self {
            Self::Holds { .. } if band.is_held_by(value) => return,
            Self::Pending { since, occurred_at, samples } if is_in => {
                (since, occurred_at, samples.saturating_add(u32::from(is_another)))
            }
            Self::Outside if is_in => (event.arrived, event.occurred_at, 1),
            Self::Outside | Self::Pending { .. } | Self::Holds { .. } => {
                *self = Self::Outside;
                return;
            }
        };
        // The first sample, sent again, does not show how long the value lies there.
        let is_first = event.occurred_at.is_some() && event.occurred_at == occurred_at;
        let has_lasted = band.for_ms == 0 || (!is_first && band.has_lasted(since, event.arrived));
        *self = if samples >= band.samples && has_lasted {
            Self::Holds { occurred_at }
        } else {
            Self::Pending { since, occurred_at, samples }
        };
    }
}

/// The rules in force and every watch.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Watches {
    rules: Vec<ThresholdRule>,
    slots: Vec<Option<Box<Watch>>>,
    free: Vec<WatchSlot>,
    by_key: BTreeMap<WatchKey, WatchSlot>,
    /// Watches whose series is missed, by device and alarm type of the absence.
    absent: BTreeMap<(Slot, u32), BTreeSet<WatchSlot>>,
    /// When a watch is to be forgotten, or its series is not waited for any more.
    pub timers: Timers<WatchSlot>,
}

impl Watches {
    /// The rule of that name.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&ThresholdRule> {
        rule_in(&self.rules, name)
    }

    /// Takes over the rules of new settings. Gives the watches whose rule is no more, or raises
    /// another alarm type now.
    pub fn update(
        &mut self,
        rules: &[ThresholdRule],
        type_of: impl Fn(&str) -> Option<u32>,
    ) -> Vec<WatchSlot> {
        let before = std::mem::replace(&mut self.rules, rules.to_vec());
        let mut orphans = Vec::new();
        let mut outdated = Vec::new();
        for (slot, watch) in self.iter() {
            let name = &*watch.key.rule;
            match self.rule(name) {
                Some(rule) if type_of(&rule.alarm_type) == Some(watch.key.alarm_type) => {
                    if rule_in(&before, name) != Some(rule) {
                        outdated.push(slot);
                    }
                }
                _ => orphans.push(slot),
            }
        }
        for slot in outdated {
            if self.get(slot).is_some_and(|watch| watch.absence.is_none()) {
                self.timers.cancel(slot);
            }
            if let Some(watch) = self.get_mut(slot) {
                watch.outdate();
            }
            self.forget_if_idle(slot);
        }
        orphans
    }

    /// The watch of a slot.
    #[must_use]
    pub fn get(&self, slot: WatchSlot) -> Option<&Watch> {
        self.slots.get(place(slot))?.as_deref()
    }

    /// The watch of a slot, to be changed.
    pub fn get_mut(&mut self, slot: WatchSlot) -> Option<&mut Watch> {
        self.slots.get_mut(place(slot))?.as_deref_mut()
    }

    /// The watch of a key.
    #[must_use]
    pub fn find(&self, key: &WatchKey) -> Option<WatchSlot> {
        self.by_key.get(key).copied()
    }

    /// Adds a watch.
    pub fn add(&mut self, watch: Watch) -> WatchSlot {
        let key = watch.key.clone();
        let watch = Some(Box::new(watch));
        let slot = if let Some(slot) = self.free.pop() {
            if let Some(cell) = self.slots.get_mut(place(slot)) {
                *cell = watch;
            }
            slot
        } else {
            self.slots.push(watch);
            u32::try_from(self.slots.len().saturating_sub(1)).unwrap_or(u32::MAX)
        };
        self.by_key.insert(key, slot);
        slot
    }

    /// Forgets a watch.
    pub fn remove(&mut self, slot: WatchSlot) {
        self.timers.cancel(slot);
        if let Some(watch) = self.slots.get_mut(place(slot)).and_then(Option::take) {
            self.by_key.remove(&watch.key);
            self.free.push(slot);
        }
    }

    /// Forgets a watch that has nothing to remember.
    pub fn forget_if_idle(&mut self, slot: WatchSlot) {
        if self.get(slot).is_some_and(Watch::is_idle) {
            self.remove(slot);
        }
    }

    /// Number of watches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Every watch in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (WatchSlot, &Watch)> {
        (0_u32..).zip(&self.slots).filter_map(|(slot, watch)| Some((slot, watch.as_deref()?)))
    }

    /// The worst severity that any rule has raised of one alarm.
    #[must_use]
    pub fn told_of(&self, resource: Slot, alarm_type: u32, qualifier: &str) -> Option<Severity> {
        let from =
            WatchKey { resource, alarm_type, qualifier: qualifier.into(), rule: Box::default() };
        self.by_key
            .range(&from..)
            .take_while(|(key, _)| {
                key.resource == resource
                    && key.alarm_type == alarm_type
                    && *key.qualifier == *qualifier
            })
            .filter_map(|(_, slot)| self.get(*slot)?.told)
            .max()
    }

    /// Notes that the series of a watch is missed on a device.
    pub fn miss(&mut self, device: Slot, alarm_type: u32, slot: WatchSlot) {
        self.absent.entry((device, alarm_type)).or_default().insert(slot);
        if let Some(watch) = self.get_mut(slot) {
            watch.absence = Some(alarm_type);
        }
    }

    /// The series of a watch is not missed any more; gives the alarm type of the absence when it
    /// was the last that the device missed.
    pub fn found(&mut self, device: Slot, slot: WatchSlot) -> Option<u32> {
        let alarm_type = self.get_mut(slot)?.absence.take()?;
        let missed = self.absent.get_mut(&(device, alarm_type))?;
        missed.remove(&slot);
        if !missed.is_empty() {
            return None;
        }
        self.absent.remove(&(device, alarm_type));
        Some(alarm_type)
    }

    /// Two parts of a device turned out to be one.
    pub fn move_all(&mut self, device: Slot, (from, to): (Slot, Slot)) {
        let on_from = WatchKey {
            resource: from,
            alarm_type: 0,
            qualifier: Box::default(),
            rule: Box::default(),
        };
        let moved: Vec<(WatchKey, WatchSlot)> = self
            .by_key
            .range(on_from..)
            .take_while(|(key, _)| key.resource == from)
            .map(|(key, slot)| (key.clone(), *slot))
            .collect();
        for (before, slot) in moved {
            let after = WatchKey { resource: to, ..before.clone() };
            let kept = match self.find(&after) {
                Some(other) => self.unite(device, (other, slot)),
                None => slot,
            };
            if kept == slot {
                self.by_key.remove(&before);
                self.by_key.insert(after.clone(), slot);
                if let Some(watch) = self.get_mut(slot) {
                    watch.key = after;
                }
            }
        }
    }

    /// Two watches turned out to be one: the one that has raised the alarm goes on.
    fn unite(&mut self, device: Slot, (one, other): (WatchSlot, WatchSlot)) -> WatchSlot {
        let has_told = |slot| self.get(slot).is_some_and(|watch| watch.told.is_some());
        let (kept, gone) =
            if has_told(other) && !has_told(one) { (other, one) } else { (one, other) };
        if let Some(alarm_type) = self.get(gone).and_then(|watch| watch.absence) {
            let due = self.timers.due_of(gone);
            if self.get(kept).is_some_and(|watch| watch.absence.is_none()) {
                self.miss(device, alarm_type, kept);
                if let Some(due) = due.filter(|_| !self.timers.is_set(kept)) {
                    self.timers.set(kept, due);
                }
            }
            self.found(device, gone);
        }
        self.remove(gone);
        kept
    }
}

/// The rule of that name among rules sorted by name.
fn rule_in<'r>(rules: &'r [ThresholdRule], name: &str) -> Option<&'r ThresholdRule> {
    let place = rules.binary_search_by(|rule| rule.name.as_str().cmp(name)).ok()?;
    rules.get(place)
}

/// How long a series is missed, or the sample that completes something awaited, before it is held
/// to be gone for good, ns: a day.
pub const MISSED_NS: u64 = 86_400_000_000_000;

fn place(slot: WatchSlot) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Channel, Verb};
    use crate::model::threshold::{Cut, Extent};
    use std::net::Ipv4Addr;

    const S: u64 = 1_000_000_000;

    fn event(arrived_s: u64) -> Event<'static> {
        let wall = i64::try_from(arrived_s * S).expect("small");
        Event {
            epoch: 1,
            occurred_at: Some(Timestamp(wall)),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            is_known: true,
            device: "r1",
            alarm_type: "t",
            rule: "r",
            ..Event::new(
                Verb::Crossing,
                Channel::Metric,
                At { engine: EngineTime(arrived_s * S), wall: Timestamp(wall) },
            )
        }
    }

    fn rule(for_s: u64, samples: u32) -> ThresholdRule {
        let extent = Extent::Above {
            raise: Cut::above(90.0).expect("finite"),
            clear: Cut::below(80.0).expect("finite"),
        };
        ThresholdRule {
            name: "r".to_owned(),
            alarm_type: "t".to_owned(),
            bands: vec![Band { severity: Severity::Major, extent, for_ms: for_s * 1_000, samples }],
            absent_alarm_type: String::new(),
            absent_severity: Severity::Minor,
        }
    }

    fn watch() -> Watch {
        let (qualifier, rule) = (Box::default(), Box::from("r"));
        let key = WatchKey { resource: 1, alarm_type: 0, qualifier, rule };
        Watch::new(key, Heard::of(&event(0)))
    }

    /// Where the band is after each of these samples, each ten seconds after the one before:
    /// outside, pending, holding.
    fn states(rule: &ThresholdRule, values: &[f64]) -> String {
        let mut watch = watch();
        (1..)
            .zip(values)
            .map(|(number, value)| {
                watch.sample(rule, &event(number * 10), *value);
                match watch.bands.as_slice() {
                    [BandState::Pending { .. }] => 'p',
                    [BandState::Holds { .. }] => 'h',
                    _ => 'o',
                }
            })
            .collect()
    }

    #[test]
    fn a_band_goes_from_state_to_state_as_drawn() {
        let values = [85.0, 91.0, 85.0, 79.0, 91.0, 92.0, 93.0, 80.0, 79.9];
        assert_eq!(states(&rule(0, 1), &values), "ohhohhhho");
        assert_eq!(states(&rule(20, 1), &values), "opoopphho");
        assert_eq!(states(&rule(0, 2), &values), "opoophhho");
        assert_eq!(states(&rule(20, 3), &values), "opoopphho");
        assert_eq!(states(&rule(0, 4), &values), "opoopppoo");
    }

    #[test]
    fn a_sample_shows_that_it_lasts_and_what_is_not_seen_begins_again() {
        let rule = rule(60, 1);
        let mut one = watch();
        one.sample(&rule, &event(10), 95.0);
        one.sample(&rule, &event(69), 95.0);
        assert_eq!(one.worst(&rule), None);
        let mut other = one.clone();
        one.sample(&rule, &event(200), 95.0);
        assert_eq!(one.worst(&rule), Some((Severity::Major, Some(Timestamp(10_000_000_000)))));
        other.lose_sight();
        assert!(other.is_idle());
        other.sample(&rule, &event(200), 95.0);
        assert_eq!(other.worst(&rule), None);
        one.lose_sight();
        assert!(one.worst(&rule).is_some(), "what holds goes on");
    }

    #[test]
    fn the_first_sample_sent_again_does_not_show_that_it_lasts() {
        let (mut watch, rule) = (watch(), rule(60, 1));
        watch.sample(&rule, &event(10), 95.0);
        let again = Event { occurred_at: event(10).occurred_at, ..event(100) };
        assert!(watch.is_repeated_by(&rule, &again, 95.0));
        watch.sample(&rule, &again, 95.0);
        assert_eq!(watch.worst(&rule), None);
        assert!(!watch.is_repeated_by(&rule, &event(100), 95.0));
    }

    #[test]
    fn a_sample_that_is_sent_again_counts_once() {
        let (mut watch, rule) = (watch(), rule(0, 3));
        for _ in 0..5 {
            watch.sample(&rule, &event(10), 95.0);
        }
        assert!(watch.is_repeated_by(&rule, &event(10), 95.0));
        assert!(!watch.is_repeated_by(&rule, &event(20), 95.0));
        watch.sample(&rule, &event(20), 95.0);
        assert!(matches!(watch.bands.as_slice(), [BandState::Pending { samples: 2, .. }]));
        watch.sample(&rule, &event(30), 95.0);
        assert!(matches!(watch.bands.as_slice(), [BandState::Holds { .. }]));
    }

    #[test]
    fn samples_that_change_nothing_are_known() {
        let rule = rule(60, 2);
        let mut watch = watch();
        watch.sample(&rule, &event(10), 95.0);
        assert!(!watch.is_repeated_by(&rule, &event(20), 95.0), "it counts");
        watch.sample(&rule, &event(20), 95.0);
        assert!(watch.is_repeated_by(&rule, &event(69), 99.0), "only time counts now");
        assert!(!watch.is_repeated_by(&rule, &event(70), 99.0), "it has lasted");
        assert!(!watch.is_repeated_by(&rule, &event(30), 85.0));
        assert!(watch.is_repeated_by(&rule, &event(15), 85.0), "it is older");
        watch.lose_sight();
        assert!(!watch.is_repeated_by(&rule, &event(30), 10.0), "it is heard again");
    }

    #[test]
    fn new_limits_keep_what_they_would_hold() {
        let mut watch = watch();
        watch.sample(&rule(0, 1), &event(10), 95.0);
        watch.told = Some(Severity::Major);
        watch.outdate();
        let (strict, mut same) = (rule(600, 5), watch.clone());
        same.sample(&strict, &event(20), 85.0);
        assert!(same.worst(&strict).is_some(), "it does not have to last again");
        watch.sample(&strict, &event(20), 70.0);
        assert_eq!(watch.worst(&strict), None);
    }

    #[test]
    fn watches_of_two_names_of_one_part_become_one() {
        let mut watches = Watches::default();
        let key = |resource| WatchKey { resource, ..watch().key };
        let known = watches.add(Watch { key: key(1), ..watch() });
        let twin = watches.add(Watch { key: key(2), told: Some(Severity::Major), ..watch() });
        watches.miss(9, 4, known);
        watches.timers.set(known, EngineTime(7));
        watches.move_all(9, (2, 1));
        assert_eq!((watches.len(), watches.find(&key(1))), (1, Some(twin)));
        assert_eq!(watches.timers.due_of(twin), Some(EngineTime(7)));
        assert_eq!(watches.told_of(1, 0, ""), Some(Severity::Major));
        assert_eq!(watches.found(9, twin), Some(4), "it was the last that was missed");
    }
}
