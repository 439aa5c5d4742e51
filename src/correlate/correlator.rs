//! The correlator: owns alarms, resources, topology and incidents, and takes events in order.

use crate::correlate::alarm::{Alarm, Identity, Transition};
use crate::correlate::alarm_table::{AlarmSlot, AlarmTable, AlarmTypes, identity_hash};
use crate::correlate::changes::Changes;
use crate::correlate::incident::Incident;
use crate::correlate::muting::Silences;
use crate::correlate::renewal::Renewal;
use crate::correlate::resource::{ResourceTable, Slot};
use crate::correlate::session::{Sessions, may_mean_another};
use crate::correlate::spread::Spread;
use crate::correlate::threshold::Watches;
use crate::correlate::topology::{Group, Topology};
use crate::correlate::twin::text_with_name;
use crate::correlate::unsettled::Unsettled;
use crate::correlate::withdrawal::Withdrawals;
use crate::model::event::{Channel, Event, Verb};
use crate::model::index::KeyHasher;
use crate::model::limits::{ALARMS_MAX, MORE_SENDERS, RESOURCES_MAX, SENDER_ADDRESSES_MAX};
use crate::model::near;
use crate::model::settings::CorrelationSettings;
use crate::model::time::{At, EngineTime, Timestamp};
use crate::model::timer::Timers;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What waits for time to pass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Deadline {
    /// A held clear counts when nothing contradicts it.
    ConfirmClear(AlarmSlot),
    /// A flapping alarm may have settled.
    FlapQuiet(AlarmSlot),
    /// An alarm that no message clears.
    Expire(AlarmSlot),
    /// The incident's tickets are to be decided.
    Decide(u64),
    /// The incident has been all clear long enough.
    Stable(u64),
    /// Changes of the incident are to be told.
    Tell(u64),
    /// A cleared alarm may be forgotten.
    ForgetAlarm(AlarmSlot),
    /// A closed incident may be forgotten.
    ForgetIncident(u64),
    /// A silence begins, ends or may be forgotten.
    Silence(u64),
    /// An alert that was not said again.
    Lease(AlarmSlot),
}

/// When the state of a service changed, by the receipt of the message that led to it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ServiceSince {
    /// Last change.
    pub changed_at: Timestamp,
    /// Whether that followed from another inventory, not from a message.
    pub is_by_inventory: bool,
    /// When it left *up*, as long as it is not up again.
    pub left_up_at: Option<At>,
    /// When nothing carried it in full any more, as long as it is neither up nor on backup again.
    pub failed_at: Option<At>,
}

impl ServiceSince {
    /// When its backup failed, if it was on backup before it failed.
    #[must_use]
    pub fn carried_until(&self) -> Option<Timestamp> {
        let failed_at = self.failed_at?.wall;
        self.left_up_at.is_some_and(|left| left.wall < failed_at).then_some(failed_at)
    }
}

