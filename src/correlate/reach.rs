//! How far what is at fault reaches among the resources that do not work as they should: downward
//! to the services, a slice at a time, and upward from one of them.

use crate::correlate::resource::Slot;
use crate::correlate::slot_set::SlotSet;
use crate::correlate::topology::{NodeState, Topology};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A walk downward through what is not up. It can be taken up again, as long as states stand still.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Descent {
    seen: SlotSet,
    /// Resources to go on from, each with the dependents before which all were looked at.
    ahead: Vec<(Slot, Option<Slot>)>,
}

impl Descent {
    /// Whether everything below is reached.
    pub(crate) fn is_over(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Goes down from here as well, unless it was here.
    pub(crate) fn begin_at(&mut self, slot: Slot) {
        if !self.seen.contains(slot) {
            self.seen.insert(slot);
            self.ahead.push((slot, None));
        }
    }

    /// The next resource that it reaches, each once; none when it is over or `left` is spent.
    pub(crate) fn next(&mut self, topology: &Topology, left: &mut usize) -> Option<Slot> {
        while *left > 0 {
            *left = left.saturating_sub(1);
            let (slot, from) = self.ahead.pop()?;
            let Some(from) = from else {
                self.ahead.push((slot, Some(0)));
                return Some(slot);
            };
            let dependents = topology.get(slot).map_or(&[][..], |node| &node.dependents);
            let rest = from_slot(dependents, from);
            if let Some(next) = rest.get(DEPENDENTS_PER_UNIT) {
                self.ahead.push((slot, Some(*next)));
            }
            for next in rest.iter().take(DEPENDENTS_PER_UNIT) {
                if topology.state(*next) != NodeState::Up {
                    self.begin_at(*next);
                }
            }
        }
        None
    }
}

/// Of resources in slot order, those from that one on.
pub(crate) fn from_slot(slots: &[Slot], from: Slot) -> &[Slot] {
    slots.get(slots.partition_point(|slot| *slot < from)..).unwrap_or_default()
}

impl Topology {
    /// The first of what `rank_of` gives to the resources which reach this one, itself included:
    /// the same ways as downward, walked up.
    pub(crate) fn first_above<R: Ord>(
        &self,
        slot: Slot,
        rank_of: impl Fn(Slot) -> Option<R>,
    ) -> Option<R> {
        let mut seen = BTreeSet::from([slot]);
        let mut ahead = vec![slot];
        let mut first: Option<R> = None;
        while let Some(slot) = ahead.pop() {
            first = first.into_iter().chain(rank_of(slot)).min();
            // What is up is at most where a way begins.
            let Some(node) = self.get(slot).filter(|node| node.state != NodeState::Up) else {
                continue;
            };
            for member in node.needs.iter().flat_map(|group| &group.members) {
                if seen.insert(*member) {
                    ahead.push(*member);
                }
            }
        }
        first
    }
}

/// Dependents that are looked at for one unit.
const DEPENDENTS_PER_UNIT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::topology::Group;
    use crate::correlate::unsettled::tests::settle_all;
    use proptest::prelude::*;

    /// Resources, each of which may need some of those before it, and some of which are down.
    fn graph() -> impl Strategy<Value = Topology> {
        let need = (proptest::collection::vec(any::<prop::sample::Index>(), 1..3), 1_u32..3);
        let node = (proptest::collection::vec(need, 0..3), proptest::bool::weighted(0.3));
        proptest::collection::vec(node, 2..24).prop_map(|nodes| {
            let mut topology = Topology::default();
            for (slot, (needs, is_down)) in (0_u32..).zip(nodes) {
                topology.node_mut(slot).down_alarms = u32::from(is_down);
                for (members, needed) in needs {
                    let before = usize::try_from(slot).expect("small");
                    let members: BTreeSet<Slot> = members
                        .iter()
                        .filter(|_| before > 0)
                        .map(|index| u32::try_from(index.index(before)).expect("small"))
                        .collect();
                    let members: Vec<Slot> = members.into_iter().collect();
                    if !members.is_empty() {
                        topology.add_need(slot, Group { members, needed });
                    }
                }
                settle_all(&mut topology, &[slot], 100);
            }
            topology
        })
    }

    /// Everything that is reached, each with the place of the first of `from` that does.
    fn reached_from(topology: &Topology, from: &[Slot], units: usize) -> Vec<(Slot, usize)> {
        let mut descent = Descent::default();
        let mut reached = Vec::new();
        for (place, start) in from.iter().enumerate() {
            descent.begin_at(*start);
            while !descent.is_over() {
                let mut left = units;
                while let Some(slot) = descent.next(topology, &mut left) {
                    reached.push((slot, place));
                }
            }
        }
        reached.sort_unstable();
        reached
    }

    proptest! {
        #[test]
        fn the_way_up_leads_to_what_reaches_down(
            topology in graph(),
            from in proptest::collection::vec(0_u32..24, 1..6),
        ) {
            let reached = reached_from(&topology, &from, 1_000);
            prop_assert_eq!(&reached, &reached_from(&topology, &from, 1), "slice by slice");
            for slot in 0..24 {
                if topology.state(slot) == NodeState::Up {
                    continue;
                }
                let place_of = |slot| from.iter().position(|start| *start == slot);
                let down = reached.iter().find(|(known, _)| *known == slot);
                prop_assert_eq!(
                    topology.first_above(slot, place_of),
                    down.map(|(_, place)| *place)
                );
            }
        }
    }

    #[test]
    fn what_very_many_need_is_left_and_come_back_to() {
        let mut topology = Topology::default();
        for slot in 1..=1_000 {
            topology.add_need(slot, Group { members: vec![0], needed: 1 });
        }
        topology.node_mut(0).down_alarms = 1;
        settle_all(&mut topology, &[0], 100);
        let reached = reached_from(&topology, &[0], 3);
        let all: Vec<(Slot, usize)> = (0..=1_000).map(|slot| (slot, 0)).collect();
        assert_eq!(reached, all, "each once");
    }
}
