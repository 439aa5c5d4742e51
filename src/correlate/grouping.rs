//! Which alarm goes into which incident: joining, founding, merging; and the silence of a device
//! as seen from its neighbours.

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::cause::Cause;
use crate::correlate::changes::{Changes, IncidentEvent};
use crate::correlate::correlator::{Correlator, Deadline};
use crate::correlate::incident::{Incident, Status};
use crate::correlate::reason::Why;
use crate::correlate::resource::{ResourceKind, Slot};
use crate::model::alarm_type::ResourceEffect;
use crate::model::time::{At, Timestamp};

impl Correlator {
    /// Puts an alarm that became active into its incident. `silent` is a device that this alarm
    /// showed to be silent.
    pub(crate) fn group(
        &mut self,
        at: At,
        slot: AlarmSlot,
        silent: Option<(Slot, u32)>,
        changes: &mut Changes,
    ) {
        let cause = self.cause_of(slot);
        let id = match self.own_live_incident(slot) {
            Some(id) => {
                self.rejoin(at, id, slot, changes);
                id
            }
            None => self.join_or_found(at, slot, cause.as_ref(), changes),
        };
        // A device that is silent because what it needs failed (its power) is no root.
        let is_root = |device| cause.as_ref().is_none_or(|cause| cause.root == device);
        if let Some((device, links)) = silent.filter(|(device, _)| is_root(*device)) {
            let device_name = self.resources.get(device).name();
            let why = Why::SilentDevice { device: device_name, links };
            self.set_root(at, id, (device, slot), why, changes);
        }
        self.absorb_downstream(at, id, slot, silent.map(|(device, _)| device), changes);
    }

    fn own_live_incident(&self, slot: AlarmSlot) -> Option<u64> {
        let mut id = self.alarms.get(slot)?.incident?;
        loop {
            let incident = self.incidents.get(&id)?;
            match incident.merged_into {
                Some(other) => id = other,
                None => return incident.is_live().then_some(id),
            }
        }
    }

    fn rejoin(&mut self, at: At, id: u64, slot: AlarmSlot, changes: &mut Changes) {
        self.timers.cancel(Deadline::Stable(id));
        let resource = self
            .alarms
            .get(slot)
            .map(|alarm| self.resources.get(alarm.resource).name())
            .unwrap_or_default();
        self.join(at, id, slot, Why::Relapse { resource }, changes);
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.relapse().is_ok() {
            changes.incident(id, IncidentEvent::Reopened);
        }
    }

    fn join_or_found(
        &mut self,
        at: At,
        slot: AlarmSlot,
        cause: Option<&Cause>,
        changes: &mut Changes,
    ) -> u64 {
        if let Some(cause) = cause
            && let Some(id) = self.incident_of_cause(cause)
        {
            if self.incidents.get(&id).is_some_and(|incident| incident.status() == Status::Restored)
            {
                self.rejoin(at, id, slot, changes);
            } else {
                self.join(at, id, slot, cause.why.clone(), changes);
            }
            return id;
        }
        if let Some((id, device)) = self.forming_on_same_device(at, slot) {
            let why = Why::SameDevice { device: self.resources.get(device).name() };
            self.join(at, id, slot, why.clone(), changes);
            let root_alarm = self.incidents.get(&id).map_or(slot, |incident| incident.root_alarm);
            self.set_root(at, id, (device, root_alarm), why, changes);
            return id;
        }
        self.found(at, slot, changes)
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
            .min()
    }

    /// An incident of the same device that still forms, with the device.
    fn forming_on_same_device(&self, at: At, slot: AlarmSlot) -> Option<(u64, Slot)> {
        let alarm = self.alarms.get(slot)?;
        let resource = self.resources.get(alarm.resource);
        if resource.kind != ResourceKind::Component {
            return None;
        }
        let device = resource.parent;
        let hold_off = self.hold_off_ns();
        let parts = self.topology.get(device)?.dependents.iter();
        parts
            .take(SAME_DEVICE_PARTS_MAX)
            .filter(|part| **part != alarm.resource && self.resources.get(**part).parent == device)
            .flat_map(|part| self.resources.get(*part).active.iter().copied())
            .filter_map(|other| self.own_live_incident(other))
            .filter(|id| {
                self.incidents.get(id).is_some_and(|incident| {
                    incident.status() == Status::Forming
                        && self.resources.get(incident.root).parent == device
                        && at.engine.ns_since(incident.founded.engine) <= hold_off
                })
            })
            .min()
            .map(|id| (id, device))
    }

