//! States that follow from what alarms, silences and new settings say: worked out downward and
//! told, a slice at a time. A port below which fifty thousand services lie must not stop the engine
//! until all of them are known to be down.
//!
//! Small changes end in the step that began them. While a large one lasts, messages count as ever
//! and what they change waits its turn, message after message, each with the time at which it was
//! received; nothing is decided, and deadlines wait.

use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::resource::{ResourceKind, Slot};
use crate::correlate::topology::{NodeState, Topology};
use crate::model::alarm_type::ResourceEffect;
use crate::model::time::{At, EngineTime, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// What led to a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// When it was received.
    pub(crate) at: At,
    /// Whether it was another inventory, and no message.
    pub(crate) is_by_inventory: bool,
}

/// A resource whose state became another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Changed {
    slot: Slot,
    before: NodeState,
    after: NodeState,
    origin: Origin,
    /// Whether it is what the change began with.
    is_first: bool,
}

/// An active alarm more on a resource, or one less.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Toggle {
    pub(crate) effect: ResourceEffect,
    pub(crate) is_more: bool,
}

/// A resource whose state may be another one.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Look {
    slot: Slot,
    origin: Origin,
    toggle: Option<Toggle>,
}

/// What is to be worked out and told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Unsettled {
    since: EngineTime,
    /// Resources whose states may be others, in the order in which that was received.
    ahead: VecDeque<Look>,
    /// Of alarms that are counted already and whose turn is still to come: how many more mean down,
    /// and degraded. Each look is to see what there was when its message was received.
    to_come: BTreeMap<Slot, (i32, i32)>,
    /// What follows from the one of them that was looked at last.
    below: VecDeque<Slot>,
    /// Whether another inventory is part of it.
    is_by_inventory: bool,
    origin: Origin,
    looks_left: usize,
    changed: Vec<Changed>,
    untold: VecDeque<Changed>,
}

impl Unsettled {
    /// Nothing so far: what comes waits.
    fn new(since: EngineTime) -> Self {
        Self { since, ..Self::default() }
    }

    /// The states of these may be others.
    pub(crate) fn add(&mut self, slots: impl IntoIterator<Item = Slot>, origin: Origin) {
        self.is_by_inventory |= origin.is_by_inventory;
        self.ahead.extend(slots.into_iter().map(|slot| Look { slot, origin, toggle: None }));
    }

    /// An alarm more or less was counted.
    fn add_toggle(&mut self, slot: Slot, toggle: Toggle, origin: Origin) {
        self.note_to_come(slot, toggle, true);
        self.ahead.push_back(Look { slot, origin, toggle: Some(toggle) });
    }

    fn note_to_come(&mut self, slot: Slot, toggle: Toggle, is_to_come: bool) {
        if toggle.effect == ResourceEffect::None {
            return;
        }
        let (down, degraded) = self.to_come.entry(slot).or_default();
        let count = if toggle.effect == ResourceEffect::Down { down } else { degraded };
        *count = count.saturating_add(if toggle.is_more == is_to_come { 1 } else { -1 });
        if self.to_come.get(&slot) == Some(&(0, 0)) {
            self.to_come.remove(&slot);
        }
    }

    /// What is known so far is not told yet: other needs may mean other states.
    pub(crate) fn untell(&mut self) {
        let known: Vec<Changed> = self.untold.drain(..).chain(self.changed.drain(..)).collect();
        self.changed = known;
    }

    fn is_over(&self) -> bool {
        let is_worked_out = self.ahead.is_empty() && self.below.is_empty();
        is_worked_out && self.changed.is_empty() && self.untold.is_empty()
    }

    /// Whether so much waits that messages have to help.
    fn is_behind(&self) -> bool {
        self.ahead.len() > BEHIND
    }

