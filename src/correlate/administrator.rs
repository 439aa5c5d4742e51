//! What an administrator took out of service, and which alarms that explains.

use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::resource::Slot;
use crate::model::alarm_type::ResourceEffect;
use crate::model::event::{Channel, Event};
use crate::model::time::At;

impl Correlator {
    /// An administrator took the resource out of service: what says so a moment earlier or later
    /// is no fault.
    pub(crate) fn administratively_down(
        &mut self,
        at: At,
        resource: Slot,
        event: &Event<'_>,
        changes: &mut Changes,
    ) {
        self.resources.get_mut(resource).admin_down_at = Some(event.arrived.engine);
        changes.resources.insert(resource);
        let hold_off = self.hold_off_ns();
        for slot in self.resources.get(resource).active.clone() {
            let Some(alarm) = self.alarms.get_mut(slot) else { continue };
            let is_down = self.types.get(alarm.alarm_type).effect == ResourceEffect::Down;
            let age = event.arrived.engine.ns_since(alarm.active_since.engine);
            // Older alarms were a fault before anybody shut the interface: they stay. So do those
            // of which the device said that nobody had.
            if is_down && age <= hold_off && !alarm.was_in_service {
                alarm.clear_without_message(event.arrived);
                alarm.flap.settle();
                self.deactivated(at, slot, changes);
            }
        }
    }

    /// Whether "down" is only what an administrator asked for: said within the hold-off after it
    /// (a line protocol follows its interface). Later, or when the message itself says that nobody
    /// shut it, it is a fault again.
    pub(crate) fn is_explained_by_administrator(
        &mut self,
        resource: Slot,
        event: &Event<'_>,
    ) -> bool {
        let Some(since) = self.resources.get(resource).admin_down_at else { return false };
        let is_down = self
            .types
            .find(event.alarm_type)
            .is_some_and(|number| self.types.get(number).effect == ResourceEffect::Down);
        if !is_down {
            return false;
        }
        let is_soon = event.arrived.engine.ns_since(since) <= self.hold_off_ns();
        if is_soon && !event.is_in_service {
            return true;
        }
        self.resources.get_mut(resource).admin_down_at = None;
        false
    }

    /// Whether a clear says that the resource works. Of samples only those do that say whether it
    /// is down: others fall below their limits because it was shut.
    pub(crate) fn says_back_in_service(&self, event: &Event<'_>) -> bool {
        let is_down = |number| self.types.get(number).effect == ResourceEffect::Down;
        event.channel != Channel::Metric || self.types.find(event.alarm_type).is_some_and(is_down)
    }

    /// A message says that the resource works.
    pub(crate) fn back_in_service(&mut self, resource: Slot, changes: &mut Changes) {
        if self.resources.get_mut(resource).admin_down_at.take().is_some() {
            changes.resources.insert(resource);
        }
    }
}
