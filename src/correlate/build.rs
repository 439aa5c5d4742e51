//! From settings to resources and topology.

use crate::correlate::alarm_table::{AlarmSlot, identity_hash};
use crate::correlate::changes::Changes;
use crate::correlate::correlator::{Correlator, Deadline};
use crate::correlate::incident::Status;
use crate::correlate::resource::Slot;
use crate::correlate::topology::Group;
use crate::model::event::Event;
use crate::model::inventory::{Dependency, Device, Inventory};
use crate::model::settings::Settings;
use crate::model::time::At;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

impl Correlator {
    /// Takes over new settings. What the inventory no longer names stays with its alarms; states
    /// are worked out again.
    pub fn apply_settings(&mut self, at: At, settings: &Settings, changes: &mut Changes) {
        self.settings = settings.correlation.clone();
        self.stable_ns = u64::from(settings.tickets.stable_min).saturating_mul(60_000_000_000);
        self.types.update(&settings.alarm_types);
        let types = &self.types;
        let orphans = self.watches.update(&settings.thresholds, |id| types.find(id));
        self.orphan_watches(at, &orphans, changes);
        self.name_senders(&settings.inventory, changes);
        self.apply_inventory(at, &settings.inventory, changes);
        self.resources.shrink();
        self.topology.shrink();
        self.decide_all_later(at);
    }

    /// Other needs may mean other services: open incidents are looked at again.
    fn decide_all_later(&mut self, at: At) {
        let due = at.engine.plus_ns(self.hold_off_ns());
        for (id, incident) in &self.incidents {
            if incident.status() == Status::Open && incident.active_count() > 0 {
                self.timers.set_earliest(Deadline::Decide(*id), due);
            }
        }
    }

