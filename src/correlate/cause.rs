//! What explains an alarm: the search upward through what its resource needs and through its link,
//! as far as that is down, for the topmost resource that is itself at fault.

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::correlator::Correlator;
use crate::correlate::reason::Why;
use crate::correlate::resource::Slot;
use crate::correlate::topology::{Node, NodeState};
use crate::model::alarm_type::ResourceEffect;
use crate::model::limits::DEPENDENCY_DEPTH_MAX;
use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};

/// What explains an alarm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    /// Topmost resource at fault.
    pub root: Slot,
    /// Its oldest alarm that means down; none when it is held to be silent.
    pub alarm: Option<AlarmSlot>,
    /// Why the alarm belongs to it.
    pub why: Why,
}

/// How the search left the resource where it began.
#[derive(Clone, Copy)]
enum FirstStep {
    Needs,
    OtherEnd(Slot),
}

struct Visit {
    slot: Slot,
    depth: usize,
    first: FirstStep,
}

impl Visit {
    /// What explains best: the topmost, then what is needed before what is at the other end of a
    /// link, then what the inventory named first. Nothing of it depends on what was heard first.
    fn rank(&self) -> (usize, bool, Reverse<Slot>) {
        (self.depth, matches!(self.first, FirstStep::Needs), Reverse(self.slot))
    }
}

impl Correlator {
    /// What explains the alarm, if anything else does.
    pub(crate) fn cause_of(&self, alarm: AlarmSlot) -> Option<Cause> {
        let subject = self.alarms.get(alarm)?;
        let start = subject.resource;
        let mut seen = BTreeSet::from([start]);
        let mut queue = VecDeque::new();
        self.push_upstream(start, start, (0, None), &mut queue);
        if let Some(device) = self.neighbour_of(subject) {
            self.push_neighbour(start, device, &mut queue);
        }
        let mut best: Option<Visit> = None;
        while let Some(visit) = queue.pop_front() {
            if visit.depth > DEPENDENCY_DEPTH_MAX || !seen.insert(visit.slot) {
                continue;
            }
            let first = visit.first;
            self.push_upstream(visit.slot, start, (visit.depth, Some(first)), &mut queue);
            let is_at_fault = self.topology.get(visit.slot).is_some_and(Node::has_own_fault);
            if is_at_fault && best.as_ref().is_none_or(|known| visit.rank() > known.rank()) {
                best = Some(visit);
            }
        }
        match best {
            Some(visit) => Some(self.cause_from(start, &visit)),
            None => self.same_resource(start, alarm),
        }
    }

    fn cause_from(&self, start: Slot, visit: &Visit) -> Cause {
        let resource = self.resources.get(start).name();
        let why = match visit.first {
            FirstStep::Needs => {
                Why::NeedsFailed { resource, upstream: self.resources.get(visit.slot).name() }
            }
            FirstStep::OtherEnd(peer) => {
                Why::OtherEnd { resource, peer: self.resources.get(peer).name() }
            }
        };
        Cause { root: visit.slot, alarm: self.oldest_down_alarm(visit.slot, None), why }
    }

    /// Another, older alarm on the same resource that means down or degraded: a UPS that runs on
    /// battery, then low, then dark is one fault.
    fn same_resource(&self, start: Slot, alarm: AlarmSlot) -> Option<Cause> {
        let is_affected = |effect| effect != ResourceEffect::None;
        let other = self.oldest_alarm(start, Some(alarm), is_affected)?;
        let why = Why::SameResource { resource: self.resources.get(start).name() };
        Some(Cause { root: start, alarm: Some(other), why })
    }

    fn push_upstream(
        &self,
        slot: Slot,
        start: Slot,
        (depth, first): (usize, Option<FirstStep>),
        queue: &mut VecDeque<Visit>,
    ) {
        let Some(node) = self.topology.get(slot) else { return };
        let depth = depth.saturating_add(1);
        let start_device = self.resources.get(start).parent;
        for group in &node.needs {
            // A group that failed with the resource we ask about is its consequence, not its cause.
            let is_consequence = slot != start
                && group.members.iter().any(|member| *member == start || *member == start_device);
            if is_consequence || self.topology.group_state(group) != NodeState::Down {
                continue;
            }
            for member in &group.members {
                if self.topology.state(*member) == NodeState::Down {
                    let first = first.unwrap_or(FirstStep::Needs);
                    queue.push_back(Visit { slot: *member, depth, first });
                }
            }
        }
        if let Some(peer) = node.peer
            && self.topology.state(peer) == NodeState::Down
        {
            let first = first.unwrap_or(FirstStep::OtherEnd(peer));
            queue.push_back(Visit { slot: peer, depth, first });
        }
    }

    /// A session with a neighbour is explained by the neighbour's end and by the links to it.
    fn push_neighbour(&self, start: Slot, device: Slot, queue: &mut VecDeque<Visit>) {
        let here = self.resources.get(start).parent;
        if device == here {
            return;
        }
        if self.topology.state(device) == NodeState::Down {
            queue.push_back(Visit { slot: device, depth: 2, first: FirstStep::OtherEnd(device) });
        }
        let Some(node) = self.topology.get(here) else { return };
        for part in &node.dependents {
            let leads_there = self
                .topology
                .get(*part)
                .and_then(|node| node.peer)
                .is_some_and(|peer| self.resources.get(peer).parent == device);
            if leads_there && self.topology.state(*part) == NodeState::Down {
                queue.push_back(Visit { slot: *part, depth: 1, first: FirstStep::Needs });
            }
        }
    }

    /// The oldest active alarm of a resource that means down, other than `except`.
    pub(crate) fn oldest_down_alarm(
        &self,
        slot: Slot,
        except: Option<AlarmSlot>,
    ) -> Option<AlarmSlot> {
        self.oldest_alarm(slot, except, |effect| effect == ResourceEffect::Down)
    }

    /// The oldest active alarm of a resource with such an effect, other than `except`.
    fn oldest_alarm(
        &self,
        slot: Slot,
        except: Option<AlarmSlot>,
        counts: impl Fn(ResourceEffect) -> bool,
    ) -> Option<AlarmSlot> {
        self.resources
            .get(slot)
            .active
            .iter()
            .copied()
            .filter(|active| Some(*active) != except)
            .filter(|active| {
                self.alarms
                    .get(*active)
                    .is_some_and(|alarm| counts(self.types.get(alarm.alarm_type).effect))
            })
            .min_by_key(|active| {
                self.alarms.get(*active).map(|alarm| (alarm.active_since.engine, alarm.id))
            })
    }
}
