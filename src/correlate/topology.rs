//! What needs what, and the state of each resource that follows from the alarms.
//!
//! A resource is *down* when an alarm says so, when it is held to be silent, or when a group that
//! it needs has too few members left. It is *degraded* when an alarm says so or when it can only
//! work with degraded members, and *on backup* when a redundant group has lost a member and still
//! has enough, or when it can only work with members that are on backup themselves: whoever stands
//! on a chain of needs has the redundancy of its weakest link.

use crate::correlate::resource::Slot;
use crate::model::alarm_type::ResourceEffect;
use crate::model::paged::Paged;
use serde::{Deserialize, Serialize};

/// State of a resource, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum NodeState {
    /// Works.
    #[default]
    Up,
    /// Works, with less redundancy than it should have.
    Backup,
    /// Works below what is expected.
    Degraded,
    /// Does not work.
    Down,
}

impl NodeState {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Backup => "backup",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// Some resources of which a number must work.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Members.
    pub members: Vec<Slot>,
    /// How many must work.
    pub needed: u32,
}

/// One resource in the graph.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Node {
    /// Groups that it needs.
    pub needs: Vec<Group>,
    /// Resources that need it.
    pub dependents: Vec<Slot>,
    /// Resource at the other end of its link.
    pub peer: Option<Slot>,
    /// Active alarms that mean down.
    pub down_alarms: u32,
    /// Active alarms that mean degraded.
    pub degraded_alarms: u32,
    /// Every link to it is reported down by the other ends, and it says nothing.
    is_silent: bool,
    /// What follows from all of this.
    pub state: NodeState,
}

impl Node {
    /// Whether it is itself held to be at fault, not only by what it needs.
    #[must_use]
    pub fn has_own_fault(&self) -> bool {
        self.down_alarms > 0 || self.is_silent
    }
}

/// The graph, by resource slot. A resource without entry needs only its device.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Topology {
    nodes: Paged<Node>,
    /// Nodes held to be silent: nearly always none, and then nobody looks for them.
    silent: u32,
}

