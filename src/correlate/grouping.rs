//! Which alarm goes into which incident: joining, founding, merging.

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::cause::Cause;
use crate::correlate::changes::{Changes, IncidentEvent};
use crate::correlate::correlator::{Correlator, Deadline};
use crate::correlate::incident::{Incident, Status};
use crate::correlate::reason::Why;
use crate::correlate::resource::{ResourceKind, Slot};
use crate::model::alarm_type::ResourceEffect;
use crate::model::severity::Severity;
use crate::model::time::{At, EngineTime, Timestamp};
use smol_str::{SmolStr, format_smolstr};
use std::cmp::Reverse;
use std::collections::BTreeSet;

impl Correlator {
    /// Puts an alarm that became active into its incident, and what it explains too.
    pub(crate) fn group(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) {
        match self.own_live_incident(slot) {
            Some(id) => self.rejoin(at, id, slot, changes),
            None => self.join_or_found(at, slot, changes),
        }
        let Some(alarm) = self.alarms.get(slot) else { return };
        if self.types.get(alarm.alarm_type).effect == ResourceEffect::Down {
            self.spread_from(at, (alarm.resource, slot), changes);
        }
    }

    /// An alarm's slot with its id.
    fn named(&self, slot: AlarmSlot) -> (AlarmSlot, u64) {
        (slot, self.alarms.get(slot).map_or(0, |alarm| alarm.id))
    }

    pub(crate) fn own_live_incident(&self, slot: AlarmSlot) -> Option<u64> {
        let id = self.alarms.get(slot)?.incident?;
        self.incidents.get(&id)?.is_live().then_some(id)
    }

    fn rejoin(&mut self, at: At, id: u64, slot: AlarmSlot, changes: &mut Changes) {
        let resource = self
            .alarms
            .get(slot)
            .map(|alarm| self.resources.get(alarm.resource).name())
            .unwrap_or_default();
        self.join(at, (id, slot), Why::Relapse { resource }, changes);
    }

    fn join_or_found(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) {
        let known = self.cause_of(slot);
        let known = known.and_then(|cause| Some((self.incident_of_cause(&cause)?, cause)));
        let Some((id, cause)) = known else {
            self.found(at, slot, changes);
            return;
        };
        self.join(at, (id, slot), cause.why.clone(), changes);
        self.settle_link(at, (id, slot), &cause, changes);
    }

    /// Both ends of a link say that it is down and nothing else does: while the incident forms, the
    /// end with the lower name is held to be the root, whichever was heard first.
    fn settle_link(
        &mut self,
        at: At,
        (id, slot): (u64, AlarmSlot),
        cause: &Cause,
        changes: &mut Changes,
    ) {
        let Some(incident) = self.incidents.get(&id) else { return };
        let Some(alarm) = self.alarms.get(slot) else { return };
        let here = alarm.resource;
        let is_other_end =
            self.topology.get(here).is_some_and(|node| node.peer == Some(cause.root));
        let is_down = self.types.get(alarm.alarm_type).effect == ResourceEffect::Down;
        if incident.status() != Status::Forming || !is_other_end || !is_down {
            return;
        }
        let (resource, peer) =
            (self.resources.get(cause.root).name(), self.resources.get(here).name());
        if incident.root == cause.root && peer < resource {
            let why = Why::OtherEnd { resource, peer };
            self.set_root(at, id, (here, self.named(slot), why), changes);
        }
    }

    fn incident_of_cause(&self, cause: &Cause) -> Option<u64> {
        if let Some(alarm) = cause.alarm {
            return self.own_live_incident(alarm);
        }
        // A silent device has no alarm of its own: its neighbours' alarms lead to the incident.
        let node = self.topology.get(cause.root)?;
        node.dependents
            .iter()
            .filter_map(|part| self.topology.get(*part)?.peer)
            .flat_map(|peer| self.resources.get(peer).active.iter().copied())
            .filter_map(|alarm| self.own_live_incident(alarm))
            .min_by_key(|id| {
                let root = self.incidents.get(id).map(|incident| incident.root);
                (root != Some(cause.root), *id)
            })
    }

