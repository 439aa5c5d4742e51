//! New settings come into force slice by slice, so that a big inventory stops the engine for
//! moments only: a number of small steps with the settings, and as many with each pulse, until
//! nothing is left.
//!
//! Meanwhile messages count as ever, and nothing is decided: the states of resources stand still,
//! deadlines wait. They go on together, on the whole of the new graph; what is seen of the old
//! inventory beside parts of the new one is only what resources are called.
//!
//! Every way through is the same in a replay: how far a slice goes depends on what there is to do,
//! never on a clock.

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::changes::Changes;
use crate::correlate::correlator::{Correlator, Deadline};
use crate::correlate::incident::Status;
use crate::correlate::resource::Slot;
use crate::correlate::slot_set::SlotSet;
use crate::correlate::topology::Group;
use crate::correlate::unsettled::{Origin, SETTLED_UNITS};
use crate::model::inventory::{Component, Dependency, Device, INDEX_PREFIX};
use crate::model::inventory::{service_resource, split_resource};
use crate::model::settings::Settings;
use crate::model::time::{At, EngineTime};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// New settings on their way into force.
#[derive(Clone, Serialize, Deserialize)]
pub struct Renewal {
    settings: Arc<Settings>,
    since: At,
    stage: Stage,
    /// What the new inventory names.
    named: SlotSet,
    /// What has its needs from it.
    placed: SlotSet,
    addresses: BTreeMap<IpAddr, Slot>,
    peers: BTreeMap<Slot, Slot>,
    contract_of: ContractOf,
    /// Whose needs or effects are others now.
    moved: Vec<Slot>,
}

/// Contract of each service that has one, by the service's slot.
pub type ContractOf = BTreeMap<Slot, SmolStr>;

/// New settings that have come into force.
pub struct Renewed {
    /// All of them.
    pub settings: Arc<Settings>,
    /// The contracts of their services.
    pub contract_of: ContractOf,
}

impl Renewal {
    /// Goes to the next stage, which is no work.
    fn go_on_with(&mut self, stage: Stage) -> usize {
        self.stage = stage;
        0
    }
}

/// What is next. The stages follow each other in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Stage {
    /// Senders known by their address get the name of that device.
    Senders(usize),
    /// That device, its parts and what they need.
    Devices(usize),
    /// That service and what it needs.
    Services(usize),
    /// Resources from that slot on: what the inventory names no more, and the ends of links.
    Others(Slot),
    /// Alarms from that slot on: which neighbour they are about.
    Neighbours(AlarmSlot),
    /// Parts of that device that were heard under names that the inventory gives to others.
    Twins(usize),
    /// States that follow from what was moved.
    States,
    /// Open incidents from that one on are looked at again: other needs may mean other services.
    Incidents(u64),
    /// Nothing is left.
    Over,
}

impl Correlator {
    /// Begins to take over new settings; [`Correlator::renew`] goes on. What the inventory no
    /// longer names stays with its alarms.
    pub fn begin_renewal(&mut self, at: At, settings: &Arc<Settings>, changes: &mut Changes) {
        self.settings = settings.correlation.clone();
        self.stable_ns = u64::from(settings.tickets.stable_min).saturating_mul(60_000_000_000);
        // Settings that come before the last ones are through take their place.
        let former = self.renewal.take();
        let mut moved = former.map(|former| former.moved).unwrap_or_default();
        self.hold_states().untell();
        self.take_over_types(settings, &mut moved);
        let types = &self.types;
        let orphans = self.watches.update(&settings.thresholds, |id| types.find(id));
        self.orphan_watches(at, &orphans, changes);
        self.renewal = Some(Box::new(Renewal {
            settings: Arc::clone(settings),
            since: at,
            stage: Stage::Senders(0),
            named: SlotSet::default(),
            placed: SlotSet::default(),
            addresses: BTreeMap::new(),
            peers: BTreeMap::new(),
            contract_of: ContractOf::new(),
            moved,
        }));
    }

    /// Since when settings are on their way into force, if they are: a pulse takes them further.
    #[must_use]
    pub fn renewing_since(&self) -> Option<EngineTime> {
        self.renewal.as_ref().map(|renewal| renewal.since.engine)
    }

    /// Takes new settings one slice further. Gives them when they are in force.
    pub fn renew(&mut self, at: At, changes: &mut Changes) -> Option<Renewed> {
        let mut renewal = self.renewal.take()?;
        let mut left = self.slice(RENEWAL_UNITS);
        while left > 0 {
            let units = self.renew_one(at, &mut renewal, changes);
            left = left.saturating_sub(units.max(1));
            if renewal.stage == Stage::Over {
                let Renewal { settings, contract_of, .. } = *renewal;
                return Some(Renewed { settings, contract_of });
            }
        }
        self.renewal = Some(renewal);
        None
    }

