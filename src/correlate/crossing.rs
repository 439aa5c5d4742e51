//! Samples that cross limits, and series that fall silent, become raises, changes and clears of
//! alarms, by the same way as a trap.
//!
//! What nobody tells any more is unknown, not restored: an alarm whose source fell silent stays.

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::resource::Slot;
use crate::correlate::threshold::{Heard, MISSED_NS, Watch, WatchKey, WatchSlot};
use crate::model::event::{Channel, Event, Verb};
use crate::model::limits::WATCHES_MAX;
use crate::model::severity::Severity;
use crate::model::time::{At, Timestamp};

impl Correlator {
    /// Whether the event is one of a series and changes nothing: it needs no place in the journal.
    #[must_use]
    pub fn is_idle_news(&self, event: &Event<'_>) -> bool {
        match event.verb {
            Verb::Crossing => self.is_idle_crossing(event),
            Verb::Silent => self.is_idle_silence(event),
            Verb::Raise | Verb::Clear | Verb::Event | Verb::AdminDown => false,
        }
    }

    fn is_idle_crossing(&self, event: &Event<'_>) -> bool {
        let rule = self.watches.rule(event.rule);
        let Some((rule, value)) = rule.zip(event.value.filter(|value| !value.is_nan())) else {
            return true;
        };
        let names = self.names(event);
        let watch = names.and_then(|names| self.watches.find(&watch_key(names, event)));
        if let Some(watch) = watch.and_then(|slot| self.watches.get(slot)) {
            return watch.is_repeated_by(rule, event, value);
        }
        let is_left = || names.and_then(|names| self.left_by(names, event)).is_some();
        !rule.bands.iter().any(|band| band.is_entered_by(value)) && !is_left()
    }

    /// The severity of an alarm that this rule raised before it was removed, and that nobody told
    /// of since: now that the rule is back, its samples say how it goes on.
    fn left_by(&self, (resource, alarm_type): (Slot, u32), event: &Event<'_>) -> Option<Severity> {
        let slot = self.active_alarm((resource, alarm_type, event.qualifier))?;
        let alarm = self.alarms.get(slot)?;
        let is_left = alarm.is_source_silent
            && alarm.channels == Channel::Metric.bit()
            && *alarm.rule == *event.rule;
        is_left.then_some(alarm.severity)
    }

    fn is_idle_silence(&self, event: &Event<'_>) -> bool {
        if event.rule.is_empty() {
            return false;
        }
        let Some(rule) = self.watches.rule(event.rule) else { return true };
        match self.watch_of(event).and_then(|slot| self.watches.get(slot)) {
            Some(watch) => watch.is_silent,
            None => rule.absent_alarm_type.is_empty(),
        }
    }

    /// The watch of the event's rule and alarm, if there is one.
    fn watch_of(&self, event: &Event<'_>) -> Option<WatchSlot> {
        self.watches.find(&watch_key(self.names(event)?, event))
    }

    /// The resource and the alarm type that the event names, where both are known.
    fn names(&self, event: &Event<'_>) -> Option<(Slot, u32)> {
        let known = self.device_at(event).map(|slot| self.resources.get(slot).device.clone());
        let device = known.as_deref().unwrap_or(event.device);
        let resource = self
            .resources
            .find(&self.hasher, device, event.component)
            .or_else(|| self.resources.find_by_alias(&self.hasher, device, event.component))?;
        Some((resource, self.types.find(event.alarm_type)?))
    }

    /// A sample of a series that came into another zone, counts there, or may end what a band asks.
    pub(crate) fn crossing(&mut self, at: At, event: &Event<'_>, changes: &mut Changes) {
        if self.is_idle_crossing(event) {
            return;
        }
        let Some(value) = event.value else { return };
        let Some(slot) = self.watch_for(at, event, changes) else { return };
        let Some(rule) = self.watches.rule(event.rule).cloned() else { return };
        let Some(watch) = self.watches.get_mut(slot) else { return };
        if !watch.sample(&rule, event, value) {
            return;
        }
        let (key, due) = (watch.key.clone(), watch.awaited_until(&rule, at.engine));
        match due {
            Some(due) => self.watches.timers.set(slot, due),
            None => self.watches.timers.cancel(slot),
        }
        self.hear_again(at, slot, &key, event, changes);
        self.judge(at, slot, (event.arrived, event.occurred_at), changes);
        if self.watches.get(slot).is_some_and(Watch::is_idle) {
            self.watches.timers.set(slot, at.engine.plus_ns(LATE_NS));
        }
    }

