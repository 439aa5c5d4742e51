//! The silence of a device, as its neighbours see it: a device that died says nothing itself.
//!
//! It is judged when the hold-off of an incident ends, so that the device has had that long to say
//! something, and so that the order in which the neighbours were heard does not count.

use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::reason::Why;
use crate::correlate::resource::Slot;
use crate::model::time::{At, EngineTime, Timestamp};

/// What the neighbours of a silent device say.
struct Silence {
    device: Slot,
    links: u32,
    /// First of the reports that came within one hold-off of the last: one fault. What was reported
    /// before that was another link, and the device was still reached.
    since: Timestamp,
}

impl Correlator {
    /// Where the incident's root shows the device at the other end to be silent, that device is
    /// the root, and what it explains comes into the incident. Gives the incident that goes on.
    pub(crate) fn gather_silent(&mut self, at: At, id: u64, changes: &mut Changes) -> u64 {
        let Some(incident) = self.incidents.get(&id) else { return id };
        let (root, root_alarm) = (incident.root, incident.root_alarm);
        let Some(silence) = self.silence_seen_from(root) else { return id };
        let device = silence.device;
        self.topology.set_silent(device, true);
        self.propagate(&[device], silence.since, changes);
        let name = self.resources.get(device).name();
        let why = Why::SilentDevice { device: name, links: silence.links };
        self.set_root(at, id, (device, root_alarm, why), changes);
        self.spread_from(at, (device, root_alarm.0), changes);
        self.own_live_incident(root_alarm.0).unwrap_or(id)
    }

    /// Whether every link to the device at the other end, two at least, is reported down by the
    /// other ends, while the device itself said nothing since the first of those reports and told
    /// of none of those links shortly before.
    fn silence_seen_from(&self, resource: Slot) -> Option<Silence> {
        let peer = self.topology.get(resource)?.peer?;
        let device = self.resources.get(peer).parent;
        let node = self.topology.get(device)?;
        if node.has_own_fault() {
            return None;
        }
        let mut reports: Vec<At> = Vec::new();
        let mut told_itself: Option<EngineTime> = None;
        for part in &node.dependents {
            let Some(other_end) = self.topology.get(*part).and_then(|node| node.peer) else {
                continue;
            };
            let reported = self.since_down(other_end)?;
            reports.push(reported);
            told_itself = told_itself.max(self.since_down(*part).map(|since| since.engine));
        }
        reports.sort_unstable();
        let links = u32::try_from(reports.len()).unwrap_or(u32::MAX);
        let (first, last) =
            reports.first().zip(reports.last()).filter(|_| links >= SILENT_LINKS_MIN)?;
        let hold_off_ns = self.hold_off_ns();
        let is_same_fault = |one: &&At| last.engine.ns_since(one.engine) <= hold_off_ns;
        let since = reports.iter().find(is_same_fault)?.wall;
        let has_spoken = self.resources.last_heard(device) > first.engine
            || told_itself.is_some_and(|told| told.plus_ns(hold_off_ns) > first.engine);
        (!has_spoken).then_some(Silence { device, links, since })
    }

    fn since_down(&self, slot: Slot) -> Option<At> {
        let alarm = self.oldest_down_alarm(slot, None)?;
        self.alarms.get(alarm).map(|alarm| alarm.active_since)
    }

    /// A link to a silent device came back.
    pub(crate) fn end_silence(&mut self, resource: Slot, since: Timestamp, changes: &mut Changes) {
        let Some(peer) = self.topology.get(resource).and_then(|node| node.peer) else { return };
        let device = self.resources.get(peer).parent;
        self.device_spoke(device, since, changes);
    }

    /// A device said something: it is not silent.
    pub(crate) fn device_spoke(&mut self, device: Slot, since: Timestamp, changes: &mut Changes) {
        if self.topology.is_silent(device) {
            self.topology.set_silent(device, false);
            self.propagate(&[device], since, changes);
        }
    }
}

/// Links that must all be reported down before a device is held to be silent.
const SILENT_LINKS_MIN: u32 = 2;
