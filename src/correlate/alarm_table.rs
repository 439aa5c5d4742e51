//! Every alarm by slot and by identity, and the alarm types by number.

use crate::correlate::alarm::{Alarm, Identity};
use crate::correlate::resource::{ResourceTable, Slot};
use crate::model::alarm_type::{AlarmType, EventType, ResourceEffect};
use crate::model::event::Event;
use crate::model::index::{HashIndex, KeyHasher};
use crate::model::severity::Severity;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Slot of an alarm. Slots of purged alarms are used again.
pub type AlarmSlot = u32;

/// The alarms.
#[derive(Clone, Serialize, Deserialize, Default)]
pub struct AlarmTable {
    slots: Vec<Option<Box<Alarm>>>,
    free: Vec<AlarmSlot>,
    active: [u64; 5],
    #[serde(skip)]
    by_identity: HashIndex,
    /// One copy of the name of each rule.
    #[serde(skip)]
    rules: BTreeSet<Arc<str>>,
}

impl AlarmTable {
    /// The alarm of a slot.
    #[must_use]
    pub fn get(&self, slot: AlarmSlot) -> Option<&Alarm> {
        self.slots.get(place(slot))?.as_deref()
    }

    /// The alarm of a slot, to be changed.
    pub fn get_mut(&mut self, slot: AlarmSlot) -> Option<&mut Alarm> {
        self.slots.get_mut(place(slot))?.as_deref_mut()
    }

    /// The slot of an identity.
    #[must_use]
    pub fn find(&self, hash: u64, mut is_same: impl FnMut(&Alarm) -> bool) -> Option<AlarmSlot> {
        let slots = &self.slots;
        self.by_identity.find(hash, |slot| {
            slots.get(place(slot)).and_then(Option::as_deref).is_some_and(&mut is_same)
        })
    }

    /// A slot whose identity has that hash, if any; most likely the one that [`AlarmTable::find`]
    /// gives.
    #[must_use]
    pub fn first_with(&self, hash: u64) -> Option<AlarmSlot> {
        self.by_identity.find(hash, |_| true)
    }

    /// Adds an alarm.
    pub fn add(&mut self, id: u64, identity: Identity, event: &Event<'_>) -> AlarmSlot {
        let alarm = Some(Box::new(Alarm::new(id, identity, event)));
        let slot = if let Some(slot) = self.free.pop() {
            if let Some(cell) = self.slots.get_mut(place(slot)) {
                *cell = alarm;
            }
            slot
        } else {
            self.slots.push(alarm);
            u32::try_from(self.slots.len().saturating_sub(1)).unwrap_or(u32::MAX)
        };
        self.by_identity.insert(identity.hash, slot);
        slot
    }

    /// Lets an alarm share the name of its rule with the other alarms of that rule.
    pub fn share_rule(&mut self, slot: AlarmSlot) {
        let Some(alarm) = self.slots.get_mut(place(slot)).and_then(Option::as_deref_mut) else {
            return;
        };
        match self.rules.get(&*alarm.rule) {
            Some(known) => alarm.rule = Arc::clone(known),
            None if self.rules.len() < RULES_MAX => {
                self.rules.insert(Arc::clone(&alarm.rule));
            }
            None => {}
        }
    }

    /// The resource of an alarm has another name: it is found under another hash.
    pub fn rehash(&mut self, slot: AlarmSlot, hash: u64) {
        let Some(alarm) = self.slots.get_mut(place(slot)).and_then(Option::as_deref_mut) else {
            return;
        };
        self.by_identity.remove(alarm.hash, slot);
        alarm.hash = hash;
        self.by_identity.insert(hash, slot);
    }

    /// Two alarms are one: `kept` counts what `gone` has counted, and nothing finds `gone` by its
    /// identity any more.
    pub fn unite(&mut self, kept: AlarmSlot, gone: AlarmSlot) {
        let Some(former) = self.slots.get_mut(place(gone)).and_then(Option::as_deref_mut) else {
            return;
        };
        former.is_united = true;
        let former = former.clone();
        self.by_identity.remove(former.hash, gone);
        if let Some(alarm) = self.get_mut(kept) {
            alarm.take_over(&former);
        }
    }

