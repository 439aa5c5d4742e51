//! Names: those that the inventory gives to what was heard, and what goes on under them.

use crate::correlate::alarm::Alarm;
use crate::correlate::alarm_table::{AlarmSlot, identity_hash};
use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::resource::Slot;
use crate::model::event::Event;
use crate::model::inventory::{Device, INDEX_PREFIX, service_resource};
use crate::model::time::At;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

impl Correlator {
    /// A sender that was known by an address only, and that is now this device, takes along what it
    /// has said. Where something by that name was heard already, both stay as they are. Gives the
    /// units of work, see [`Correlator::renew`].
    pub(crate) fn name_senders(&mut self, device: &Device, changes: &mut Changes) -> usize {
        let mut units = 0_usize;
        for address in &device.addresses {
            units = units.saturating_add(1);
            let heard = self.resources.find(&self.hasher, &address.to_string(), "");
            let Some(slot) = heard.filter(|slot| !self.resources.get(*slot).is_known) else {
                continue;
            };
            if self.resources.find(&self.hasher, &device.name, "").is_some() {
                continue;
            }
            units = units.saturating_add(self.rename(slot, &device.name, changes));
            // Messages still name it by its address.
            self.addresses.insert(*address, slot);
        }
        units
    }

    /// A part that was known by another name only (`ifIndex=7`) is named now: what was raised on it
    /// goes on under the name. `None` when there is no such part.
    pub(crate) fn name_part(&mut self, event: &Event<'_>, changes: &mut Changes) -> Option<Slot> {
        if event.component_alias.is_empty() {
            return None;
        }
        let hasher = self.hasher.clone();
        let slot = self.resources.find(&hasher, event.device, event.component_alias)?;
        let before = self.resources.get(slot).name();
        let raised = self.alarms_on(slot);
        self.resources.name_component(&hasher, slot, event.component);
        for alarm in raised {
            let Some(known) = self.alarms.get(alarm) else { continue };
            let kind = (&*self.types.get(known.alarm_type).id, &*known.qualifier);
            let hash = identity_hash(&hasher, (event.device, event.component), kind);
            self.alarms.rehash(alarm, hash);
            changes.alarms.insert(alarm);
        }
        changes.resources.insert(slot);
        changes.renamed.push((before, slot));
        Some(slot)
    }

    /// Alarms of a resource: the active ones, and those without qualifier in any state.
    pub(crate) fn alarms_on(&self, slot: Slot) -> BTreeSet<AlarmSlot> {
        let resource = self.resources.get(slot);
        let mut found: BTreeSet<AlarmSlot> = resource.active.iter().copied().collect();
        for kind in self.types.ids() {
            let name = (&*resource.device, &*resource.component);
            let hash = identity_hash(&self.hasher, name, (kind, ""));
            let is_it = |alarm: &Alarm| {
                let is_kind = self.types.get(alarm.alarm_type).id == kind;
                is_kind && alarm.resource == slot && alarm.qualifier.is_empty()
            };
            found.extend(self.alarms.find(hash, is_it));
        }
        found
    }

    fn rename(&mut self, device: Slot, name: &str, changes: &mut Changes) -> usize {
        let hasher = self.hasher.clone();
        let name: Arc<str> = name.into();
        let parts = self.parts_of(device);
        for slot in parts.iter().copied() {
            let before = self.resources.get(slot).name();
            let raised = self.alarms_on(slot);
            self.resources.name_device(&hasher, slot, &name);
            let component = self.resources.get(slot).component.clone();
            for alarm in raised {
                let Some(known) = self.alarms.get(alarm) else { continue };
                let kind = (&*self.types.get(known.alarm_type).id, &*known.qualifier);
                let hash = identity_hash(&hasher, (&name, &component), kind);
                self.alarms.rehash(alarm, hash);
            }
            changes.alarms.extend(self.resources.get(slot).active.iter().copied());
            changes.resources.insert(slot);
            changes.renamed.push((before, slot));
        }
        parts.len().saturating_mul(UNITS_PER_RENAMED)
    }

    /// A device and its parts, in slot order.
    fn parts_of(&self, device: Slot) -> Vec<Slot> {
        let dependents = self.topology.get(device).map_or(&[][..], |node| &node.dependents);
        let parts = dependents.iter().filter(|part| self.resources.get(**part).parent == device);
        let mut slots: Vec<Slot> = parts.copied().chain([device]).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Slot of a service, by the name that the inventory gives it.
    #[must_use]
    pub fn service_slot(&self, name: &str) -> Option<Slot> {
        self.resources.find(&self.hasher, &service_resource(name), "")
    }

    /// Other addresses are in force. A device that the inventory names no more goes on being heard
    /// at the addresses that it had, until the last of its alarms has cleared.
    pub(crate) fn take_over_addresses(&mut self, addresses: BTreeMap<IpAddr, Slot>) {
        let before = std::mem::replace(&mut self.addresses, addresses);
        let former = std::mem::take(&mut self.former_addresses);
        let former = former.into_iter().chain(before).filter(|(address, slot)| {
            !self.resources.get(*slot).is_known
                && !self.addresses.contains_key(address)
                && self.is_at_fault(*slot)
        });
        self.former_addresses = former.collect();
    }

    fn is_at_fault(&self, device: Slot) -> bool {
        let parts = self.parts_of(device);
        parts.iter().any(|part| !self.resources.get(*part).active.is_empty())
    }

    /// The last alarm of a device may have cleared that the inventory names no more.
    pub(crate) fn forget_former_addresses(&mut self, resource: Slot) {
        if self.former_addresses.is_empty() {
            return;
        }
        let device = self.resources.get(resource).parent;
        if self.resources.get(device).is_known {
            return;
        }
        if !self.is_at_fault(device) {
            self.former_addresses.retain(|_, slot| *slot != device);
        }
    }

    /// Parts of the device that were heard under names that the inventory gives to others. Gives
    /// the units of work.
    pub(crate) fn unite_named_parts(
        &mut self,
        at: At,
        device: &Device,
        changes: &mut Changes,
    ) -> usize {
        let mut units = 1_usize;
        for component in &device.components {
            let find = self.resources.find(&self.hasher, &device.name, &component.name);
            let Some(part) = find else { continue };
            let index = component.if_index.map(|index| format!("{INDEX_PREFIX}{index}"));
            for alias in component.aliases.iter().chain(&index) {
                self.unite_parts(at, part, alias, changes);
            }
            units = units.saturating_add(component.aliases.len()).saturating_add(2);
        }
        units
    }
}

/// A part that gets another name is as much work as looking up so many resources: its alarms are
/// looked for under every alarm type.
const UNITS_PER_RENAMED: usize = 8;