    /// A sender that was known by its address only and now has a name takes along what it has said.
    /// Where something by that name was heard already, both stay as they are.
    fn name_senders(&mut self, inventory: &Inventory, changes: &mut Changes) {
        let mut has_renamed = false;
        for device in &inventory.devices {
            for address in &device.addresses {
                let heard = self.resources.find(&self.hasher, &address.to_string(), "");
                let Some(slot) = heard.filter(|slot| !self.resources.get(*slot).is_known) else {
                    continue;
                };
                if self.resources.find(&self.hasher, &device.name, "").is_some() {
                    continue;
                }
                self.rename(slot, &device.name, changes);
                has_renamed = true;
                // Later look-ups of this loop need the new names.
                self.resources.rebuild_index(&self.hasher);
            }
        }
        if has_renamed {
            self.rebuild();
        }
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
            found.extend(self.alarms.find(hash, |alarm| alarm.resource == slot));
        }
        found
    }

    fn rename(&mut self, device: Slot, name: &str, changes: &mut Changes) {
        for slot in self.resources.slots() {
            if self.resources.get(slot).parent != device {
                continue;
            }
            let before = self.resources.get(slot).name();
            let resource = self.resources.get_mut(slot);
            resource.device = name.into();
            changes.alarms.extend(resource.active.iter().copied());
            changes.resources.insert(slot);
            changes.renamed.push((before, slot));
        }
    }

    /// Slot of a service, by the name that the inventory gives it.
    #[must_use]
    pub fn service_slot(&self, name: &str) -> Option<Slot> {
        self.resources.find(&self.hasher, &service_resource(name), "")
    }

    /// Number of open incidents.
    #[must_use]
    pub fn open_incidents(&self) -> u64 {
        let open = self.incidents.values().filter(|one| one.status() == Status::Open).count();
        u64::try_from(open).unwrap_or(u64::MAX)
    }

    fn apply_inventory(&mut self, at: At, inventory: &Inventory, changes: &mut Changes) {
        let knew: Vec<bool> =
            self.resources.slots().map(|slot| self.resources.get(slot).is_known).collect();
        for slot in self.resources.slots() {
            self.resources.get_mut(slot).is_known = false;
        }
        self.topology.clear_links();
        let addresses = std::mem::take(&mut self.addresses);
        for device in &inventory.devices {
            self.add_device(device);
        }
        for service in &inventory.services {
            let slot = self.known(&service_resource(&service.name), "");
            self.add_needs(slot, &service.depends_on);
        }
        self.link_parts_to_devices();
        self.topology.sort_dependents();
        self.count_effects();
        for (slot, knew) in self.resources.slots().zip(knew.iter().chain(std::iter::repeat(&false)))
        {
            let resource = self.resources.get_mut(slot);
            resource.was_known |= *knew;
            if resource.is_known != *knew {
                changes.resources.insert(slot);
            }
        }
        let all: Vec<Slot> = self.resources.slots().collect();
        self.propagate(&all, at.wall, changes);
        self.unite_named_parts(at, inventory, changes);
        self.keep_former_addresses(addresses);
    }

    /// A device that the inventory names no more goes on being heard at the addresses that it had,
    /// until the last of its alarms has cleared.
    fn keep_former_addresses(&mut self, before: BTreeMap<IpAddr, Slot>) {
        let resources = &self.resources;
        let at_fault: BTreeSet<Slot> = resources
            .slots()
            .filter(|slot| !resources.get(*slot).active.is_empty())
            .map(|slot| resources.get(slot).parent)
            .collect();
        let is_now = |address: &IpAddr| self.addresses.contains_key(address);
        let former = std::mem::take(&mut self.former_addresses);
        self.former_addresses = former
            .into_iter()
            .chain(before)
            .filter(|(address, slot)| {
                at_fault.contains(slot) && !resources.get(*slot).is_known && !is_now(address)
            })
            .collect();
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
        let parts = self.topology.get(device).map_or(&[][..], |node| &node.dependents);
        let is_at_fault = parts.iter().chain([&device]).any(|part| {
            let part = self.resources.get(*part);
            part.parent == device && !part.active.is_empty()
        });
        if !is_at_fault {
            self.former_addresses.retain(|_, slot| *slot != device);
        }
    }

    /// Parts that were heard under names that the inventory gives to others.
    fn unite_named_parts(&mut self, at: At, inventory: &Inventory, changes: &mut Changes) {
        for device in &inventory.devices {
            for component in &device.components {
                let find = self.resources.find(&self.hasher, &device.name, &component.name);
                let Some(part) = find else { continue };
                let index = component.if_index.map(|index| format!("ifIndex={index}"));
                for alias in component.aliases.iter().chain(&index) {
                    self.unite_parts(at, part, alias, changes);
                }
            }
        }
    }

    /// Counts anew what the active alarms mean for their resources and neighbours: types and
    /// addresses may have changed.
    fn count_effects(&mut self) {
        self.topology.clear_effects();
        self.by_neighbour.clear();
        for (slot, alarm) in self.alarms.iter().filter(|(_, alarm)| alarm.is_active()) {
            let effect = self.types.get(alarm.alarm_type).effect;
            self.topology.count_effect(alarm.resource, effect, true);
            if let Some(device) = self.neighbour_of(alarm) {
                self.by_neighbour.entry(device).or_default().insert(slot);
            }
        }
    }

    fn add_device(&mut self, device: &Device) {
        let slot = self.known(&device.name, "");
        for address in &device.addresses {
            self.addresses.insert(*address, slot);
        }
        self.add_needs(slot, &device.depends_on);
        for component in &device.components {
            let part = self.known(&device.name, &component.name);
            if let Some(index) = component.if_index {
                self.resources.add_alias(&self.hasher, part, &format!("ifIndex={index}"));
            }
            for alias in &component.aliases {
                self.resources.add_alias(&self.hasher, part, alias);
            }
            self.add_needs(part, &component.depends_on);
            if let Some(peer) = &component.peer {
                let (device, component) = split_resource(peer);
                let other = self.known(device, component);
                self.topology.node_mut(part).peer = Some(other);
                self.topology.node_mut(other).peer = Some(part);
            }
        }
    }

    fn known(&mut self, device: &str, component: &str) -> Slot {
        let slot = self.resources.find_or_add(&self.hasher, device, component);
        self.resources.get_mut(slot).is_known = true;
        slot
    }

    fn add_needs(&mut self, slot: Slot, needs: &[Dependency]) {
        for need in needs {
            let mut members = Vec::with_capacity(need.any_of.len());
            for name in &need.any_of {
                let (device, component) = split_resource(name);
                members.push(self.known(device, component));
            }
            self.topology.add_need(slot, Group { members, needed: need.needed });
        }
    }

    /// Every part needs its device.
    fn link_parts_to_devices(&mut self) {
        for slot in self.resources.slots() {
            let resource = self.resources.get(slot);
            let parent = resource.parent;
            if parent != slot && resource.is_now.is_none() {
                self.topology.add_need(slot, Group { members: vec![parent], needed: 1 });
            }
        }
    }
}

/// Resource name of a service.
#[must_use]
pub fn service_resource(name: &str) -> String {
    format!("service:{name}")
}

/// Device and component of a resource name.
#[must_use]
pub fn split_resource(name: &str) -> (&str, &str) {
    if name.starts_with("service:") {
        return (name, "");
    }
    name.split_once('/').unwrap_or((name, ""))
}