    /// The watch of the event's rule and alarm, made when it is new; `None` when there are as many
    /// as can be held.
    fn watch_for(&mut self, at: At, event: &Event<'_>, changes: &mut Changes) -> Option<WatchSlot> {
        let resource = self.resolve(at, event, changes);
        let alarm_type = self.types.number_of(event.alarm_type);
        let key = watch_key((resource, alarm_type), event);
        if let Some(slot) = self.watches.find(&key) {
            return Some(slot);
        }
        if self.watches.len() >= WATCHES_MAX {
            self.alarms_refused = self.alarms_refused.saturating_add(1);
            return None;
        }
        let mut watch = Watch::new(key, Heard::of(event));
        watch.told = self.left_by((resource, alarm_type), event);
        if watch.told.is_some() {
            watch.outdate();
        }
        Some(self.watches.add(watch))
    }

    /// The series tells something again: its absence is over, and its alarm is known again.
    fn hear_again(
        &mut self,
        at: At,
        slot: WatchSlot,
        key: &WatchKey,
        event: &Event<'_>,
        changes: &mut Changes,
    ) {
        self.mark_source(key, false, changes);
        let device = self.resources.get(key.resource).parent;
        if let Some(alarm_type) = self.watches.found(device, slot) {
            let heard = Heard::of(event);
            let told = (Verb::Clear, Severity::Indeterminate, event.arrived);
            self.tell(at, (device, alarm_type), told, (&heard, event.rule), changes);
        }
    }

    /// Time has passed for a watch: nothing is to be remembered of it, or its series is not waited
    /// for any more.
    pub(crate) fn watch_due(&mut self, at: At, slot: WatchSlot, changes: &mut Changes) {
        let Some(watch) = self.watches.get_mut(slot) else { return };
        watch.give_up();
        if watch.absence.is_some() {
            self.stop_missing(at, slot, changes);
        } else if watch.is_silent {
            self.stop_waiting(slot, changes);
        } else {
            self.watches.forget_if_idle(slot);
        }
    }

    /// Raises, changes or clears the alarm of a watch as its bands say. `arrived` and `sampled_at`
    /// are the receipt of the sample that decides it, and when it was taken.
    fn judge(
        &mut self,
        at: At,
        slot: WatchSlot,
        (arrived, sampled_at): (At, Option<Timestamp>),
        changes: &mut Changes,
    ) {
        let Some(watch) = self.watches.get(slot) else { return };
        let (key, heard) = (watch.key.clone(), watch.heard.clone());
        let worst = self.watches.rule(&key.rule).and_then(|rule| watch.worst(rule));
        let severity = worst.map(|(severity, _)| severity);
        if severity == watch.told {
            return;
        }
        let before = self.watches.told_of(key.resource, key.alarm_type, &key.qualifier);
        if let Some(watch) = self.watches.get_mut(slot) {
            watch.told = severity;
        }
        let now = self.watches.told_of(key.resource, key.alarm_type, &key.qualifier);
        if now == before && severity.is_none() {
            return;
        }
        let began_at = worst.and_then(|(_, occurred_at)| occurred_at);
        let (verb, severity, occurred_at) = match now {
            Some(severity) => {
                (Verb::Raise, severity.max(self.told_by_others(&key, before)), began_at)
            }
            None => (Verb::Clear, Severity::Indeterminate, sampled_at),
        };
        // What is not there any more needs no clear, unless it says that the resource works again.
        let is_shut = self.resources.get(key.resource).admin_down_at.is_some();
        if verb == Verb::Clear && !is_shut && self.active_alarm(key.alarm()).is_none() {
            return;
        }
        let (names, is_known) = self.names_of(key.resource);
        let id = self.types.get(key.alarm_type).id.clone();
        let event = told_event(&names, (&id, &key.qualifier), (verb, severity, arrived), &heard);
        let event = Event { occurred_at, is_known, rule: &key.rule, ..event };
        self.message(at, self.position, &event, changes);
    }

