//! What follows when an alarm becomes active, changes, or ceases to be: flapping, counts, states,
//! its incident.

use crate::correlate::alarm::Transition;
use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::changes::Changes;
use crate::correlate::correlator::{Correlator, Deadline, ServiceSince};
use crate::correlate::incident::Status;
use crate::correlate::resource::Slot;
use crate::correlate::topology::NodeState;
use crate::correlate::unsettled::{Origin, Toggle};
use crate::model::severity::Severity;
use crate::model::time::At;

impl Correlator {
    /// An alarm was raised or cleared by a message: flapping first, then what follows.
    pub(crate) fn toggled(
        &mut self,
        at: At,
        slot: AlarmSlot,
        (transition, severity_before): (Transition, Severity),
        changes: &mut Changes,
    ) {
        let settings = self.settings.clone();
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        let was_flapping = alarm.flap.is_flapping();
        let severity = alarm.severity;
        let begins = alarm.flap.toggle(at.engine, &settings);
        if begins {
            if let Some(due) = alarm.flap.quiet_at(&settings) {
                self.timers.set(Deadline::FlapQuiet(slot), due);
            }
            changes.alarms.insert(slot);
        }
        if was_flapping {
            if severity == severity_before {
                self.touch(slot);
            } else {
                self.severity_changed(at, slot, severity_before, changes);
            }
            return;
        }
        match transition {
            Transition::Raised => self.activated(at, slot, changes),
            _ if begins => {}
            _ => self.deactivated(at, slot, changes),
        }
    }

    pub(crate) fn severity_changed(
        &mut self,
        at: At,
        slot: AlarmSlot,
        before: Severity,
        changes: &mut Changes,
    ) {
        changes.alarms.insert(slot);
        let Some(alarm) = self.alarms.get(slot).filter(|alarm| alarm.is_active()) else { return };
        let (severity, incident) = (alarm.severity, alarm.incident);
        if severity == before {
            return;
        }
        self.alarms.count_active(before, false);
        self.alarms.count_active(severity, true);
        let Some((id, incident)) = incident.and_then(|id| Some((id, self.incidents.get_mut(&id)?)))
        else {
            return;
        };
        incident.count_active(before, false);
        incident.count_active(severity, true);
        incident.worst = incident.worst.max(severity);
        if severity > before && incident.status() != Status::Forming {
            self.decide_later(at, id, slot);
        }
        changes.active(id, false);
        self.tell_later(at, id);
    }

    /// The alarm became active.
    pub(crate) fn activated(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get(slot) else { return };
        let (resource, severity) = (alarm.resource, alarm.severity);
        let since = alarm.active_since.wall;
        let effect = self.types.get(alarm.alarm_type).effect;
        let neighbour = self.neighbour_of(alarm);
        self.alarms.count_active(severity, true);
        let active = &mut self.resources.get_mut(resource).active;
        if active.is_empty() {
            active.reserve_exact(1);
        }
        active.push(slot);
        changes.alarms.insert(slot);
        if let Some(device) = neighbour {
            self.by_neighbour.entry(device).or_default().insert(slot);
        }
        self.count_effect(resource, Toggle { effect, is_more: true }, since, changes);
        self.group(at, slot, changes);
    }

    /// The alarm ceased to be active: what it told of works again.
    pub(crate) fn deactivated(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get(slot) else { return };
        let (resource, cleared_at) = (alarm.resource, alarm.last_changed);
        self.end_silence(resource, cleared_at, changes);
        self.ceased(at, slot, changes);
    }

    /// The alarm ceased to be active.
    pub(crate) fn ceased(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get(slot) else { return };
        let (resource, severity, incident) = (alarm.resource, alarm.severity, alarm.incident);
        let effect = self.types.get(alarm.alarm_type).effect;
        let cleared_at = alarm.last_changed;
        let neighbour = self.neighbour_of(alarm);
        self.alarms.count_active(severity, false);
        self.resources.get_mut(resource).active.retain(|active| *active != slot);
        changes.alarms.insert(slot);
        if let Some(device) = neighbour
            && let Some(told) = self.by_neighbour.get_mut(&device)
        {
            told.remove(&slot);
        }
        self.count_effect(resource, Toggle { effect, is_more: false }, cleared_at, changes);
        if let Some(id) = incident {
            self.alarm_left(at, id, (severity, cleared_at), changes);
        }
        self.forget_former_addresses(resource);
        self.forget_later(at, slot);
    }

    /// Notes since when a service has that state.
    pub(crate) fn service_changed(
        &mut self,
        slot: Slot,
        state: NodeState,
        origin: Origin,
        changes: &mut Changes,
    ) {
        changes.services.push(slot);
        let since = origin.at;
        let known = self.service_since.get(&slot);
        let left_up_at = known.and_then(|known| known.left_up_at).or(Some(since));
        let failed_at = known.and_then(|known| known.failed_at).or(Some(since));
        let known = ServiceSince {
            changed_at: since.wall,
            is_by_inventory: origin.is_by_inventory,
            left_up_at: left_up_at.filter(|_| state > NodeState::Up),
            failed_at: failed_at.filter(|_| state > NodeState::Backup),
        };
        self.service_since.insert(slot, known);
    }
}
