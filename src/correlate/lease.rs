//! Leases: an alert holds until an instant that it names, unless it is told again. When that
//! passes, nobody knows how the alarm is: it stays, its source is silent, no clock stands. Only a
//! message that says so clears it.
//!
//! A lease runs on engine time from the receipt of the message: neither a wall clock that is set
//! nor a time in which vigie did not run ends it.

use crate::correlate::alarm::{Alarm, AlarmState, Transition};
use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::changes::Changes;
use crate::correlate::correlator::{Correlator, Deadline};
use crate::model::event::{Channel, Event, Verb};
use crate::model::time::At;

impl Alarm {
    /// Takes what only alerts tell. Gives whether that is news to be shown: other labels, or the
    /// first word after a silence. That a lease is longer now is none.
    pub(crate) fn take_told(&mut self, event: &Event<'_>, transition: Transition) -> bool {
        match transition {
            Transition::Late => return false,
            Transition::Cleared => self.ended_at = event.occurred_at,
            Transition::Raised => self.ended_at = None,
            Transition::Changed | Transition::Repeated | Transition::ClearHeld => {}
        }
        let has_other_labels = !event.labels.is_empty() && *self.labels != *event.labels;
        if has_other_labels {
            self.labels = event.labels.into();
        }
        if let (Verb::Raise, Some(until)) = (event.verb, event.lease_until) {
            let lasting_ns = u64::try_from(until.ns_since(event.arrived.wall)).unwrap_or(0);
            self.lease_until = Some(until);
            self.lease_due = event.arrived.engine.plus_ns(lasting_ns);
            self.occurred_at = match (self.occurred_at, event.occurred_at) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        let was_silent = self.is_source_silent;
        self.is_source_silent &= !matches!(event.verb, Verb::Raise | Verb::Clear);
        has_other_labels || was_silent != self.is_source_silent
    }

    /// Whether the raise tells nothing about lease, labels and begin that is not known.
    pub(crate) fn knows_told(&self, event: &Event<'_>) -> bool {
        let begins_earlier = event.lease_until.is_some()
            && event.occurred_at.is_some_and(|at| self.occurred_at.is_none_or(|known| at < known));
        event.lease_until <= self.lease_until
            && !begins_earlier
            && !self.is_source_silent
            && (event.labels.is_empty() || *self.labels == *event.labels)
    }
}

impl Correlator {
    /// An alarm that an alert raised holds until its lease ends.
    pub(crate) fn follow_lease(&mut self, slot: AlarmSlot, event: &Event<'_>) {
        if event.verb == Verb::Raise
            && event.lease_until.is_some()
            && let Some(alarm) = self.alarms.get(slot)
        {
            self.timers.set_earliest(Deadline::Lease(slot), alarm.lease_due);
        }
    }

    /// A lease may have ended.
    pub(crate) fn lease_due(&mut self, at: At, slot: AlarmSlot, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        // What a trap or a syslog line told too, does not hang on whoever alerts.
        let is_told_by_others = alarm.channels != Channel::Metric.bit();
        if alarm.state() != AlarmState::Active || is_told_by_others || alarm.is_source_silent {
            return;
        }
        if alarm.lease_due > at.engine {
            let due = alarm.lease_due;
            self.timers.set(Deadline::Lease(slot), due);
            return;
        }
        alarm.is_source_silent = true;
        changes.alarms.insert(slot);
    }
}