    /// Works states out, of one resource after the other with all that follows from it. Whether
    /// what changed can be told; else `left` is spent.
    fn work_out(&mut self, topology: &mut Topology, left: &mut usize) -> bool {
        while *left > 0 {
            let (slot, is_first) = if let Some(slot) = self.below.pop_front() {
                (slot, false)
            } else {
                let Some(look) = self.ahead.pop_front() else { return true };
                // Between two messages states are as they were then. Not so in a new inventory.
                if self.changed.len() > TOLD_EARLY && !self.is_by_inventory {
                    self.ahead.push_front(look);
                    return true;
                }
                if let Some(toggle) = look.toggle {
                    self.note_to_come(look.slot, toggle, false);
                }
                self.origin = look.origin;
                self.looks_left = topology.looks_max();
                (look.slot, true)
            };
            *left = left.saturating_sub(topology.units_of(slot));
            self.looks_left = self.looks_left.saturating_sub(1);
            if self.looks_left == 0 {
                self.below.clear();
            }
            let to_come = self.to_come.get(&slot).copied().unwrap_or_default();
            let Some((before, after)) = topology.renew_state(slot, to_come) else { continue };
            self.changed.push(Changed { slot, before, after, origin: self.origin, is_first });
            self.below.extend(topology.get(slot).into_iter().flat_map(|node| &node.dependents));
        }
        false
    }

    /// What changed is told next: in slot order, and of each resource in the order in which it
    /// changed.
    fn begin_to_tell(&mut self) {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_by_key(|changed| changed.slot);
        // What one message leads to is one change, and so is all that comes with an inventory: on
        // the way to that, a state may be what it is neither before nor after.
        let is_by_inventory = self.is_by_inventory;
        changed.dedup_by(|next, last| {
            let is_same = next.slot == last.slot && (is_by_inventory || next.origin == last.origin);
            if is_same {
                let is_first = last.is_first || next.is_first;
                *last = Changed { before: last.before, is_first, ..*next };
            }
            is_same
        });
        self.untold = changed.into();
    }
}

impl Correlator {
    /// Works out the states that follow, and notes what is to be shown, or begins to. `since` is
    /// when the message was received that led to it.
    pub(crate) fn propagate(&mut self, from: &[Slot], since: Timestamp, changes: &mut Changes) {
        let origin = self.message_origin(since);
        let is_at_rest = self.unsettled.is_none();
        let unsettled = self.hold_states();
        unsettled.add(from.iter().copied(), origin);
        if is_at_rest {
            self.settle_states(SETTLED_UNITS, changes);
        }
    }

    /// An alarm with that effect became active, or ceased to be: [`Correlator::propagate`].
    pub(crate) fn count_effect(
        &mut self,
        slot: Slot,
        toggle: Toggle,
        since: Timestamp,
        changes: &mut Changes,
    ) {
        self.topology.count_effect(slot, toggle.effect, toggle.is_more);
        let origin = self.message_origin(since);
        if let Some(unsettled) = &mut self.unsettled {
            unsettled.add_toggle(slot, toggle, origin);
        } else {
            self.propagate(&[slot], since, changes);
        }
    }

    fn message_origin(&self, since: Timestamp) -> Origin {
        Origin { at: At { engine: self.now, wall: since }, is_by_inventory: false }
    }

    /// What a message that comes meanwhile does of it.
    pub(crate) fn units_by_message(&self) -> usize {
        let is_behind = self.unsettled.as_ref().is_some_and(|unsettled| unsettled.is_behind());
        if is_behind { BEHIND_UNITS } else { SETTLED_BY_MESSAGE_UNITS }
    }

    /// From now on states stand still until [`Correlator::settle_states`].
    pub(crate) fn hold_states(&mut self) -> &mut Unsettled {
        self.unsettled.get_or_insert_with(|| Box::new(Unsettled::new(self.now)))
    }

    /// Since when states are to be worked out or told, or are held.
    #[must_use]
    pub fn unsettled_since(&self) -> Option<EngineTime> {
        self.unsettled.as_ref().map(|unsettled| unsettled.since)
    }

    /// Works out and tells the next slice, of so many looks at resources at most; gives how many
    /// they were.
    pub(crate) fn settle_states(&mut self, units: usize, changes: &mut Changes) -> usize {
        let most = self.slice(units);
        let mut left = most;
        if let Some(mut unsettled) = self.unsettled.take()
            && !self.settle(&mut unsettled, &mut left, changes)
        {
            self.unsettled = Some(unsettled);
        }
        most.saturating_sub(left)
    }

    /// Whether nothing is left; else `left` is spent.
    fn settle(
        &mut self,
        unsettled: &mut Unsettled,
        left: &mut usize,
        changes: &mut Changes,
    ) -> bool {
        loop {
            while let Some(changed) = unsettled.untold.pop_front() {
                if *left == 0 {
                    unsettled.untold.push_front(changed);
                    return false;
                }
                *left = left.saturating_sub(TOLD_UNITS);
                self.tell_state(changed, changes);
            }
            if unsettled.is_over() {
                return true;
            }
            if !unsettled.work_out(&mut self.topology, left) {
                return false;
            }
            unsettled.begin_to_tell();
        }
    }

