//! How far what is at fault reaches among the resources that do not work as they should: downward
//! to the services, and upward from one of them.

use crate::correlate::correlator::Correlator;
use crate::correlate::resource::{ResourceKind, Slot};
use crate::correlate::slot_set::SlotSet;
use crate::correlate::topology::{NodeState, Topology};
use std::collections::BTreeSet;

impl Correlator {
    /// Services below these resources that are not up, by slot, each with the place of the first of
    /// `from` that reaches it.
    pub(crate) fn services_below(&self, from: &[Slot]) -> Vec<(Slot, usize)> {
        let is_service = |slot| self.resources.get(slot).kind == ResourceKind::Service;
        self.topology.reached_from(from, is_service)
    }
}

impl Topology {
    /// Resources that count and that one of `from` reaches, by slot, each with the place of the
    /// first that does. The way goes down through what is not up.
    fn reached_from(&self, from: &[Slot], counts: impl Fn(Slot) -> bool) -> Vec<(Slot, usize)> {
        let mut reached = Vec::new();
        let mut seen = SlotSet::default();
        let mut ahead = Vec::new();
        for (place, start) in from.iter().enumerate() {
            if seen.contains(*start) {
                continue;
            }
            seen.insert(*start);
            ahead.push(*start);
            while let Some(slot) = ahead.pop() {
                if counts(slot) {
                    reached.push((slot, place));
                }
                let Some(node) = self.get(slot) else { continue };
                for next in &node.dependents {
                    if self.state(*next) != NodeState::Up && !seen.contains(*next) {
                        seen.insert(*next);
                        ahead.push(*next);
                    }
                }
            }
        }
        reached.sort_unstable();
        reached
    }

    /// The least of the places that `place_of` gives to the resources which reach this one, itself
    /// included: the same ways as downward, walked up.
    pub(crate) fn first_above(
        &self,
        slot: Slot,
        place_of: impl Fn(Slot) -> Option<usize>,
    ) -> Option<usize> {
        let mut seen = BTreeSet::from([slot]);
        let mut ahead = vec![slot];
        let mut first: Option<usize> = None;
        while let Some(slot) = ahead.pop() {
            let place = place_of(slot);
            first = first.into_iter().chain(place).min();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::topology::Group;
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
                topology.propagate(&[slot]);
            }
            topology
        })
    }

    proptest! {
        #[test]
        fn the_way_up_leads_to_what_reaches_down(
            topology in graph(),
            from in proptest::collection::vec(0_u32..24, 1..6),
        ) {
            let reached = topology.reached_from(&from, |_| true);
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
}