impl Topology {
    /// The node of a resource.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Node> {
        self.nodes.get(place(slot))
    }

    /// Whether a device is held to be silent.
    #[must_use]
    pub fn is_silent(&self, slot: Slot) -> bool {
        self.silent > 0 && self.get(slot).is_some_and(|node| node.is_silent)
    }

    /// Holds a device to be silent, or no more.
    pub fn set_silent(&mut self, slot: Slot, is_silent: bool) {
        let was_silent = std::mem::replace(&mut self.node_mut(slot).is_silent, is_silent);
        match (was_silent, is_silent) {
            (false, true) => self.silent = self.silent.saturating_add(1),
            (true, false) => self.silent = self.silent.saturating_sub(1),
            _ => {}
        }
    }

    /// State of a resource.
    #[must_use]
    pub fn state(&self, slot: Slot) -> NodeState {
        self.get(slot).map_or(NodeState::Up, |node| node.state)
    }

    /// The node of a resource, to be changed; made when it is new.
    pub fn node_mut(&mut self, slot: Slot) -> &mut Node {
        while self.nodes.len() <= place(slot) {
            self.nodes.push(Node::default());
        }
        self.nodes.get_mut(place(slot)).expect("the table was just made long enough")
    }

    /// Adds a need, and the way back from each member; gives the units of work.
    pub fn add_need(&mut self, slot: Slot, group: Group) -> usize {
        let mut units = 0_usize;
        for member in &group.members {
            let dependents = &mut self.node_mut(*member).dependents;
            if let Err(place) = dependents.binary_search(&slot) {
                units = units.saturating_add(units_to_move(dependents.len(), place));
                dependents.insert(place, slot);
            }
        }
        // Most have one or two: room for more would be most of what a big inventory takes.
        let needs = &mut self.node_mut(slot).needs;
        needs.reserve_exact(1);
        needs.push(group);
        units
    }

    /// Makes these the needs of a resource; gives the units of work, nothing if they were its needs
    /// already.
    pub fn set_needs(&mut self, slot: Slot, groups: Vec<Group>) -> Option<usize> {
        if self.get(slot).map_or(&[][..], |node| &node.needs) == groups {
            return None;
        }
        let mut units = self.detach(slot);
        for group in groups {
            units = units.saturating_add(self.add_need(slot, group));
        }
        Some(units)
    }

    /// Notes what is at the other end of a resource's link, if it is one.
    pub fn link(&mut self, slot: Slot, peer: Option<Slot>) {
        if self.get(slot).and_then(|node| node.peer) != peer {
            self.node_mut(slot).peer = peer;
        }
    }

    /// The resource needs nothing any more; gives the units of work.
    pub fn detach(&mut self, slot: Slot) -> usize {
        let mut units = 0_usize;
        for group in std::mem::take(&mut self.node_mut(slot).needs) {
            for member in group.members {
                let dependents = &mut self.node_mut(member).dependents;
                if let Ok(place) = dependents.binary_search(&slot) {
                    units = units.saturating_add(units_to_move(dependents.len(), place));
                    dependents.remove(place);
                }
            }
        }
        units
    }

    /// Counts one active alarm on a resource by its effect, or takes it off.
    pub fn count_effect(&mut self, slot: Slot, effect: ResourceEffect, is_more: bool) {
        let node = self.node_mut(slot);
        let count = match effect {
            ResourceEffect::Down => &mut node.down_alarms,
            ResourceEffect::Degraded => &mut node.degraded_alarms,
            ResourceEffect::None => return,
        };
        *count = if is_more { count.saturating_add(1) } else { count.saturating_sub(1) };
    }

    /// More looks than it can take until every state that follows from one change is known: each
    /// resource moves at most through its four states and back, even around a cycle.
    #[must_use]
    pub fn looks_max(&self) -> usize {
        self.nodes.len().saturating_mul(8).saturating_add(64)
    }

    /// Works out the state of one resource; gives the state before and after when it is another one
    /// now. `to_come` are alarms that mean down, and degraded, which count only later.
    pub fn renew_state(
        &mut self,
        slot: Slot,
        to_come: (i32, i32),
    ) -> Option<(NodeState, NodeState)> {
        let after = self.state_of(slot, None, to_come);
        let node = self.node_mut(slot);
        let before = std::mem::replace(&mut node.state, after);
        (before != after).then_some((before, after))
    }

    /// What it costs to work out a state, about in looks at resources.
    #[must_use]
    pub fn units_of(&self, slot: Slot) -> usize {
        let Some(node) = self.get(slot) else { return 1 };
        let members = node.needs.iter().map(|group| group.members.len());
        let members = members.fold(0, usize::saturating_add);
        (members / MEMBERS_PER_UNIT)
            .saturating_add(node.dependents.len() / DEPENDENTS_PER_UNIT)
            .saturating_add(1)
    }

    /// The state of a resource by its own alarms and by what it needs beside `device`.
    #[must_use]
    pub fn state_without(&self, slot: Slot, device: Option<Slot>) -> NodeState {
        self.state_of(slot, device, (0, 0))
    }

    fn state_of(&self, slot: Slot, device: Option<Slot>, to_come: (i32, i32)) -> NodeState {
        let Some(node) = self.get(slot) else { return NodeState::Up };
        let count = |counted: u32, to_come: i32| i64::from(counted) - i64::from(to_come);
        if node.is_silent || count(node.down_alarms, to_come.0) > 0 {
            return NodeState::Down;
        }
        let is_degraded = count(node.degraded_alarms, to_come.1) > 0;
        let mut worst = if is_degraded { NodeState::Degraded } else { NodeState::Up };
        let is_device = |group: &Group| device.is_some_and(|device| group.members == [device]);
        for group in node.needs.iter().filter(|group| !is_device(group)) {
            worst = worst.max(self.group_state(group));
        }
        worst
    }

    /// What a group leaves to those that need it.
    #[must_use]
    pub fn group_state(&self, group: &Group) -> NodeState {
        let at_worst = |worst: NodeState| {
            let count = group.members.iter().filter(|member| self.state(**member) <= worst).count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let size = u32::try_from(group.members.len()).unwrap_or(u32::MAX);
        if at_worst(NodeState::Degraded) < group.needed {
            NodeState::Down
        } else if at_worst(NodeState::Backup) < group.needed {
            NodeState::Degraded
        } else if at_worst(NodeState::Up) < group.needed || at_worst(NodeState::Degraded) < size {
            NodeState::Backup
        } else {
            NodeState::Up
        }
    }
}

fn place(slot: Slot) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

/// What it costs to put one of very many dependents in at that place, or to take it out.
const fn units_to_move(dependents: usize, place: usize) -> usize {
    dependents.saturating_sub(place) / MOVED_PER_UNIT
}

/// Dependents that move up or down for one unit.
const MOVED_PER_UNIT: usize = 4_096;
/// Members of groups that are looked at for one unit.
const MEMBERS_PER_UNIT: usize = 8;
/// Dependents that are noted for one unit.
const DEPENDENTS_PER_UNIT: usize = 256;
