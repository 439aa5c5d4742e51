//! Two names of one part. An interface that was known by its index only, and the same interface
//! that another message called by its name, are found to be one when a message or the inventory
//! says both: one resource then, and one alarm where each had its own.

use crate::correlate::alarm_table::{AlarmSlot, identity_hash};
use crate::correlate::changes::Changes;
use crate::correlate::correlator::{Correlator, Deadline};
use crate::correlate::resource::Slot;
use crate::correlate::unsettled::Toggle;
use crate::model::event::Event;
use crate::model::time::At;
use std::borrow::Cow;
use std::cmp::Reverse;

impl Correlator {
    /// The part is called `alias` too. What was raised under that name only goes on under its own.
    pub(crate) fn unite_parts(&mut self, at: At, part: Slot, alias: &str, changes: &mut Changes) {
        let device = &self.resources.get(part).device;
        let Some(twin) = self.resources.find(&self.hasher, device, alias) else { return };
        // What the inventory names is not another name of something else.
        if twin == part || self.resources.get(twin).is_known {
            return;
        }
        for alarm in self.alarms_on(twin) {
            self.move_alarm(at, alarm, part, changes);
        }
        let before = self.resources.get(twin).name();
        self.resources.unite(&self.hasher, twin, part);
        self.topology.detach(twin);
        let device = self.resources.get(part).parent;
        self.watches.move_all(device, (twin, part));
        changes.resources.insert(part);
        changes.renamed.push((before, part));
    }

    fn move_alarm(&mut self, at: At, slot: AlarmSlot, to: Slot, changes: &mut Changes) {
        let Some(alarm) = self.alarms.get_mut(slot) else { return };
        let (from, is_active, incident) = (alarm.resource, alarm.is_active(), alarm.incident);
        let since = alarm.active_since.wall;
        alarm.resource = to;
        let (alarm_type, qualifier) = (alarm.alarm_type, alarm.qualifier.clone());
        let kind = self.types.get(alarm_type);
        let name = self.resources.get(to);
        let name = (&*name.device, &*name.component);
        let hash = identity_hash(&self.hasher, name, (&*kind.id, &*qualifier));
        let effect = kind.effect;
        let other = self.alarms.find(hash, |known| {
            known.resource == to && known.alarm_type == alarm_type && known.qualifier == qualifier
        });
        self.alarms.rehash(slot, hash);
        changes.alarms.insert(slot);
        if is_active {
            self.resources.get_mut(from).active.retain(|active| *active != slot);
            self.resources.get_mut(to).active.push(slot);
            self.count_effect(to, Toggle { effect, is_more: true }, since, changes);
            self.count_effect(from, Toggle { effect, is_more: false }, since, changes);
        }
        if let Some(incident) = incident.and_then(|id| self.incidents.get_mut(&id))
            && incident.root == from
        {
            incident.root = to;
        }
        if let Some(other) = other {
            self.unite_alarms(at, (slot, other), changes);
        }
    }

    /// Two alarms turned out to be one. The active one goes on, of two the older; the other leaves
    /// its incident, and an incident that was only about it is the same fault.
    pub(crate) fn unite_alarms(
        &mut self,
        at: At,
        (one, other): (AlarmSlot, AlarmSlot),
        changes: &mut Changes,
    ) {
        let rank = |slot: AlarmSlot| {
            self.alarms.get(slot).map(|alarm| (alarm.is_active(), Reverse(alarm.id)))
        };
        let (kept, gone) = if rank(one) > rank(other) { (one, other) } else { (other, one) };
        let Some(former) = self.alarms.get(gone).cloned() else { return };
        if former.is_active() {
            if let (Some(upper), Some(lower)) =
                (self.own_live_incident(kept), self.own_live_incident(gone))
                && upper != lower
            {
                self.merge(at, (upper, lower), changes);
            }
            if let Some(alarm) = self.alarms.get_mut(gone) {
                alarm.clear_without_message(at);
                alarm.flap.settle();
            }
            self.ceased(at, gone, changes);
        }
        self.cancel_all(gone);
        self.forget_session(gone);
        self.alarms.unite(kept, gone);
        self.lease(at, kept);
        self.forget_later(at, gone);
        changes.alarms.extend([kept, gone]);
        let Some(alarm) = self.alarms.get_mut(kept) else { return };
        let (kept_id, before, incident) = (alarm.id, alarm.severity, alarm.incident);
        if former.is_active() {
            alarm.severity = before.max(former.severity);
        }
        if let Some(due) = alarm.flap.quiet_at(&self.settings).filter(|_| alarm.flap.is_flapping())
        {
            self.timers.set(Deadline::FlapQuiet(kept), due);
        }
        if alarm.held_clear().is_none() {
            self.timers.cancel(Deadline::ConfirmClear(kept));
        }
        if let Some(incident) = incident.and_then(|id| self.incidents.get_mut(&id))
            && incident.root_alarm == (gone, former.id)
        {
            incident.root_alarm = (kept, kept_id);
        }
        self.severity_changed(at, kept, before, changes);
    }
}

/// The event's line for people, with the name of the part where it has only its index.
pub(crate) fn text_with_name<'a>(event: &Event<'a>, name: &str) -> Cow<'a, str> {
    let alias = event.component;
    if alias.is_empty() || name.is_empty() || name == alias {
        return Cow::Borrowed(event.text);
    }
    let whole = event.text.split(' ').map(|word| if word == alias { name } else { word });
    Cow::Owned(whole.collect::<Vec<&str>>().join(" "))
}