    /// Forgets an alarm.
    pub fn remove(&mut self, slot: AlarmSlot) -> Option<Box<Alarm>> {
        let alarm = self.slots.get_mut(place(slot))?.take()?;
        self.by_identity.remove(alarm.hash, slot);
        self.free.push(slot);
        Some(alarm)
    }

    /// Number of alarms held, cleared ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of slots, empty ones included.
    #[must_use]
    pub fn slots(&self) -> AlarmSlot {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// Every alarm in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (AlarmSlot, &Alarm)> {
        (0_u32..).zip(&self.slots).filter_map(|(slot, alarm)| Some((slot, alarm.as_deref()?)))
    }

    /// Active alarms of a severity.
    #[must_use]
    pub fn active_count(&self, severity: Severity) -> u64 {
        self.active.get(severity_place(severity)).copied().unwrap_or(0)
    }

    /// Notes that an alarm of that severity became active or ceased to be.
    pub fn count_active(&mut self, severity: Severity, is_more: bool) {
        if let Some(cell) = self.active.get_mut(severity_place(severity)) {
            *cell = if is_more { cell.saturating_add(1) } else { cell.saturating_sub(1) };
        }
    }

    /// Builds the index again after the table was read from a snapshot.
    pub fn rebuild_index(
        &mut self,
        hasher: &KeyHasher,
        resources: &ResourceTable,
        types: &AlarmTypes,
    ) {
        self.by_identity = HashIndex::default();
        for (slot, cell) in (0_u32..).zip(&mut self.slots) {
            if let Some(alarm) = cell.as_mut().filter(|alarm| !alarm.is_united) {
                let resource = resources.get(alarm.resource);
                let kind = types.get(alarm.alarm_type);
                alarm.hash = identity_hash(
                    hasher,
                    (&resource.device, &resource.component),
                    (&kind.id, &alarm.qualifier),
                );
                self.by_identity.insert(alarm.hash, slot);
            }
        }
        (0..self.slots()).for_each(|slot| self.share_rule(slot));
    }
}

/// Hash of an alarm's identity.
#[must_use]
pub fn identity_hash(hasher: &KeyHasher, resource: (&str, &str), kind: (&str, &str)) -> u64 {
    hasher.hash(&[resource.0, resource.1, kind.0, kind.1])
}

/// The alarm types ever seen, by number. Numbers stay when the settings change.
#[derive(Clone, Serialize, Deserialize, Default)]
pub struct AlarmTypes {
    types: Vec<AlarmType>,
}

impl AlarmTypes {
    /// The type of a number.
    ///
    /// # Panics
    /// Never for a number that this table gave.
    #[must_use]
    pub fn get(&self, number: u32) -> &AlarmType {
        self.types.get(place(number)).expect("alarm type numbers are never taken back")
    }

    /// The number of a type; one that no setting names gets a neutral type of its own.
    pub fn number_of(&mut self, id: &str) -> u32 {
        if let Some(found) = self.find(id) {
            return found;
        }
        self.types.push(AlarmType {
            id: id.into(),
            title: String::new(),
            event_type: EventType::Other,
            probable_cause: SmolStr::default(),
            severity: Severity::Indeterminate,
            effect: ResourceEffect::None,
            persistence_ms: 0,
            will_clear: true,
            expires_after_ms: 0,
        });
        u32::try_from(self.types.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Ids of every type seen, by number.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(|kind| kind.id.as_str())
    }

    /// The number of a type that was seen.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<u32> {
        let found = self.types.iter().position(|known| known.id == id)?;
        u32::try_from(found).ok()
    }

    /// Takes over the types of new settings.
    pub fn update(&mut self, types: &[AlarmType]) {
        for new in types {
            let number = self.number_of(&new.id);
            if let Some(known) = self.types.get_mut(place(number)) {
                *known = new.clone();
            }
        }
    }
}

/// Names of rules that are shared; rules come and go with reloads.
const RULES_MAX: usize = 16_384;

fn place(slot: Slot) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

fn severity_place(severity: Severity) -> usize {
    usize::from(severity.number().saturating_sub(2))
}
