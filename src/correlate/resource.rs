//! The resources that are known or were heard, each with a slot number that stays.

use crate::model::index::{HashIndex, KeyHasher};
use crate::model::inventory::service_name;
use crate::model::near;
use crate::model::paged::Paged;
use crate::model::time::{EngineTime, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use thin_vec::ThinVec;

/// Slot of a resource.
pub type Slot = u32;

/// What kind of thing a resource is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ResourceKind {
    /// A device, or an unknown sender.
    Device,
    /// A part of one.
    Component,
    /// What a customer uses.
    Service,
}

/// A device, a part of one, or a service.
///
/// What every message asks for comes first and fills one cache line, a name of usual length
/// included.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Resource {
    /// Component part of its name, empty for the device itself.
    pub component: SmolStr,
    /// Device part of its name (for a service `service:NAME`), shared by the parts of a device.
    pub device: Arc<str>,
    /// When an administrator took it out of service, while that holds.
    pub admin_down_at: Option<EngineTime>,
    /// Slot of its device; its own slot for a device or service.
    pub parent: Slot,
    /// What it is.
    pub kind: ResourceKind,
    /// Whether the inventory knows it.
    pub is_known: bool,
    /// Whether the inventory knew it once.
    pub was_known: bool,
    // Here the second line begins.
    /// Slots of its active alarms, oldest first.
    pub active: Vec<u32>,
    /// Other names by which the device calls it, as far as heard.
    pub aliases: ThinVec<Box<str>>,
    /// It turned out to be that resource under another name: nothing finds it any more.
    pub is_now: Option<Slot>,
    /// Addresses that it was heard from.
    pub addresses: ThinVec<IpAddr>,
    /// When it was first heard.
    pub first_heard: Option<Timestamp>,
}

const _: () = assert!(std::mem::offset_of!(Resource, active) == 64);
const _: () = assert!(std::mem::size_of::<Resource>() == 128);

impl Resource {
    /// `device` or `device/component`.
    #[must_use]
    pub fn name(&self) -> SmolStr {
        if self.component.is_empty() {
            SmolStr::from(Arc::clone(&self.device))
        } else {
            format_smolstr!("{}/{}", self.device, self.component)
        }
    }
}

/// Every resource by slot and by name.
#[derive(Clone, Serialize, Deserialize, Default)]
pub struct ResourceTable {
    slots: Paged<Resource>,
    /// When the last message of each came, if it is a device. Apart, since every message moves it:
    /// side by side they are few enough to stay near.
    last_heard: Paged<EngineTime>,
    #[serde(skip)]
    by_name: HashIndex,
}

impl ResourceTable {
    /// The resource of a slot.
    ///
    /// # Panics
    /// Never for a slot that this table gave: slots are not taken back.
    #[must_use]
    pub fn get(&self, slot: Slot) -> &Resource {
        self.slots.get(place(slot)).expect("resource slots are never taken back")
    }

    /// The resource of a slot, to be changed.
    ///
    /// # Panics
    /// Never for a slot that this table gave.
    pub fn get_mut(&mut self, slot: Slot) -> &mut Resource {
        self.slots.get_mut(place(slot)).expect("resource slots are never taken back")
    }

    /// When the last message of a device came.
    #[must_use]
    pub fn last_heard(&self, device: Slot) -> EngineTime {
        self.last_heard.get(place(device)).copied().unwrap_or_default()
    }

    /// Asks for the memory that [`ResourceTable::note_heard`] will look at.
    pub(crate) fn fetch_last_heard(&self, device: Slot) {
        if let Some(last) = self.last_heard.get(place(device)) {
            near::fetch(last);
        }
    }

    /// A message of a device came.
    pub fn note_heard(&mut self, device: Slot, at: EngineTime) {
        if let Some(last) = self.last_heard.get_mut(place(device)) {
            *last = at.max(*last);
        }
    }

    /// The slot of a name, if it is known.
    #[must_use]
    pub fn find(&self, hasher: &KeyHasher, device: &str, component: &str) -> Option<Slot> {
        let slots = &self.slots;
        self.by_name.find(hasher.hash(&[device, component]), |slot| {
            slots
                .get(place(slot))
                .is_some_and(|known| *known.device == *device && *known.component == *component)
        })
    }

    /// The slot of a component by a name that the device was heard to use for it.
    #[must_use]
    pub fn find_by_alias(&self, hasher: &KeyHasher, device: &str, alias: &str) -> Option<Slot> {
        let slots = &self.slots;
        self.by_name.find(hasher.hash(&[device, "alias", alias]), |slot| {
            slots.get(place(slot)).is_some_and(|known| {
                *known.device == *device && known.aliases.iter().any(|name| **name == *alias)
            })
        })
    }