    fn found(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        let (resource, severity, since) = (alarm.resource, alarm.severity, alarm.active_since);
        let alarm_id = alarm.id;
        // One input founds at most one incident.
        let id = self.position;
        alarm.incident = Some(id);
        let mut incident = Incident::new(id, (slot, alarm_id), resource, at);
        incident.opened_at = since.wall;
        incident.last_raise_at = since;
        incident.worst = severity;
        incident.count_active(severity, true);
        incident.why = Why::NothingUpstream { resource: self.resources.get(resource).name() };
        incident.note(at.wall, incident.why.clone());
        self.incidents.insert(id, incident);
        self.decide_later(at, id, slot);
        changes.incident(id, IncidentEvent::Updated);
        changes.active(id, true);
    }

    /// Tickets are to be decided once the alarm has lasted, unless that is due earlier already.
    pub(crate) fn decide_later(&mut self, at: At, id: u64, slot: AlarmSlot) {
        let persistence_ms = self
            .alarms
            .get(slot)
            .map_or(0, |alarm| self.types.get(alarm.alarm_type).persistence_ms);
        let wait_ns = self.hold_off_ns().max(persistence_ms.saturating_mul(1_000_000));
        self.timers.set_earliest(Deadline::Decide(id), at.engine.plus_ns(wait_ns));
    }

    /// The alarm became active and belongs to that incident.
    fn join(&mut self, at: At, (id, slot): (u64, AlarmSlot), why: Why, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if alarm.incident != Some(id) {
            alarm.incident = Some(id);
            incident.alarms.push((slot, alarm.id));
        }
        if incident.active_count() == 0 {
            // What went and came back has to last anew.
            self.timers.cancel(Deadline::Decide(id));
        }
        incident.count_active(alarm.severity, true);
        incident.opened_at = incident.opened_at.min(alarm.active_since.wall);
        incident.last_raise_at = incident.last_raise_at.max(alarm.active_since);
        incident.worst = incident.worst.max(alarm.severity);
        incident.all_clear_at = None;
        incident.note(at.wall, why);
        self.timers.cancel(Deadline::Stable(id));
        self.reopen_if_restored(id, changes);
        self.decide_later(at, id, slot);
        changes.alarms.insert(slot);
        changes.active(id, true);
        self.tell_later(at, id);
    }

    /// Tells changes of an incident together: within a second, but one in which alarms come and go
    /// all the time only every few seconds. What matters at once is told at once elsewhere.
    pub(crate) fn tell_later(&mut self, at: At, id: u64) {
        let told_at = self.incidents.get(&id).map_or(EngineTime(0), |incident| incident.told_at);
        let due = at.engine.plus_ns(TELL_AFTER_NS).max(told_at.plus_ns(TELL_EVERY_NS));
        self.timers.set_earliest(Deadline::Tell(id), due);
    }

    pub(crate) fn set_root(
        &mut self,
        at: At,
        id: u64,
        (root, root_alarm, why): (Slot, (AlarmSlot, u64), Why),
        changes: &mut Changes,
    ) {
        let Some(incident) = self.incidents.get_mut(&id).filter(|known| known.root != root) else {
            return;
        };
        let name = |slot: Slot| self.resources.get(slot).name();
        let found = Why::CauseFound { before: name(incident.root), root: name(root) };
        incident.root = root;
        incident.root_alarm = root_alarm;
        incident.note(at.wall, found);
        incident.note(at.wall, why.clone());
        incident.why = why;
        changes.incident(id, IncidentEvent::Updated);
        changes.active(id, false);
        if incident.status() == Status::Open {
            // Tickets name the root.
            let due = at.engine.plus_ns(self.hold_off_ns());
            self.timers.set_earliest(Deadline::Decide(id), due);
        }
    }

    /// The incident that is rooted at this alarm comes into that of what explains the alarm now.
    /// Whether it did.
    pub(crate) fn join_cause(&mut self, at: At, alarm: AlarmSlot, changes: &mut Changes) -> bool {
        let Some(id) = self.own_live_incident(alarm) else { return false };
        let known = self.incidents.get(&id);
        if !known.is_some_and(|incident| self.is_rooted_at(incident, alarm)) {
            return false;
        }
        let Some(cause) = self.cause_of(alarm) else { return false };
        let target = self.incident_of_cause(&cause).filter(|target| *target != id);
        let Some(target) = target else { return false };
        self.merge(at, (target, id), changes);
        true
    }

