//! Alerts hold on lease: their sender says them again and again, and until when they hold. A lease
//! that ends without being renewed says that the sender fell silent; it is no restoration. While
//! vigie is down nothing can be heard; the engine's time stands then, and so do leases.

use crate::correlate::alarm::Alarm;
use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::changes::Changes;
use crate::correlate::correlator::{Correlator, Deadline};
use crate::model::event::Channel;
use crate::model::time::{At, EngineTime, Timestamp};

impl Correlator {
    /// The alarm of an event with a lease was said again, or cleared.
    pub(crate) fn lease(&mut self, at: At, slot: AlarmSlot) {
        let lease_until = self.alarms.get(slot).and_then(|alarm| alarm.lease_until);
        match lease_until {
            Some(until) => self.timers.set(Deadline::Lease(slot), due(at, until)),
            None => self.timers.cancel(Deadline::Lease(slot)),
        }
    }

    /// The wall clock was set: leases end by it.
    pub(crate) fn leases_by_new_clock(&mut self, at: At) {
        for slot in self.leased() {
            self.lease(at, slot);
        }
    }

    fn leased(&self) -> Vec<AlarmSlot> {
        let leased = |key| match key {
            Deadline::Lease(slot) => Some(slot),
            _ => None,
        };
        self.timers.keys().filter_map(leased).collect()
    }

    /// A lease may have ended.
    pub(crate) fn lease_ended(&mut self, slot: AlarmSlot, changes: &mut Changes) {
        // What a trap or a syslog line told too does not hang on whoever alerts.
        let hangs_on_lease =
            |alarm: &Alarm| alarm.is_active() && alarm.channels == Channel::Metric.bit();
        let Some(alarm) = self.alarms.get_mut(slot).filter(|alarm| hangs_on_lease(alarm)) else {
            return;
        };
        alarm.is_source_silent = true;
        changes.alarms.insert(slot);
    }
}

/// The engine's time at which the wall clock shows that instant, if it is not set meanwhile.
fn due(at: At, until: Timestamp) -> EngineTime {
    at.engine.plus_ns(u64::try_from(until.ns_since(at.wall)).unwrap_or(0))
}