    /// The severity that other channels have told of the alarm of a watch, when it is worse than
    /// what samples had raised: the samples do not take it back.
    fn told_by_others(&self, key: &WatchKey, by_samples: Option<Severity>) -> Severity {
        let told = self.active_alarm(key.alarm()).and_then(|slot| self.alarms.get(slot));
        told.filter(|alarm| alarm.channels != Channel::Metric.bit())
            .map(|alarm| alarm.severity)
            .filter(|severity| Some(*severity) > by_samples)
            .unwrap_or(Severity::Indeterminate)
    }

    fn active_alarm(
        &self,
        (resource, alarm_type, qualifier): (Slot, u32, &str),
    ) -> Option<AlarmSlot> {
        self.resources.get(resource).active.iter().copied().find(|slot| {
            self.alarms.get(*slot).is_some_and(|alarm| {
                alarm.alarm_type == alarm_type && *alarm.qualifier == *qualifier
            })
        })
    }

    /// The series of a rule, or a sender of metrics, sends nothing any more.
    pub(crate) fn silent(&mut self, at: At, event: &Event<'_>, changes: &mut Changes) {
        if event.rule.is_empty() {
            self.sender_silent(at, event, changes);
            return;
        }
        if self.is_idle_silence(event) {
            return;
        }
        let Some(slot) = self.watch_for(at, event, changes) else { return };
        let Some(rule) = self.watches.rule(event.rule).cloned() else { return };
        let Some(watch) = self.watches.get_mut(slot) else { return };
        watch.lose_sight();
        let key = watch.key.clone();
        self.watches.timers.cancel(slot);
        self.mark_source(&key, true, changes);
        if !rule.absent_alarm_type.is_empty() {
            let device = self.resources.get(key.resource).parent;
            let alarm_type = self.types.number_of(&rule.absent_alarm_type);
            self.watches.miss(device, alarm_type, slot);
            self.watches.timers.set(slot, at.engine.plus_ns(MISSED_NS));
            let heard = Heard::of(event);
            let told = (Verb::Raise, rule.absent_severity, event.arrived);
            self.tell(at, (device, alarm_type), told, (&heard, event.rule), changes);
        }
        self.watches.forget_if_idle(slot);
    }

    /// One alarm about the sender; of what it used to tell nothing is known any more, so nothing is
    /// raised by it and nothing cleared.
    fn sender_silent(&mut self, at: At, event: &Event<'_>, changes: &mut Changes) {
        let told_by_it: Vec<(WatchSlot, WatchKey)> = self
            .watches
            .iter()
            .filter(|(_, watch)| watch.heard.peer == event.peer && watch.absence.is_none())
            .map(|(slot, watch)| (slot, watch.key.clone()))
            .collect();
        for (slot, key) in told_by_it {
            if let Some(watch) = self.watches.get_mut(slot) {
                watch.lose_sight();
            }
            self.watches.timers.cancel(slot);
            self.mark_source(&key, true, changes);
            self.watches.forget_if_idle(slot);
        }
        let event = Event { verb: Verb::Raise, value: None, ..*event };
        self.message(at, self.position, &event, changes);
    }

    /// A series that was missed for very long is not expected any more.
    fn stop_missing(&mut self, at: At, slot: WatchSlot, changes: &mut Changes) {
        let Some(watch) = self.watches.get(slot) else { return };
        let (key, heard) = (watch.key.clone(), watch.heard.clone());
        let device = self.resources.get(key.resource).parent;
        if let Some(alarm_type) = self.watches.found(device, slot) {
            let told = (Verb::Clear, Severity::Indeterminate, at);
            self.tell(at, (device, alarm_type), told, (&heard, &key.rule), changes);
        }
        self.watches.forget_if_idle(slot);
    }

    /// Rules that are no more, or mean another alarm type now: what they raised stays, and nobody
    /// tells how it goes on.
    pub(crate) fn orphan_watches(&mut self, at: At, slots: &[WatchSlot], changes: &mut Changes) {
        for slot in slots {
            let Some(key) = self.watches.get(*slot).map(|watch| watch.key.clone()) else {
                continue;
            };
            self.mark_source(&key, true, changes);
            self.stop_missing(at, *slot, changes);
            self.watches.remove(*slot);
        }
    }