    fn is_rooted_at(&self, incident: &Incident, alarm: AlarmSlot) -> bool {
        incident.root_alarm.0 == alarm
            || self.alarms.get(alarm).is_some_and(|alarm| {
                alarm.resource == incident.root
                    || self.resources.get(alarm.resource).parent == incident.root
            })
    }

    /// Makes one incident of two, with the root of `upper`, which explains `lower`. One that
    /// somebody was told of goes on, else a large one, so that its alarms need not move for each
    /// that it takes over, else the older.
    pub(crate) fn merge(
        &mut self,
        at: At,
        (upper, lower): (u64, u64),
        changes: &mut Changes,
    ) -> u64 {
        let rank = |id: u64| {
            let known = self.incidents.get(&id);
            let is_told = known.is_some_and(|incident| incident.is_announced);
            let size = known.map_or(0, |incident| incident.alarms.len());
            let size = if size < LARGE_ALARMS { 0 } else { size };
            (!is_told, Reverse(size), id)
        };
        let (survivor, loser) =
            if rank(upper) <= rank(lower) { (upper, lower) } else { (lower, upper) };
        let Some(explains) = self.incidents.get(&upper) else { return survivor };
        let (root, root_alarm) = (explains.root, explains.root_alarm);
        let why = explains.why.clone();
        let Some(mut gone) = self.incidents.remove(&loser) else { return survivor };
        if gone.merge_into(survivor, at.wall).is_err() {
            self.incidents.insert(loser, gone);
            return survivor;
        }
        gone.note(at.wall, Why::Merged { into: incident_name(survivor) });
        if !gone.is_announced {
            gone.no_ticket = Some(Why::MergedWithinHoldOff);
        }
        self.take_over(survivor, &gone, changes);
        let loser_due = self.timers.due_of(Deadline::Decide(loser));
        for key in [Deadline::Decide(loser), Deadline::Stable(loser), Deadline::Tell(loser)] {
            self.timers.cancel(key);
        }
        self.incidents.insert(loser, gone);
        self.forget_incident_later(at, loser);
        self.set_root(at, survivor, (root, root_alarm, why), changes);
        self.timers.cancel(Deadline::Stable(survivor));
        let fallback = at.engine.plus_ns(self.hold_off_ns());
        self.timers.set_earliest(Deadline::Decide(survivor), loser_due.unwrap_or(fallback));
        self.reopen_if_restored(survivor, changes);
        self.stable_if_all_clear(at, survivor);
        changes.incident(loser, IncidentEvent::Merged);
        changes.merged.push((loser, survivor));
        changes.active(survivor, true);
        self.tell_later(at, survivor);
        survivor
    }

    /// The alarms of one incident become those of another.
    fn take_over(&mut self, survivor: u64, gone: &Incident, changes: &mut Changes) {
        let mut moved = Vec::with_capacity(gone.alarms.len());
        for (slot, alarm_id) in &gone.alarms {
            if let Some(alarm) = self.alarms.get_mut(*slot).filter(|alarm| alarm.id == *alarm_id) {
                alarm.incident = Some(survivor);
                moved.push(*slot);
            }
        }
        if changes.alarms.is_empty() {
            // A set of tens of thousands is made at once, not one by one.
            changes.alarms = moved.into_iter().collect();
        } else {
            changes.alarms.extend(moved);
        }
        let Some(into) = self.incidents.get_mut(&survivor) else { return };
        into.alarms.extend(&gone.alarms);
        into.count_active_of(gone);
        into.services.extend(&gone.services);
        into.services.sort_unstable();
        into.services.dedup();
        into.opened_at = into.opened_at.min(gone.opened_at);
        into.last_raise_at = into.last_raise_at.max(gone.last_raise_at);
        into.worst = into.worst.max(gone.worst);
        into.all_clear_at =
            into.all_clear_at.max(gone.all_clear_at).filter(|_| into.active_count() == 0);
    }

    fn reopen_if_restored(&mut self, id: u64, changes: &mut Changes) {
        if let Some(incident) = self.incidents.get_mut(&id)
            && incident.relapse().is_ok()
        {
            changes.incident(id, IncidentEvent::Reopened);
        }
    }