    fn found(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) -> u64 {
        let Some(alarm) = self.alarms.get_mut(slot) else { return 0 };
        let (resource, severity, since) = (alarm.resource, alarm.severity, alarm.active_since);
        let alarm_id = alarm.id;
        // One input founds at most one incident.
        let id = self.position;
        alarm.incident = Some(id);
        let mut incident = Incident::new(id, (slot, alarm_id), resource, at);
        incident.opened_at = since.wall;
        incident.worst = severity;
        incident.why = Why::NothingUpstream { resource: self.resources.get(resource).name() };
        incident.note(at.wall, incident.why.clone());
        self.incidents.insert(id, incident);
        let persistence = self.persistence_ns(slot);
        let due = at.engine.plus_ns(self.hold_off_ns().max(persistence));
        self.timers.set(Deadline::Decide(id), due);
        changes.incident(id, IncidentEvent::Updated);
        changes.activity.insert(id);
        id
    }

    fn persistence_ns(&self, slot: AlarmSlot) -> u64 {
        self.alarms.get(slot).map_or(0, |alarm| {
            self.types.get(alarm.alarm_type).persistence_ms.saturating_mul(1_000_000)
        })
    }

    pub(crate) fn join(
        &mut self,
        at: At,
        id: u64,
        slot: AlarmSlot,
        why: Why,
        changes: &mut Changes,
    ) {
        let due = at.engine.plus_ns(self.hold_off_ns().max(self.persistence_ns(slot)));
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        alarm.incident = Some(id);
        if !incident.alarms.contains(&(slot, alarm.id)) {
            incident.alarms.push((slot, alarm.id));
        }
        incident.opened_at = incident.opened_at.min(alarm.active_since.wall);
        incident.worst = incident.worst.max(alarm.severity);
        incident.all_clear_at = None;
        incident.note(at.wall, why);
        self.timers.cancel(Deadline::Stable(id));
        if incident.status() != Status::Forming {
            // More may be affected now: decide again once the newcomer has lasted.
            self.timers.set_earliest(Deadline::Decide(id), due);
        }
        changes.alarms.insert(slot);
        changes.activity.insert(id);
        self.tell_later(at, id);
    }

    /// Tells changes of an incident within a second, together.
    pub(crate) fn tell_later(&mut self, at: At, id: u64) {
        self.timers.set_earliest(Deadline::Tell(id), at.engine.plus_ns(TELL_AFTER_NS));
    }

    fn set_root(
        &mut self,
        at: At,
        id: u64,
        (root, root_alarm): (Slot, AlarmSlot),
        why: Why,
        changes: &mut Changes,
    ) {
        let name = self.resources.get(root).name();
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.root == root {
            return;
        }
        let before = self.resources.get(incident.root).name();
        incident.root = root;
        incident.root_alarm = root_alarm;
        incident.why = why;
        incident.note(at.wall, Why::CauseFound { before, root: name });
        changes.incident(id, IncidentEvent::Updated);
        changes.activity.insert(id);
    }

    /// What the newcomer explains comes into its incident.
    fn absorb_downstream(
        &mut self,
        at: At,
        id: u64,
        slot: AlarmSlot,
        silent: Option<Slot>,
        changes: &mut Changes,
    ) {
        let Some(alarm) = self.alarms.get(slot) else { return };
        let resource = alarm.resource;
        let is_down = self.types.get(alarm.alarm_type).effect == ResourceEffect::Down;
        let mut below = if is_down { self.alarms_downstream(resource) } else { Vec::new() };
        if let Some(device) = silent {
            below.extend(self.alarms_downstream(device));
        }
        let mut current = id;
        for other in below {
            let Some(other_id) = self.own_live_incident(other) else { continue };
            if other_id == current || other == slot {
                continue;
            }
            let is_root = self
                .incidents
                .get(&other_id)
                .is_some_and(|incident| self.is_rooted_at(incident, other));
            let Some(cause) = self.cause_of(other).filter(|_| is_root) else { continue };
            if self.incident_of_cause(&cause) == Some(current) {
                current = self.merge(at, (current, other_id), &cause, changes);
            }
        }
    }

    fn is_rooted_at(&self, incident: &Incident, alarm: AlarmSlot) -> bool {
        incident.root_alarm == alarm
            || self.alarms.get(alarm).is_some_and(|alarm| {
                alarm.resource == incident.root
                    || self.resources.get(alarm.resource).parent == incident.root
            })
    }