    fn tell_state(&mut self, changed: Changed, changes: &mut Changes) {
        let slot = changed.slot;
        let kind = self.resources.get(slot).kind;
        // A part that only goes down with its device is not shown again with it.
        let has_other_needs = self.topology.get(slot).is_some_and(|node| node.needs.len() > 1);
        if kind != ResourceKind::Component || has_other_needs || changed.is_first {
            changes.resources.insert(slot);
        }
        if kind == ResourceKind::Service && changed.after != changed.before {
            self.service_changed(slot, changed.after, changed.origin, changes);
        }
    }
}

/// What one step may cost in looks at resources.
pub(crate) const SETTLED_UNITS: usize = 4_096;
/// The same for a message that comes meanwhile. It is more than messages add, most of which are
/// about few resources: else those of a storm could bring more states than pulses work out.
const SETTLED_BY_MESSAGE_UNITS: usize = 32;
/// The same when so many looks wait.
const BEHIND_UNITS: usize = 256;
const BEHIND: usize = 1_024;
/// So many changes are told although more is to be worked out.
const TOLD_EARLY: usize = 8_192;
/// Telling a state costs so many of them.
const TOLD_UNITS: usize = 2;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::correlate::topology::Group;

    /// Works everything out, in slices of that size; gives what changed, in slot order.
    pub(crate) fn settle_all(topology: &mut Topology, from: &[Slot], units: usize) -> Vec<Slot> {
        let mut unsettled = Unsettled::default();
        unsettled.add(from.iter().copied(), Origin::default());
        while !unsettled.work_out(topology, &mut units.clone()) {}
        unsettled.begin_to_tell();
        let changed = unsettled.untold.iter();
        changed.filter(|one| one.before != one.after).map(|one| one.slot).collect()
    }

    fn group(members: &[Slot], needed: u32) -> Group {
        Group { members: members.to_vec(), needed }
    }

    #[test]
    fn redundancy_decides_between_backup_and_down() {
        for units in [1, 2, 100] {
            let mut topology = Topology::default();
            topology.add_need(10, group(&[1, 2], 1));
            topology.add_need(11, group(&[10], 1));
            topology.add_need(12, group(&[11], 1));
            topology.add_need(13, group(&[3, 11], 1));
            topology.node_mut(1).down_alarms = 1;
            let changed = settle_all(&mut topology, &[1], units);
            assert_eq!(topology.state(10), NodeState::Backup);
            assert_eq!(topology.state(11), NodeState::Backup);
            assert_eq!(topology.state(12), NodeState::Backup, "up a chain of any length");
            assert_eq!(topology.state(13), NodeState::Up, "the other member has full redundancy");
            assert_eq!(changed, [1, 10, 11, 12]);
            topology.node_mut(2).down_alarms = 1;
            settle_all(&mut topology, &[2], units);
            assert_eq!(topology.state(11), NodeState::Down);
            topology.node_mut(1).down_alarms = 0;
            settle_all(&mut topology, &[1], units);
            assert_eq!(
                (topology.state(10), topology.state(11)),
                (NodeState::Backup, NodeState::Backup)
            );
            topology.node_mut(2).down_alarms = 0;
            settle_all(&mut topology, &[2], units);
            assert_eq!((topology.state(10), topology.state(12)), (NodeState::Up, NodeState::Up));
        }
    }

    #[test]
    fn degraded_members_degrade_what_cannot_do_without_them() {
        let mut topology = Topology::default();
        topology.add_need(10, group(&[1, 2], 1));
        topology.node_mut(1).degraded_alarms = 1;
        settle_all(&mut topology, &[1], 1);
        assert_eq!(topology.state(10), NodeState::Up);
        topology.node_mut(2).down_alarms = 1;
        settle_all(&mut topology, &[2], 1);
        assert_eq!(topology.state(10), NodeState::Degraded);
    }

    #[test]
    fn a_cycle_ends() {
        let mut topology = Topology::default();
        topology.add_need(1, group(&[2], 1));
        topology.add_need(2, group(&[1], 1));
        topology.node_mut(1).down_alarms = 1;
        settle_all(&mut topology, &[1], 1);
        assert_eq!(topology.state(2), NodeState::Down);
    }
}