    /// An alarm of the incident ceased to be active.
    pub(crate) fn alarm_left(
        &mut self,
        at: At,
        id: u64,
        (severity, cleared_at): (Severity, Timestamp),
        changes: &mut Changes,
    ) {
        changes.active(id, false);
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.count_active(severity, false);
        if incident.active_count() == 0 {
            incident.all_clear_at = Some(cleared_at);
        }
        self.stable_if_all_clear(at, id);
        self.tell_later(at, id);
    }

    /// An open incident of which nothing is active waits for its stability.
    pub(crate) fn stable_if_all_clear(&mut self, at: At, id: u64) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.active_count() > 0 {
            return;
        }
        incident.all_clear_at = incident.all_clear_at.or(Some(at.wall));
        if incident.status() == Status::Open {
            let due = at.engine.plus_ns(self.stable_ns);
            self.timers.set(Deadline::Stable(id), due);
        }
    }

    /// At the end of the hold-off: other incidents that still form and are rooted at parts of the
    /// same device are one fault with this one, of the device. Gives the incident that goes on.
    pub(crate) fn gather_same_device(&mut self, at: At, id: u64, changes: &mut Changes) -> u64 {
        let Some((device, others)) = self.forming_on_same_device(id) else { return id };
        let why = Why::SameDevice { device: self.resources.get(device).name() };
        let mut current = id;
        for other in others {
            current = self.merge(at, (current.min(other), current.max(other)), changes);
        }
        let root_alarm = self.incidents.get(&current).map(|incident| incident.root_alarm);
        if let Some(root_alarm) = root_alarm {
            self.set_root(at, current, (device, root_alarm, why), changes);
        }
        current
    }

    /// The device at an end of the incident's root with most incidents that still form, and those.
    fn forming_on_same_device(&self, id: u64) -> Option<(Slot, BTreeSet<u64>)> {
        let incident = self.incidents.get(&id)?;
        if incident.status() != Status::Forming {
            return None;
        }
        let root = incident.root;
        if self.resources.get(root).kind != ResourceKind::Component {
            return None;
        }
        self.ends_of(root)
            .into_iter()
            .map(|end| self.resources.get(end).parent)
            .map(|device| (device, self.forming_on(device, id)))
            .filter(|(_, others)| !others.is_empty())
            .max_by(|(device, others), (other_device, other_others)| {
                let name = |slot: Slot| self.resources.get(slot).name();
                others
                    .len()
                    .cmp(&other_others.len())
                    .then_with(|| name(*other_device).cmp(&name(*device)))
            })
    }

    /// A part, and the other end of its link where that is at fault too.
    fn ends_of(&self, part: Slot) -> Vec<Slot> {
        let peer = self.topology.get(part).and_then(|node| node.peer);
        let is_down = |peer: &Slot| self.oldest_down_alarm(*peer, None).is_some();
        [part].into_iter().chain(peer.filter(is_down)).collect()
    }

    /// Incidents other than `id` that form and have a root with an end on a part of that device.
    fn forming_on(&self, device: Slot, id: u64) -> BTreeSet<u64> {
        let Some(node) = self.topology.get(device) else { return BTreeSet::new() };
        node.dependents
            .iter()
            .take(SAME_DEVICE_PARTS_MAX)
            .filter(|part| self.resources.get(**part).parent == device)
            .flat_map(|part| self.resources.get(*part).active.iter().copied())
            .filter_map(|alarm| self.own_live_incident(alarm))
            .filter(|other| *other != id)
            .filter(|other| {
                self.incidents.get(other).is_some_and(|incident| {
                    incident.status() == Status::Forming
                        && incident.active_count() > 0
                        && self.resources.get(incident.root).kind == ResourceKind::Component
                        && self
                            .ends_of(incident.root)
                            .into_iter()
                            .any(|end| self.resources.get(end).parent == device)
                })
            })
            .collect()
    }
}

/// An incident's id as it is shown.
#[must_use]
pub fn incident_name(id: u64) -> SmolStr {
    format_smolstr!("I{id}")
}

/// How long joins are collected before the incident is told again, ns.
const TELL_AFTER_NS: u64 = 1_000_000_000;
/// An incident whose alarms come and go is told no more often than this, ns.
const TELL_EVERY_NS: u64 = 5_000_000_000;
/// An incident of so many alarms is large.
const LARGE_ALARMS: usize = 64;
/// Parts of one device looked at for an incident that forms.
const SAME_DEVICE_PARTS_MAX: usize = 4_096;