    /// Makes one incident of two. The older one that somebody was told of goes on.
    fn merge(
        &mut self,
        at: At,
        (upper, lower): (u64, u64),
        cause: &Cause,
        changes: &mut Changes,
    ) -> u64 {
        let rank = |id: u64| {
            let told = self.incidents.get(&id).is_some_and(|incident| incident.is_announced);
            (!told, id)
        };
        let (survivor, loser) =
            if rank(upper) <= rank(lower) { (upper, lower) } else { (lower, upper) };
        let root_alarm = cause
            .alarm
            .or_else(|| self.incidents.get(&upper).map(|incident| incident.root_alarm))
            .unwrap_or(0);
        let why = self
            .incidents
            .get(&upper)
            .map_or_else(|| cause.why.clone(), |incident| incident.why.clone());
        let Some(mut gone) = self.incidents.remove(&loser) else { return survivor };
        if gone.merge_into(survivor, at.wall).is_err() {
            self.incidents.insert(loser, gone);
            return survivor;
        }
        gone.note(at.wall, Why::Merged { into: incident_name(survivor) });
        if !gone.is_announced {
            gone.no_ticket = Some(Why::MergedWithinHoldOff);
        }
        for (slot, alarm_id) in &gone.alarms {
            if let Some(alarm) = self.alarms.get_mut(*slot).filter(|alarm| alarm.id == *alarm_id) {
                alarm.incident = Some(survivor);
                changes.alarms.insert(*slot);
            }
        }
        if let Some(into) = self.incidents.get_mut(&survivor) {
            for member in &gone.alarms {
                if !into.alarms.contains(member) {
                    into.alarms.push(*member);
                }
            }
            into.opened_at = into.opened_at.min(gone.opened_at);
            into.worst = into.worst.max(gone.worst);
            into.all_clear_at = None;
        }
        for key in [Deadline::Decide(loser), Deadline::Stable(loser), Deadline::Tell(loser)] {
            self.timers.cancel(key);
        }
        let forget_at = at.engine.plus_ns(crate::correlate::deadline::FORGET_AFTER_NS);
        self.timers.set(Deadline::ForgetIncident(loser), forget_at);
        self.incidents.insert(loser, gone);
        self.set_root(at, survivor, (cause.root, root_alarm), why, changes);
        self.timers.cancel(Deadline::Stable(survivor));
        if self.incidents.get(&survivor).is_some_and(|into| into.status() != Status::Forming) {
            let due = at.engine.plus_ns(self.hold_off_ns());
            self.timers.set_earliest(Deadline::Decide(survivor), due);
        }
        self.reopen_if_restored(survivor, changes);
        changes.incident(loser, IncidentEvent::Merged);
        changes.merged.push((loser, survivor));
        changes.activity.insert(survivor);
        self.tell_later(at, survivor);
        survivor
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
        cleared_at: Timestamp,
        changes: &mut Changes,
    ) {
        changes.activity.insert(id);
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.last_clear_at = incident.last_clear_at.max(Some(cleared_at));
        let is_all_clear = !incident.alarms.iter().any(|(slot, alarm_id)| {
            self.alarms.get(*slot).is_some_and(|alarm| alarm.id == *alarm_id && alarm.is_active())
        });
        let is_open = incident.status() == Status::Open;
        if is_all_clear {
            let due = at.engine.plus_ns(self.stable_ns);
            if let Some(incident) = self.incidents.get_mut(&id) {
                incident.all_clear_at = Some(cleared_at);
            }
            if is_open {
                self.timers.set(Deadline::Stable(id), due);
            }
        }
        self.tell_later(at, id);
    }

    /// Whether this alarm shows the device at the other end to be silent: every link to it, two at
    /// least, is reported down by the other ends, and it said nothing since the first report.
    pub(crate) fn note_silence(
        &mut self,
        resource: Slot,
        changes: &mut Changes,
    ) -> Option<(Slot, u32)> {
        let peer = self.topology.get(resource)?.peer?;
        let device = self.resources.get(peer).parent;
        let node = self.topology.get(device)?;
        if node.has_own_fault() {
            return None;
        }
        let mut reported = 0_u32;
        for part in &node.dependents {
            let Some(other_end) = self.topology.get(*part).and_then(|node| node.peer) else {
                continue;
            };
            let alarm = self.oldest_down_alarm(other_end, None)?;
            let since = self.alarms.get(alarm)?.active_since.engine;
            if self.resources.get(device).last_heard > since {
                return None;
            }
            reported = reported.saturating_add(1);
        }
        if reported < SILENT_LINKS_MIN {
            return None;
        }
        self.topology.node_mut(device).is_silent = true;
        self.propagate(&[device], changes);
        Some((device, reported))
    }

    /// A link to a silent device came back.
    pub(crate) fn end_silence(&mut self, resource: Slot, changes: &mut Changes) {
        let Some(peer) = self.topology.get(resource).and_then(|node| node.peer) else { return };
        let device = self.resources.get(peer).parent;
        self.device_spoke(device, changes);
    }

    /// A device said something: it is not silent.
    pub(crate) fn device_spoke(&mut self, device: Slot, changes: &mut Changes) {
        if self.topology.get(device).is_some_and(|node| node.is_silent) {
            self.topology.node_mut(device).is_silent = false;
            self.propagate(&[device], changes);
        }
    }
}

/// An incident's id as it is shown.
#[must_use]
pub fn incident_name(id: u64) -> String {
    format!("I{id}")
}

/// Links that must all be reported down before a device is held to be silent.
const SILENT_LINKS_MIN: u32 = 2;
/// How long joins are collected before the incident is told again, ns.
const TELL_AFTER_NS: u64 = 1_000_000_000;
/// Parts of one device looked at for an incident that forms.
const SAME_DEVICE_PARTS_MAX: usize = 4_096;