/// State of correlation. Changes only through its methods, each of which is given the time.
#[derive(Clone, Serialize, Deserialize)]
pub struct Correlator {
    /// Every alarm.
    pub alarms: AlarmTable,
    /// Every alarm type.
    pub types: AlarmTypes,
    /// Every resource.
    pub resources: ResourceTable,
    /// What needs what.
    pub topology: Topology,
    /// Incidents by id.
    pub incidents: BTreeMap<u64, Incident>,
    /// Silences.
    pub silences: Silences,
    /// Deadlines.
    pub timers: Timers<Deadline>,
    /// How far faults reach.
    pub spread: Spread,
    /// Incidents that are over, until their final record is withdrawn.
    pub withdrawals: Withdrawals,
    /// What threshold rules keep an eye on.
    pub watches: Watches,
    /// Settings in force.
    pub settings: CorrelationSettings,
    /// All clear for this long means restored, ns.
    pub stable_ns: u64,
    pub(crate) addresses: BTreeMap<IpAddr, Slot>,
    /// Those of devices that the inventory names no more, while an alarm of theirs is active.
    pub(crate) former_addresses: BTreeMap<IpAddr, Slot>,
    pub(crate) by_neighbour: BTreeMap<Slot, BTreeSet<AlarmSlot>>,
    pub(crate) sessions: Sessions,
    /// Messages about alarms that were not held, since there were [`ALARMS_MAX`] already.
    pub alarms_refused: u64,
    /// Since when each service has its state.
    pub(crate) service_since: BTreeMap<Slot, ServiceSince>,
    /// Journal position at work: the id of what this step creates.
    pub(crate) position: u64,
    /// Engine time at work.
    pub(crate) now: EngineTime,
    seed: u64,
    #[serde(skip, default = "unseeded")]
    pub(crate) hasher: KeyHasher,
    #[serde(skip)]
    touched: Vec<AlarmSlot>,
    /// New settings on their way into force.
    pub(crate) renewal: Option<Box<Renewal>>,
    /// States that are to be worked out and told, when that takes more than a step.
    pub(crate) unsettled: Option<Box<Unsettled>>,
    /// What any slice of long work may cost at most: no bound but in tests, which have little that
    /// is large.
    #[serde(skip, default = "any_units")]
    pub(crate) slice_units: usize,
    /// [`ALARMS_MAX`]; less in tests.
    #[serde(skip, default = "alarms_max")]
    pub(crate) alarms_max: usize,
}

const fn any_units() -> usize {
    usize::MAX
}

const fn alarms_max() -> usize {
    ALARMS_MAX
}

fn unseeded() -> KeyHasher {
    KeyHasher::new(0)
}