    /// Gives a component its name; the one that it had stays an alias.
    pub fn name_component(&mut self, hasher: &KeyHasher, slot: Slot, name: &str) {
        let before = self.get(slot).component.to_string();
        let device = self.get(slot).device.to_string();
        self.by_name.remove(hasher.hash(&[&device, &before]), slot);
        self.get_mut(slot).component = name.into();
        self.by_name.insert(hasher.hash(&[&device, name]), slot);
        self.add_alias(hasher, slot, &before);
    }

    /// Gives a device, or a part of one, the device's new name.
    pub fn name_device(&mut self, hasher: &KeyHasher, slot: Slot, name: &Arc<str>) {
        let Some(resource) = self.slots.get_mut(place(slot)) else { return };
        let before = std::mem::replace(&mut resource.device, Arc::clone(name));
        self.by_name.remove(hasher.hash(&[&before, &resource.component]), slot);
        self.by_name.insert(hasher.hash(&[name, &resource.component]), slot);
        for alias in &resource.aliases {
            self.by_name.remove(hasher.hash(&[&before, "alias", alias]), slot);
            self.by_name.insert(hasher.hash(&[name, "alias", alias]), slot);
        }
    }

    /// Two components are one: whoever looks for `twin` finds `part`.
    pub fn unite(&mut self, hasher: &KeyHasher, twin: Slot, part: Slot) {
        let resource = self.get_mut(twin);
        resource.is_now = Some(part);
        let (device, component) = (resource.device.clone(), resource.component.clone());
        let aliases = std::mem::take(&mut resource.aliases);
        let admin_down_at = resource.admin_down_at.take();
        let first_heard = resource.first_heard;
        self.by_name.remove(hasher.hash(&[&device, &component]), twin);
        for alias in &aliases {
            self.by_name.remove(hasher.hash(&[&device, "alias", alias]), twin);
        }
        for alias in aliases.iter().map(|alias| &**alias).chain([&*component]) {
            self.add_alias(hasher, part, alias);
        }
        let resource = self.get_mut(part);
        resource.admin_down_at = resource.admin_down_at.or(admin_down_at);
        resource.first_heard = match (resource.first_heard, first_heard) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// Learns another name of a component; `false` if it was known already.
    pub fn add_alias(&mut self, hasher: &KeyHasher, slot: Slot, alias: &str) -> bool {
        let resource = self.slots.get_mut(place(slot)).expect("slots are never taken back");
        if resource.aliases.iter().any(|name| **name == *alias) {
            return false;
        }
        resource.aliases.reserve_exact(1);
        resource.aliases.push(alias.into());
        let hash = hasher.hash(&[&resource.device, "alias", alias]);
        self.by_name.insert(hash, slot);
        true
    }

    /// The slot of a name; the resource (and its device) is made when it is new.
    pub fn find_or_add(&mut self, hasher: &KeyHasher, device: &str, component: &str) -> Slot {
        if let Some(slot) = self.find(hasher, device, component) {
            return slot;
        }
        if component.is_empty() {
            let kind = if service_name(device).is_some() {
                ResourceKind::Service
            } else {
                ResourceKind::Device
            };
            return self.add(hasher, (device, ""), kind, None);
        }
        let parent = self.find_or_add(hasher, device, "");
        self.add(hasher, (device, component), ResourceKind::Component, Some(parent))
    }

    fn add(
        &mut self,
        hasher: &KeyHasher,
        name: (&str, &str),
        kind: ResourceKind,
        parent: Option<Slot>,
    ) -> Slot {
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.last_heard.push(EngineTime(0));
        self.slots.push(Resource {
            device: parent.map_or_else(|| name.0.into(), |parent| self.get(parent).device.clone()),
            component: name.1.into(),
            kind,
            parent: parent.unwrap_or(slot),
            is_known: false,
            was_known: false,
            admin_down_at: None,
            aliases: ThinVec::new(),
            addresses: ThinVec::new(),
            first_heard: None,
            active: Vec::new(),
            is_now: None,
        });
        self.by_name.insert(hasher.hash(&[name.0, name.1]), slot);
        slot
    }

    /// Number of resources.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Every slot, in the order in which the resources appeared.
    pub fn slots(&self) -> Range<Slot> {
        0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// Builds the index again after the table was read from a snapshot.
    pub fn rebuild_index(&mut self, hasher: &KeyHasher) {
        self.by_name = HashIndex::default();
        for place in 0..self.slots.len() {
            let parent = self.slots.get(place).map(|resource| self.get(resource.parent));
            let device = parent.map(|parent| Arc::clone(&parent.device));
            if let (Some(device), Some(resource)) = (device, self.slots.get_mut(place)) {
                resource.device = device;
            }
        }
        let found =
            (0_u32..).zip(self.slots.iter()).filter(|(_, resource)| resource.is_now.is_none());
        for (slot, resource) in found {
            self.by_name.insert(hasher.hash(&[&resource.device, &resource.component]), slot);
            for alias in &resource.aliases {
                self.by_name.insert(hasher.hash(&[&resource.device, "alias", alias]), slot);
            }
        }
    }
}

fn place(slot: Slot) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
