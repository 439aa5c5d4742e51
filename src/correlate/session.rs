//! Routing sessions inside a VRF. A syslog line names the VRF behind the neighbour (`10.0.0.2 vrf
//! CUSTOMER`), the BGP trap of the same session cannot. Where only one session with that neighbour
//! is known, both mean it; where several are, a trap stays an alarm of its own rather than touch
//! the wrong one.

use crate::correlate::alarm_table::{AlarmSlot, identity_hash};
use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::resource::Slot;
use crate::model::event::{Channel, Event, Verb};
use crate::model::time::At;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Alarms of sessions inside a VRF, in whatever state, by resource, alarm type and neighbour.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sessions {
    by_neighbour: BTreeMap<(Slot, u32, IpAddr), BTreeSet<AlarmSlot>>,
}

impl Sessions {
    fn insert(&mut self, key: (Slot, u32, IpAddr), slot: AlarmSlot) {
        self.by_neighbour.entry(key).or_default().insert(slot);
    }

    fn remove(&mut self, key: (Slot, u32, IpAddr), slot: AlarmSlot) {
        if let Some(slots) = self.by_neighbour.get_mut(&key) {
            slots.remove(&slot);
            if slots.is_empty() {
                self.by_neighbour.remove(&key);
            }
        }
    }
}

/// The neighbour that a qualifier names, and whether it names a VRF too.
fn session(qualifier: &str) -> Option<(IpAddr, bool)> {
    let (neighbour, rest) = qualifier.split_once(' ').unwrap_or((qualifier, ""));
    Some((neighbour.parse().ok()?, rest.starts_with("vrf ")))
}

/// Whether a clear of what is clear already may still mean another alarm.
pub(crate) fn may_mean_another(event: &Event<'_>) -> bool {
    event.verb == Verb::Clear && session(event.qualifier).is_some()
}

impl Correlator {
    /// The active alarm that the event means although only one of the two names the VRF.
    pub(crate) fn session_of(
        &mut self,
        at: At,
        resource: Slot,
        event: &Event<'_>,
        changes: &mut Changes,
    ) -> Option<AlarmSlot> {
        let (neighbour, has_vrf) = session(event.qualifier)?;
        let alarm_type = self.types.find(event.alarm_type)?;
        let inside = self.sessions.by_neighbour.get(&(resource, alarm_type, neighbour));
        if !has_vrf {
            let only = inside.filter(|slots| slots.len() == 1)?.first().copied()?;
            let is_meant = event.channel == Channel::Trap && self.alarms.get(only)?.is_active();
            return is_meant.then_some(only);
        }
        let others = inside.into_iter().flatten();
        let is_other = |slot: &AlarmSlot| {
            self.alarms.get(*slot).is_some_and(|alarm| *alarm.qualifier != *event.qualifier)
        };
        if others.copied().any(|slot| is_other(&slot)) {
            return None;
        }
        let slot = self.resources.get(resource).active.iter().copied().find(|slot| {
            self.alarms.get(*slot).is_some_and(|alarm| {
                alarm.alarm_type == alarm_type
                    && alarm.channels == Channel::Trap.bit()
                    && session(&alarm.qualifier) == Some((neighbour, false))
            })
        })?;
        self.name_vrf(at, slot, event, changes);
        Some(slot)
    }

    /// The alarm that a trap raised has its full name now.
    fn name_vrf(&mut self, at: At, slot: AlarmSlot, event: &Event<'_>, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get(slot) else { return };
        let (resource, kind) = (alarm.resource, alarm.alarm_type);
        let named = self.resources.get(resource);
        let name = (&*named.device, &*named.component);
        let hash = identity_hash(&self.hasher, name, (event.alarm_type, event.qualifier));
        let other = self.alarms.find(hash, |known| {
            known.resource == resource
                && known.alarm_type == kind
                && *known.qualifier == *event.qualifier
        });
        if let Some(alarm) = self.alarms.get_mut(slot) {
            alarm.qualifier = event.qualifier.into();
        }
        self.alarms.rehash(slot, hash);
        self.note_session(slot);
        changes.alarms.insert(slot);
        if let Some(other) = other {
            self.unite_alarms(at, (slot, other), changes);
        }
    }

    /// An alarm is new, or has a new name.
    pub(crate) fn note_session(&mut self, slot: AlarmSlot) {
        if let Some(key) = self.session_key(slot) {
            self.sessions.insert(key, slot);
        }
    }

    /// An alarm is found no more.
    pub(crate) fn forget_session(&mut self, slot: AlarmSlot) {
        if let Some(key) = self.session_key(slot) {
            self.sessions.remove(key, slot);
        }
    }

    fn session_key(&self, slot: AlarmSlot) -> Option<(Slot, u32, IpAddr)> {
        let alarm = self.alarms.get(slot)?;
        let (neighbour, _) = session(&alarm.qualifier).filter(|(_, has_vrf)| *has_vrf)?;
        Some((alarm.resource, alarm.alarm_type, neighbour))
    }
}