    /// One small step. Gives how many units of work it was: about as many as resources were looked
    /// up.
    fn renew_one(&mut self, at: At, renewal: &mut Renewal, changes: &mut Changes) -> usize {
        let settings = Arc::clone(&renewal.settings);
        let inventory = &settings.inventory;
        match renewal.stage {
            Stage::Senders(place) => {
                let Some(device) = inventory.devices.get(place) else {
                    return renewal.go_on_with(Stage::Devices(0));
                };
                renewal.stage = Stage::Senders(place.saturating_add(1));
                self.name_senders(device, changes)
            }
            Stage::Devices(place) => {
                let Some(device) = inventory.devices.get(place) else {
                    return renewal.go_on_with(Stage::Services(0));
                };
                renewal.stage = Stage::Devices(place.saturating_add(1));
                self.place_device(device, renewal, changes)
            }
            Stage::Services(place) => {
                let Some(service) = inventory.services.get(place) else {
                    return renewal.go_on_with(Stage::Others(0));
                };
                renewal.stage = Stage::Services(place.saturating_add(1));
                let slot = self.known(&service_resource(&service.name), "", renewal, changes);
                if !service.contract.is_empty() {
                    renewal.contract_of.insert(slot, SmolStr::new(&service.contract));
                }
                self.place(slot, &service.depends_on, renewal, changes)
            }
            Stage::Others(slot) => self.other_resources(slot, renewal, changes),
            Stage::Neighbours(slot) => self.neighbours(slot, renewal),
            Stage::Twins(place) => {
                let Some(device) = inventory.devices.get(place) else {
                    return renewal.go_on_with(Stage::States);
                };
                renewal.stage = Stage::Twins(place.saturating_add(1));
                self.unite_named_parts(at, device, changes)
            }
            Stage::States => self.renew_states(SETTLED_UNITS, renewal, changes),
            Stage::Incidents(id) => self.decide_later_again(at, id, renewal),
            Stage::Over => 0,
        }
    }

    /// Alarm types, and what they mean for resources with active alarms.
    fn take_over_types(&mut self, settings: &Settings, moved: &mut Vec<Slot>) {
        let before: BTreeMap<u32, _> = settings
            .alarm_types
            .iter()
            .filter_map(|new| {
                let number = self.types.find(&new.id)?;
                let effect = self.types.get(number).effect;
                (effect != new.effect).then_some((number, effect))
            })
            .collect();
        self.types.update(&settings.alarm_types);
        if before.is_empty() {
            return;
        }
        for (_, alarm) in self.alarms.iter().filter(|(_, alarm)| alarm.is_active()) {
            if let Some(effect) = before.get(&alarm.alarm_type) {
                let now = self.types.get(alarm.alarm_type).effect;
                self.topology.count_effect(alarm.resource, *effect, false);
                self.topology.count_effect(alarm.resource, now, true);
                moved.push(alarm.resource);
            }
        }
    }

    fn place_device(
        &mut self,
        device: &Device,
        renewal: &mut Renewal,
        changes: &mut Changes,
    ) -> usize {
        let slot = self.known(&device.name, "", renewal, changes);
        renewal.addresses.extend(device.addresses.iter().map(|address| (*address, slot)));
        let mut units = self.place(slot, &device.depends_on, renewal, changes);
        for component in &device.components {
            units = units.saturating_add(self.place_part(device, component, renewal, changes));
        }
        units.saturating_add(device.addresses.len())
    }

    fn place_part(
        &mut self,
        device: &Device,
        component: &Component,
        renewal: &mut Renewal,
        changes: &mut Changes,
    ) -> usize {
        let part = self.known(&device.name, &component.name, renewal, changes);
        if let Some(index) = component.if_index {
            self.resources.add_alias(&self.hasher, part, &format!("{INDEX_PREFIX}{index}"));
        }
        for alias in &component.aliases {
            self.resources.add_alias(&self.hasher, part, alias);
        }
        if let Some(peer) = &component.peer {
            let (device, component) = split_resource(peer);
            let other = self.known(device, component, renewal, changes);
            renewal.peers.extend([(part, other), (other, part)]);
        }
        let units = self.place(part, &component.depends_on, renewal, changes);
        units.saturating_add(component.aliases.len()).saturating_add(2)
    }

    /// A resource that the inventory names; made when it is new.
    fn known(
        &mut self,
        device: &str,
        component: &str,
        renewal: &mut Renewal,
        changes: &mut Changes,
    ) -> Slot {
        let slot = self.resources.find_or_add(&self.hasher, device, component);
        let resource = self.resources.get_mut(slot);
        resource.was_known |= resource.is_known;
        if !resource.is_known {
            resource.is_known = true;
            changes.resources.insert(slot);
        }
        renewal.named.insert(slot);
        slot
    }

