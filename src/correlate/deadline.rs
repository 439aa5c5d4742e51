//! What happens to alarms and incidents when time passes.

use crate::correlate::alarm::AlarmState;
use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::changes::{Changes, IncidentEvent};
use crate::correlate::correlator::{Correlator, Deadline};
use crate::correlate::incident::{Incident, Status};
use crate::correlate::reason::Why;
use crate::model::time::{At, EngineTime, seconds_ns};

/// Where something waits for its time; of what is due at one instant, the first of these is first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    Deadlines,
    Watches,
    Withdrawals,
}

impl Correlator {
    /// When something is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<EngineTime> {
        self.next_due().map(|(due, _)| due)
    }

    fn next_due(&self) -> Option<(EngineTime, Queue)> {
        let queues = [
            (self.timers.next(), Queue::Deadlines),
            (self.watches.timers.next(), Queue::Watches),
            (self.withdrawals.next(), Queue::Withdrawals),
        ];
        queues.into_iter().filter_map(|(due, queue)| Some((due?, queue))).min()
    }

    /// Does the first of what is due at `now`. `at` is the moment of the step.
    pub fn fire_next(&mut self, at: At, now: EngineTime, changes: &mut Changes) {
        match self.next_due().map(|(_, queue)| queue) {
            None => {}
            Some(Queue::Deadlines) => {
                if let Some((due, deadline)) = self.timers.pop_due(now) {
                    self.fire(at, due, deadline, changes);
                }
            }
            Some(Queue::Watches) => {
                // Most of them lead to nothing, and after a downtime all are due at once.
                for _ in 0..WATCHES_AT_ONCE {
                    let Some((_, slot)) = self.watches.timers.pop_due(now) else { break };
                    self.watch_due(at, slot, changes);
                }
            }
            Some(Queue::Withdrawals) => {
                changes.withdrawn.extend(self.withdrawals.pop_due(now));
            }
        }
    }

    /// Does what was due at `due`. `at` is the moment of the step, which may be later.
    pub fn fire(&mut self, at: At, due: EngineTime, deadline: Deadline, changes: &mut Changes) {
        match deadline {
            Deadline::ConfirmClear(slot) => self.confirm_clear(at, slot, changes),
            Deadline::FlapQuiet(slot) => self.flap_quiet(at, slot, changes),
            Deadline::Expire(slot) => self.expire(at, slot, changes),
            Deadline::Decide(id) => self.decide(at, id, changes),
            Deadline::Stable(id) => self.stable(at, id, changes),
            Deadline::Tell(id) => {
                if self.incidents.get(&id).is_some_and(|incident| incident.merged_into.is_none()) {
                    changes.incident(id, IncidentEvent::Updated);
                }
            }
            Deadline::ForgetAlarm(slot) => self.forget_alarm(due, slot),
            Deadline::ForgetIncident(id) => self.forget_incident(at, id),
            Deadline::Silence(id) => self.silence_due(at, id, changes),
            Deadline::Lease(slot) => self.lease_ended(slot, changes),
        }
    }

    fn confirm_clear(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        if alarm.confirm_held_clear().is_some() && !alarm.flap.is_flapping() {
            self.deactivated(at, slot, changes);
        }
    }

    fn flap_quiet(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) {
        let settings = self.settings.clone();
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        let Some(quiet_at) = alarm.flap.quiet_at(&settings) else { return };
        if quiet_at > at.engine {
            self.timers.set(Deadline::FlapQuiet(slot), quiet_at);
            return;
        }
        alarm.flap.settle();
        changes.alarms.insert(slot);
        if alarm.state() == AlarmState::Cleared {
            self.deactivated(at, slot, changes);
        }
    }

    /// Nothing of an alarm waits any more but to be forgotten.
    pub(crate) fn cancel_all(&mut self, slot: AlarmSlot) {
        let waiting =
            [Deadline::ConfirmClear, Deadline::FlapQuiet, Deadline::Expire, Deadline::Lease];
        for key in waiting {
            self.timers.cancel(key(slot));
        }
    }

    pub(crate) fn expire_later(&mut self, at: At, slot: AlarmSlot) {
        let Some(alarm) = self.alarms.get(slot) else { return };
        let after_ms = self.types.get(alarm.alarm_type).expires_after_ms;
        let due = at.engine.plus_ns(after_ms.saturating_mul(1_000_000));
        self.timers.set_earliest(Deadline::Expire(slot), due);
    }

    fn expire(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        if alarm.state() != AlarmState::Active {
            return;
        }
        let after_ms = self.types.get(alarm.alarm_type).expires_after_ms;
        let due = alarm.raised_engine.plus_ns(after_ms.saturating_mul(1_000_000));
        if due > at.engine {
            self.timers.set(Deadline::Expire(slot), due);
            return;
        }
        alarm.clear_without_message(at);
        if !alarm.flap.is_flapping() {
            self.deactivated(at, slot, changes);
        }
    }

    /// The hold-off is over, or a newcomer has lasted: tickets are to be decided.
    fn decide(&mut self, at: At, id: u64, changes: &mut Changes) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.active_count() == 0 {
            // What is gone affects nothing more than what was decided while it was there.
            if incident.status() == Status::Forming && incident.close(at.wall).is_ok() {
                incident.no_ticket = Some(Why::ClearedWithinHoldOff);
                incident.note(at.wall, Why::ClearedWithinHoldOff);
                changes.incident(id, IncidentEvent::Closed);
                self.forget_incident_later(at, id);
            }
            return;
        }
        // What explains it may have been heard since, or may not have reached it yet.
        let (root_alarm, _) = incident.root_alarm;
        if self.join_cause(at, root_alarm, changes) {
            return;
        }
        let id = self.gather_silent(at, id, changes);
        if self.unsettled.is_some() {
            // It goes by what is down with the silent device, and that is not all known yet.
            self.timers.set_earliest(Deadline::Decide(id), at.engine);
            return;
        }
        let id = self.gather_same_device(at, id, changes);
        self.timers.cancel(Deadline::Decide(id));
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.open().is_ok() {
            changes.incident(id, IncidentEvent::Opened);
        } else {
            changes.incident(id, IncidentEvent::Updated);
        }
        changes.due.insert(id);
    }

    fn stable(&mut self, at: At, id: u64, changes: &mut Changes) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let Some(restored_at) = incident.all_clear_at else { return };
        if incident.restore(restored_at).is_err() {
            return;
        }
        incident.note(at.wall, Why::AllClear);
        changes.incident(id, IncidentEvent::Restored);
    }

    /// Closes a restored incident of which no ticket is open any more.
    pub fn close_incident(&mut self, at: At, id: u64, changes: &mut Changes) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.close(at.wall).is_ok() {
            changes.incident(id, IncidentEvent::Closed);
            self.forget_incident_later(at, id);
        }
    }

    pub(crate) fn forget_incident_later(&mut self, at: At, id: u64) {
        for key in [Deadline::Decide(id), Deadline::Stable(id), Deadline::Tell(id)] {
            self.timers.cancel(key);
        }
        let was_told = self.incidents.get(&id).is_some_and(|incident| incident.is_announced);
        if was_told {
            let after_s = u64::from(self.settings.withdraw_after_h).saturating_mul(3_600);
            self.withdrawals.add(id, at.engine.plus_ns(seconds_ns(after_s)));
        }
        let after_ns = if was_told { FORGET_AFTER_NS } else { FORGET_UNTOLD_AFTER_NS };
        self.timers.set(Deadline::ForgetIncident(id), at.engine.plus_ns(after_ns));
    }

    fn forget_incident(&mut self, at: At, id: u64) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        // It came to life again in the meantime.
        if incident.is_live() {
            self.timers.set(Deadline::ForgetIncident(id), at.engine.plus_ns(FORGET_AFTER_NS));
            return;
        }
        let rest = incident.alarms.len().saturating_sub(FORGOTTEN_AT_ONCE);
        for (slot, alarm_id) in incident.alarms.split_off(rest) {
            if let Some(alarm) = self.alarms.get_mut(slot)
                && alarm.id == alarm_id
                && alarm.incident == Some(id)
            {
                alarm.incident = None;
            }
        }
        if rest > 0 {
            self.timers.set(Deadline::ForgetIncident(id), at.engine);
        } else {
            self.incidents.remove(&id);
        }
    }

    pub(crate) fn forget_later(&mut self, at: At, slot: AlarmSlot) {
        let due = at.engine.plus_ns(FORGET_AFTER_NS);
        self.timers.set_earliest(Deadline::ForgetAlarm(slot), due);
    }

    /// Forgets an alarm that has not been active for long, unless its incident still needs it.
    fn forget_alarm(&mut self, due: EngineTime, slot: AlarmSlot) {
        let Some(alarm) = self.alarms.get(slot) else { return };
        if alarm.is_active() {
            return;
        }
        let is_needed =
            alarm.incident.and_then(|id| self.incidents.get(&id)).is_some_and(Incident::is_live);
        let is_recent = due.ns_since(alarm.raised_engine) < FORGET_AFTER_NS;
        if is_needed || is_recent {
            self.timers.set(Deadline::ForgetAlarm(slot), due.plus_ns(FORGET_AFTER_NS));
            return;
        }
        self.cancel_all(slot);
        self.forget_session(slot);
        self.alarms.remove(slot);
    }
}

/// Alarms of a large incident that forget it at once.
const FORGOTTEN_AT_ONCE: usize = 256;
/// Watches at most whose time has passed at once.
const WATCHES_AT_ONCE: usize = 8;
/// How long cleared alarms and closed incidents stay in memory, ns. History keeps them.
const FORGET_AFTER_NS: u64 = 3_600_000_000_000;
/// The same for an incident that came and went, or was merged, within its hold-off, ns: in a storm
/// there may be as many of them as alarms.
const FORGET_UNTOLD_AFTER_NS: u64 = 1_000_000_000;
