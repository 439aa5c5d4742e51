//! The silence of a device, as its neighbours see it: a device that died says nothing itself.

use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::resource::Slot;
use crate::model::time::Timestamp;

impl Correlator {
    /// Whether an alarm on this resource shows the device at the other end to be silent: every link
    /// to it, two at least, is reported down by the other ends, and it said nothing since those
    /// reports. Gives the device and the number of links.
    pub(crate) fn note_silence(
        &mut self,
        resource: Slot,
        since: Timestamp,
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
            let reported_at = self.alarms.get(alarm)?.active_since.engine;
            if self.resources.get(device).last_heard > reported_at {
                return None;
            }
            reported = reported.saturating_add(1);
        }
        if reported < SILENT_LINKS_MIN {
            return None;
        }
        self.topology.node_mut(device).is_silent = true;
        self.propagate(&[device], since, changes);
        Some((device, reported))
    }

    /// A link to a silent device came back.
    pub(crate) fn end_silence(&mut self, resource: Slot, since: Timestamp, changes: &mut Changes) {
        let Some(peer) = self.topology.get(resource).and_then(|node| node.peer) else { return };
        let device = self.resources.get(peer).parent;
        self.device_spoke(device, since, changes);
    }

    /// A device said something: it is not silent.
    pub(crate) fn device_spoke(&mut self, device: Slot, since: Timestamp, changes: &mut Changes) {
        if self.topology.get(device).is_some_and(|node| node.is_silent) {
            self.topology.node_mut(device).is_silent = false;
            self.propagate(&[device], since, changes);
        }
    }
}

/// Links that must all be reported down before a device is held to be silent.
const SILENT_LINKS_MIN: u32 = 2;