    /// Gives a resource the needs that the inventory says.
    fn place(
        &mut self,
        slot: Slot,
        needs: &[Dependency],
        renewal: &mut Renewal,
        changes: &mut Changes,
    ) -> usize {
        let mut units = 1_usize;
        let mut groups = Vec::with_capacity(needs.len().saturating_add(1));
        for need in needs {
            units = units.saturating_add(need.any_of.len());
            let mut members = Vec::with_capacity(need.any_of.len());
            for name in &need.any_of {
                let (device, component) = split_resource(name);
                members.push(self.known(device, component, renewal, changes));
            }
            groups.push(Group { members, needed: need.needed });
        }
        renewal.placed.insert(slot);
        units.saturating_add(self.stand_on(slot, groups, renewal))
    }

    /// Every part needs its device too. Gives the units of work beyond one.
    fn stand_on(&mut self, slot: Slot, mut groups: Vec<Group>, renewal: &mut Renewal) -> usize {
        let resource = self.resources.get(slot);
        if resource.parent != slot && resource.is_now.is_none() {
            groups.push(Group { members: vec![resource.parent], needed: 1 });
        }
        let units = self.topology.set_needs(slot, groups);
        if units.is_some() {
            renewal.moved.push(slot);
        }
        units.unwrap_or(0)
    }

    /// What the inventory does not give needs to has none but its device.
    fn other_resources(
        &mut self,
        from: Slot,
        renewal: &mut Renewal,
        changes: &mut Changes,
    ) -> usize {
        let slots = self.resources.slots().end;
        let to = from.saturating_add(SLOTS_PER_UNIT).min(slots);
        let mut units = 1_usize;
        for slot in from..to {
            if !renewal.placed.contains(slot) {
                units = units.saturating_add(self.stand_on(slot, Vec::new(), renewal));
            }
            let resource = self.resources.get_mut(slot);
            if resource.is_known && !renewal.named.contains(slot) {
                resource.is_known = false;
                resource.was_known = true;
                changes.resources.insert(slot);
            }
            self.topology.link(slot, renewal.peers.get(&slot).copied());
        }
        renewal.stage = Stage::Others(to);
        if to == slots {
            let addresses = std::mem::take(&mut renewal.addresses);
            self.take_over_addresses(addresses);
            self.by_neighbour.clear();
            renewal.stage = Stage::Neighbours(0);
        }
        units
    }

    /// Other addresses mean other neighbours.
    fn neighbours(&mut self, from: AlarmSlot, renewal: &mut Renewal) -> usize {
        let slots = self.alarms.slots();
        let to = from.saturating_add(SLOTS_PER_UNIT).min(slots);
        for slot in from..to {
            let Some(alarm) = self.alarms.get(slot).filter(|alarm| alarm.is_active()) else {
                continue;
            };
            if let Some(device) = self.neighbour_of(alarm) {
                self.by_neighbour.entry(device).or_default().insert(slot);
            }
        }
        renewal.stage = if to == slots { Stage::Twins(0) } else { Stage::Neighbours(to) };
        1
    }

    /// States that follow from other needs, and from what messages have told meanwhile: so many
    /// looks at resources.
    fn renew_states(
        &mut self,
        units: usize,
        renewal: &mut Renewal,
        changes: &mut Changes,
    ) -> usize {
        let origin = Origin { at: renewal.since, is_by_inventory: true };
        self.hold_states().add(renewal.moved.drain(..), origin);
        let looks = self.settle_states(units, changes);
        if self.unsettled.is_none() {
            renewal.stage = Stage::Incidents(0);
        }
        looks / LOOKS_PER_UNIT
    }

    /// A message comes meanwhile: when very much waits to be worked out, it helps.
    pub(crate) fn renew_by_message(&mut self, changes: &mut Changes) {
        let Some(mut renewal) = self.renewal.take() else { return };
        if renewal.stage == Stage::States {
            let units = self.units_by_message();
            self.renew_states(units, &mut renewal, changes);
        }
        self.renewal = Some(renewal);
    }

    fn decide_later_again(&mut self, at: At, from: u64, renewal: &mut Renewal) -> usize {
        let due = at.engine.plus_ns(self.hold_off_ns());
        renewal.stage = match self.incidents.range(from..).next() {
            Some((id, incident)) => {
                if incident.status() == Status::Open && incident.active_count() > 0 {
                    self.timers.set_earliest(Deadline::Decide(*id), due);
                }
                Stage::Incidents(id.saturating_add(1))
            }
            None => Stage::Over,
        };
        1
    }
}

/// Work on new settings in one step, in units of about a microsecond each.
const RENEWAL_UNITS: usize = 1_000;
/// Slots that are looked through for one unit.
const SLOTS_PER_UNIT: u32 = 8;
/// Looks at resources, to work out states, for one unit.
const LOOKS_PER_UNIT: usize = 4;