impl Correlator {
    /// An empty correlator whose hashes take that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            alarms: AlarmTable::default(),
            types: AlarmTypes::default(),
            resources: ResourceTable::default(),
            topology: Topology::default(),
            incidents: BTreeMap::new(),
            silences: Silences::default(),
            timers: Timers::default(),
            spread: Spread::default(),
            withdrawals: Withdrawals::default(),
            watches: Watches::default(),
            settings: CorrelationSettings::default(),
            stable_ns: 180_000_000_000,
            addresses: BTreeMap::new(),
            former_addresses: BTreeMap::new(),
            by_neighbour: BTreeMap::new(),
            sessions: Sessions::default(),
            alarms_refused: 0,
            service_since: BTreeMap::new(),
            position: 0,
            now: EngineTime(0),
            seed,
            hasher: KeyHasher::new(seed),
            touched: Vec::new(),
            renewal: None,
            unsettled: None,
            slice_units: any_units(),
            alarms_max: ALARMS_MAX,
        }
    }

    /// Takes another seed (the first boot record gives it) or builds the look-ups again after a
    /// snapshot was read.
    pub fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        self.rebuild();
    }

    /// Builds the look-ups that a snapshot does not hold.
    pub fn rebuild(&mut self) {
        self.hasher = KeyHasher::new(self.seed);
        self.resources.rebuild_index(&self.hasher);
        self.alarms.rebuild_index(&self.hasher, &self.resources, &self.types);
    }

    /// The alarm that the event only repeats, if it changes nothing. `hash` is that of
    /// [`Correlator::hash_of`].
    #[must_use]
    pub fn repeat_of(&self, event: &Event<'_>, hash: u64) -> Option<AlarmSlot> {
        let slot = self.find_alarm(event, hash)?;
        let alarm = self.alarms.get(slot)?;
        // While an administrator holds it down, every message may end that.
        let is_held_down = self.resources.get(alarm.resource).admin_down_at.is_some();
        let is_repeat = !is_held_down && alarm.is_repeated_by(event);
        (is_repeat && !may_mean_another(event)).then_some(slot)
    }

    /// Hash of an alarm identity, [`Event::identity`].
    #[must_use]
    pub fn hash_of(&self, identity: [&str; 4]) -> u64 {
        let [device, component, kind, qualifier] = identity;
        identity_hash(&self.hasher, (device, component), (kind, qualifier))
    }

    /// Asks for the memory that [`Correlator::repeat_of`] and [`Correlator::repeat`] will look at
    /// for each of these hashes. It changes nothing; it waits for memory once for many events
    /// instead of once for each.
    pub fn look_ahead(&self, hashes: &[u64]) {
        let mut slots = [u32::MAX; LOOK_AHEAD];
        for hashes in hashes.chunks(LOOK_AHEAD) {
            for (slot, hash) in slots.iter_mut().zip(hashes) {
                *slot = self.alarms.first_with(*hash).unwrap_or(u32::MAX);
            }
            let known = || slots.iter().zip(hashes).filter_map(|(slot, _)| self.alarms.get(*slot));
            known().for_each(Alarm::fetch);
            let resources = || known().map(|alarm| self.resources.get(alarm.resource));
            resources().for_each(near::fetch);
            resources().for_each(|resource| self.resources.fetch_last_heard(resource.parent));
        }
    }

    fn find_alarm(&self, event: &Event<'_>, hash: u64) -> Option<AlarmSlot> {
        let found = self.alarms.find(hash, |alarm| self.is_alarm_of(alarm, event));
        if found.is_some() || event.component.is_empty() {
            return found;
        }
        let resource = self.resources.find_by_alias(&self.hasher, event.device, event.component)?;
        let component = &self.resources.get(resource).component;
        let named = Event { component, ..*event };
        self.alarms.find(self.hash_of(named.identity()), |alarm| self.is_alarm_of(alarm, &named))
    }

    fn is_alarm_of(&self, alarm: &Alarm, event: &Event<'_>) -> bool {
        let resource = self.resources.get(alarm.resource);
        *alarm.qualifier == *event.qualifier
            && self.types.get(alarm.alarm_type).id == event.alarm_type
            && *resource.component == *event.component
            && *resource.device == *event.device
    }

    /// Counts one repeat. Its device has said something, as with any other message.
    pub fn repeat(&mut self, slot: AlarmSlot, arrived: At, listener: u16, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        alarm.repeat(arrived, listener);
        let resource = alarm.resource;
        self.touch(slot);
        let device = self.resources.get(resource).parent;
        self.resources.note_heard(device, arrived.engine);
        self.device_spoke(device, arrived.wall, changes);
    }

    /// At most `max` of the alarms whose counts changed since they were last told; the rest waits.
    /// Reading them is no input: it changes nothing that an output depends on.
    pub fn take_touched(&mut self, max: usize) -> Vec<AlarmSlot> {
        let count = self.touched.len().min(max);
        let touched: Vec<AlarmSlot> = self.touched.drain(..count).collect();
        for slot in &touched {
            if let Some(alarm) = self.alarms.get_mut(*slot) {
                alarm.is_touched = false;
            }
        }
        touched
    }

    /// Applies one event. `position` becomes the id of what it creates.
    pub fn event(&mut self, at: At, position: u64, event: &Event<'_>, changes: &mut Changes) {
        self.position = position;
        // Classified before the inventory gave its sender a name, or after it took that away.
        let Some(slot) = self.device_at(event) else {
            self.named_event(at, position, event, changes);
            return;
        };
        let device = self.resources.get(slot);
        let is_known = device.is_known;
        let device = device.device.clone();
        let named = Event { device: &device, is_known, ..*event };
        self.named_event(at, position, &named, changes);
    }

    /// The device that a sender without a name is, or was when it raised what is still active.
    pub(crate) fn device_at(&self, event: &Event<'_>) -> Option<Slot> {
        if event.is_known {
            return None;
        }
        let address: IpAddr = event.device.parse().ok()?;
        self.addresses.get(&address).or_else(|| self.former_addresses.get(&address)).copied()
    }

    fn named_event(&mut self, at: At, position: u64, event: &Event<'_>, changes: &mut Changes) {
        match event.verb {
            Verb::Crossing => self.crossing(at, event, changes),
            Verb::Silent => self.silent(at, event, changes),
            Verb::Raise | Verb::Clear | Verb::Event | Verb::AdminDown => {
                self.message(at, position, event, changes);
            }
        }
    }

    /// A message that says what it does to its alarm.
    pub(crate) fn message(
        &mut self,
        at: At,
        position: u64,
        event: &Event<'_>,
        changes: &mut Changes,
    ) {
        let resource = self.resolve(at, event, changes);
        let name = &self.resources.get(resource).component;
        let text = text_with_name(event, name);
        let event = &Event { text: &text, ..*event };
        if event.verb == Verb::AdminDown {
            self.administratively_down(at, resource, event, changes);
            return;
        }
        if event.verb == Verb::Raise && self.is_explained_by_administrator(resource, event) {
            return;
        }
        if event.verb == Verb::Clear && self.says_back_in_service(event) {
            self.back_in_service(resource, changes);
        }
        let slot = self.alarm_of(at, (position, resource), event, changes);
        let Some(slot) = slot else { return };
        let simultaneous_ns = self.settings.simultaneous_ms.saturating_mul(1_000_000);
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        let channels_before = alarm.channels;
        let severity_before = alarm.severity;
        let was_source_silent = alarm.is_source_silent;
        let lease_before = alarm.lease_until;
        let transition = match event.verb {
            Verb::Raise => alarm.raise(event, simultaneous_ns),
            Verb::Clear => alarm.clear(event, simultaneous_ns),
            Verb::Event | Verb::AdminDown | Verb::Crossing | Verb::Silent => {
                alarm.happen(event);
                Transition::Changed
            }
        };
        let is_new_channel = alarm.channels != channels_before;
        let was_shown = alarm.occurrences > 0;
        let is_known_again = was_source_silent && !alarm.is_source_silent;
        let has_new_lease = alarm.lease_until != lease_before;
        if alarm.held_clear().is_some() {
            let due = at.engine.plus_ns(CONFIRM_CLEAR_NS);
            self.timers.set_earliest(Deadline::ConfirmClear(slot), due);
        }
        if has_new_lease {
            self.lease(at, slot);
        }
        if transition != Transition::Repeated {
            self.alarms.share_rule(slot);
        }
        match transition {
            Transition::Raised | Transition::Cleared => {
                self.toggled(at, slot, (transition, severity_before), changes);
            }
            Transition::Changed => self.severity_changed(at, slot, severity_before, changes),
            Transition::Repeated | Transition::Late | Transition::ClearHeld => {
                if is_known_again || has_new_lease || (is_new_channel && was_shown) {
                    changes.alarms.insert(slot);
                } else {
                    self.touch(slot);
                }
            }
        }
        if event.verb != Verb::Raise {
            self.forget_later(at, slot);
        } else if self.types.get(self.type_of(slot)).expires_after_ms > 0 {
            self.expire_later(at, slot);
        }
    }

    pub(crate) fn touch(&mut self, slot: AlarmSlot) {
        if let Some(alarm) = self.alarms.get_mut(slot)
            && !alarm.is_touched
        {
            alarm.is_touched = true;
            self.touched.push(slot);
        }
    }

    fn type_of(&self, slot: AlarmSlot) -> u32 {
        self.alarms.get(slot).map_or(0, |alarm| alarm.alarm_type)
    }

    /// The resource that the event is about; made and noted when it is new.
    pub(crate) fn resolve(&mut self, at: At, event: &Event<'_>, changes: &mut Changes) -> Slot {
        let is_full = self.resources.len() >= RESOURCES_MAX;
        let is_stranger = || self.resources.find(&self.hasher, event.device, "").is_none();
        let name = if is_full && is_stranger() { MORE_SENDERS } else { event.device };
        let device = self.resources.find_or_add(&self.hasher, name, "");
        let heard = self.resources.get_mut(device);
        if heard.first_heard.is_none() {
            heard.first_heard = Some(event.arrived.wall);
            changes.resources.insert(device);
        }
        // Samples and alerts come from a collector: the device itself has said nothing.
        if event.channel != Channel::Metric {
            self.heard_from(device, event, changes);
        }
        if event.component.is_empty() {
            return device;
        }
        let hasher = &self.hasher;
        let known = self
            .resources
            .find(hasher, event.device, event.component)
            .or_else(|| self.resources.find_by_alias(hasher, event.device, event.component));
        if known.is_none() && is_full {
            return device;
        }
        let slot = known.or_else(|| self.name_part(event, changes)).unwrap_or_else(|| {
            let hasher = &self.hasher;
            let slot = self.resources.find_or_add(hasher, event.device, event.component);
            self.topology.add_need(slot, Group { members: vec![device], needed: 1 });
            // A part of a device that is down is down from the start.
            self.propagate(&[slot], event.arrived.wall, changes);
            slot
        });
        let resource = self.resources.get_mut(slot);
        if resource.first_heard.is_none() {
            resource.first_heard = Some(event.arrived.wall);
            changes.resources.insert(slot);
        }
        if !event.component_alias.is_empty() {
            self.unite_parts(at, slot, event.component_alias, changes);
        }
        if !event.component_alias.is_empty()
            && self.resources.add_alias(&self.hasher, slot, event.component_alias)
        {
            changes.resources.insert(slot);
        }
        slot
    }

    /// The device itself sent the event.
    fn heard_from(&mut self, device: Slot, event: &Event<'_>, changes: &mut Changes) {
        self.resources.note_heard(device, event.arrived.engine);
        let heard = self.resources.get_mut(device);
        if !heard.addresses.contains(&event.peer)
            && heard.addresses.len() < SENDER_ADDRESSES_MAX
            && !event.peer.is_unspecified()
        {
            heard.addresses.push(event.peer);
            changes.resources.insert(device);
        }
        self.device_spoke(device, event.arrived.wall, changes);
    }

    /// The slot of the event's alarm, made when it is new; `None` when the table is full.
    fn alarm_of(
        &mut self,
        at: At,
        (id, resource): (u64, Slot),
        event: &Event<'_>,
        changes: &mut Changes,
    ) -> Option<AlarmSlot> {
        let named = self.resources.get(resource);
        let hash = identity_hash(
            &self.hasher,
            (&named.device, &named.component),
            (event.alarm_type, event.qualifier),
        );
        let known = self.alarms.find(hash, |alarm| {
            alarm.resource == resource
                && *alarm.qualifier == *event.qualifier
                && self.types.get(alarm.alarm_type).id == event.alarm_type
        });
        let is_active = |slot: AlarmSlot| self.alarms.get(slot).is_some_and(Alarm::is_active);
        if known.is_some_and(is_active) {
            return known;
        }
        let session = self.session_of(at, resource, event, changes);
        if session.or(known).is_some() {
            return session.or(known);
        }
        if self.alarms.len() >= self.alarms_max && event.channel != Channel::Internal {
            self.alarms_refused = self.alarms_refused.saturating_add(1);
            return None;
        }
        let alarm_type = self.types.number_of(event.alarm_type);
        let identity = Identity { hash, resource, alarm_type };
        let slot = self.alarms.add(id, identity, event);
        self.note_session(slot);
        Some(slot)
    }

    /// The known device that an alarm's qualifier names by its address (a BGP neighbour).
    pub(crate) fn neighbour_of(&self, alarm: &Alarm) -> Option<Slot> {
        // Behind the address may stand the VRF.
        let address: IpAddr = alarm.qualifier.split(' ').next()?.parse().ok()?;
        self.addresses.get(&address).copied()
    }

    /// What a slice of long work may cost that usually costs so many units.
    pub(crate) fn slice(&self, usual: usize) -> usize {
        usual.min(self.slice_units)
    }

    /// An incident, or the one that has taken it over.
    #[must_use]
    pub fn incident_of_now(&self, id: u64) -> Option<&Incident> {
        let mut incident = self.incidents.get(&id)?;
        while let Some(survivor) = incident.merged_into {
            incident = self.incidents.get(&survivor)?;
        }
        Some(incident)
    }

    /// The hold-off, ns.
    #[must_use]
    pub fn hold_off_ns(&self) -> u64 {
        self.settings.hold_off_ms.saturating_mul(1_000_000)
    }
}

/// Events that [`Correlator::look_ahead`] follows side by side.
const LOOK_AHEAD: usize = 64;
/// A held clear counts after this long without a contradiction, ns.
const CONFIRM_CLEAR_NS: u64 = 1_000_000_000;