    /// Nothing was heard, and nobody knows what became of each series: until it is heard again, no
    /// band comes to hold. What had begun to last goes on then if the sample still lies in its
    /// band, and the downtime does not count; after a long one it begins again.
    pub(crate) fn was_down(&mut self, at: At, downtime_ns: u64) {
        let is_awaited = |watch: &Watch| watch.absence.is_none() && !watch.is_idle();
        let watches = self.watches.iter().filter(|(_, watch)| is_awaited(watch));
        let awaited: Vec<WatchSlot> = watches.map(|(slot, _)| slot).collect();
        for slot in awaited {
            let Some(watch) = self.watches.get_mut(slot) else { continue };
            if downtime_ns > LONG_DOWNTIME_NS {
                watch.lose_sight();
            } else {
                watch.await_sample();
            }
            if watch.is_idle() {
                self.watches.remove(slot);
            } else {
                self.watches.timers.set(slot, at.engine.plus_ns(AWAITED_NS));
            }
        }
    }

    /// A series was not heard since vigie was down. Its silence is no news, for it may have ended
    /// for good meanwhile: its alarm stays, and nobody knows how it is.
    fn stop_waiting(&mut self, slot: WatchSlot, changes: &mut Changes) {
        let Some(watch) = self.watches.get_mut(slot) else { return };
        watch.lose_sight();
        let key = watch.key.clone();
        self.mark_source(&key, true, changes);
        self.watches.forget_if_idle(slot);
    }

    /// Marks the alarm of a watch as one of which nobody knows how it is, or takes that back.
    fn mark_source(&mut self, key: &WatchKey, is_silent: bool, changes: &mut Changes) {
        let Some(slot) = self.active_alarm(key.alarm()) else { return };
        // Other channels may tell it too.
        let is_told_once = self.alarms.get(slot).is_some_and(|alarm| {
            alarm.is_source_silent != is_silent
                && (!is_silent || alarm.channels == Channel::Metric.bit())
        });
        if let Some(alarm) = self.alarms.get_mut(slot).filter(|_| is_told_once) {
            alarm.is_source_silent = is_silent;
            changes.alarms.insert(slot);
        }
    }

    /// Raises an alarm about a device, or clears it if it is there.
    fn tell(
        &mut self,
        at: At,
        (device, alarm_type): (Slot, u32),
        told: (Verb, Severity, At),
        (heard, rule): (&Heard, &str),
        changes: &mut Changes,
    ) {
        if told.0 == Verb::Clear && self.active_alarm((device, alarm_type, "")).is_none() {
            return;
        }
        let (names, is_known) = self.names_of(device);
        let id = self.types.get(alarm_type).id.clone();
        let event = told_event(&names, (&id, ""), told, heard);
        self.message(at, self.position, &Event { is_known, rule, ..event }, changes);
    }

    fn names_of(&self, resource: Slot) -> ((String, String), bool) {
        let named = self.resources.get(resource);
        let is_known = named.is_known || self.resources.get(named.parent).is_known;
        ((named.device.to_string(), named.component.to_string()), is_known)
    }
}

fn watch_key((resource, alarm_type): (Slot, u32), event: &Event<'_>) -> WatchKey {
    let (qualifier, rule) = (event.qualifier.into(), event.rule.into());
    WatchKey { resource, alarm_type, qualifier, rule }
}

/// The event that a watch tells.
fn told_event<'a>(
    (device, component): &'a (String, String),
    (alarm_type, qualifier): (&'a str, &'a str),
    (verb, severity, arrived): (Verb, Severity, At),
    heard: &'a Heard,
) -> Event<'a> {
    Event {
        severity,
        listener: heard.listener,
        peer: heard.peer,
        device,
        component,
        alarm_type,
        qualifier,
        text: &heard.text,
        ..Event::new(verb, Channel::Metric, arrived)
    }
}

/// How long a watch that is over is kept, so that samples that come late find that they are, ns.
const LATE_NS: u64 = 600_000_000_000;
/// A downtime after which what had begun to last begins again, ns: as long as what is silence where
/// a rule does not say.
const LONG_DOWNTIME_NS: u64 = 900_000_000_000;
/// How long after a downtime a series is waited for, ns: an hour.
const AWAITED_NS: u64 = 3_600_000_000_000;
