//! How far a fault reaches: the search for what it explains, below it, a piece at a time. A fault
//! below which ten thousand devices alarmed before it was heard must not stop the engine while all
//! of them come into its incident.
//!
//! In: a resource at fault. Out: incidents that merge. Small searches end in the step that began
//! them. What a large one has not reached yet still finds its cause upward, at the end of its own
//! hold-off, before a ticket opens.

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::reach::from_slot;
use crate::correlate::resource::{ResourceKind, Slot};
use crate::correlate::topology::NodeState;
use crate::model::limits::DEPENDENCY_DEPTH_MAX;
use crate::model::time::{At, EngineTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// Searches that are not at their end, in the order in which they began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Spread {
    searches: VecDeque<Search>,
}

/// One search, breadth first, in the order of the inventory.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Search {
    began: EngineTime,
    /// Alarm whose incident takes in what is found.
    fault: AlarmSlot,
    seen: BTreeSet<Slot>,
    ahead: VecDeque<Ahead>,
    /// Alarms of the resource looked at last, the next one last.
    alarms: Vec<AlarmSlot>,
}

/// A resource that was reached, how far down it is, and the resource before which all that need it
/// were looked at.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Ahead {
    slot: Slot,
    depth: usize,
    from: Slot,
}

impl Ahead {
    const fn new(slot: Slot, depth: usize) -> Self {
        Self { slot, depth, from: 0 }
    }
}

impl Spread {
    /// Since when a search waits to be taken further.
    #[must_use]
    pub fn waits_since(&self) -> Option<EngineTime> {
        self.searches.front().map(|search| search.began)
    }
}

impl Correlator {
    /// Looks for what a fault of this resource explains: on itself, on what needs it, at the other
    /// ends of its links, and of sessions with it.
    pub(crate) fn spread_from(
        &mut self,
        at: At,
        (from, fault): (Slot, AlarmSlot),
        changes: &mut Changes,
    ) {
        self.spread.searches.push_back(Search {
            began: at.engine,
            fault,
            seen: BTreeSet::from([from]),
            ahead: VecDeque::from([Ahead::new(from, 0)]),
            alarms: Vec::new(),
        });
        // It goes by the states below; while they are worked out it waits.
        if self.unsettled.is_none() {
            self.spread_further(at, changes);
        }
    }

    /// Takes the oldest search further, so far as one step may go.
    pub(crate) fn spread_further(&mut self, at: At, changes: &mut Changes) {
        let mut left = SPREAD_UNITS;
        while let Some(mut search) = self.spread.searches.pop_front() {
            let is_over = self.search(at, &mut search, &mut left, changes);
            if !is_over {
                self.spread.searches.push_front(search);
                return;
            }
        }
    }

    /// Whether the search is at its end; else what a step may cost is spent.
    fn search(
        &mut self,
        at: At,
        search: &mut Search,
        left: &mut usize,
        changes: &mut Changes,
    ) -> bool {
        loop {
            while let Some(alarm) = search.alarms.pop() {
                if *left == 0 {
                    search.alarms.push(alarm);
                    return false;
                }
                let own = self.own_live_incident(search.fault);
                let is_elsewhere = self.own_live_incident(alarm) != own;
                let has_merged = is_elsewhere && self.join_cause(at, alarm, changes);
                *left = left.saturating_sub(if has_merged { MERGE_UNITS } else { 1 });
            }
            let Some(next) = search.ahead.pop_front() else { return true };
            if *left == 0 {
                search.ahead.push_front(next);
                return false;
            }
            if next.from == 0 {
                let told = self.by_neighbour.get(&next.slot).into_iter().flatten().copied();
                let active = &self.resources.get(next.slot).active;
                search.alarms.extend(active.iter().copied().chain(told));
                search.alarms.reverse();
            }
            if next.depth < DEPENDENCY_DEPTH_MAX {
                *left = left.saturating_sub(self.look_below(next, search));
            }
        }
    }

    /// Notes some of the resources next to this one that are down with it, and where to go on;
    /// gives what that cost.
    fn look_below(&self, at: Ahead, search: &mut Search) -> usize {
        let Some(node) = self.topology.get(at.slot) else { return 1 };
        let rest = from_slot(&node.dependents, at.from);
        let next = rest.get(NEIGHBOURS_AT_ONCE).copied();
        let some = rest.iter().take(NEIGHBOURS_AT_ONCE).copied();
        for slot in some.chain(node.peer.filter(|_| next.is_none())) {
            let counts = self.topology.state(slot) == NodeState::Down
                && self.resources.get(slot).kind != ResourceKind::Service;
            if counts && search.seen.insert(slot) {
                search.ahead.push_back(Ahead::new(slot, at.depth.saturating_add(1)));
            }
        }
        if let Some(from) = next {
            search.ahead.push_front(Ahead { from, ..at });
        }
        (rest.len().min(NEIGHBOURS_AT_ONCE) / NEIGHBOURS_PER_UNIT).saturating_add(1)
    }
}

/// What one step may cost in looks at alarms.
const SPREAD_UNITS: usize = 512;
/// A merge costs so many of them.
const MERGE_UNITS: usize = 16;
/// And so many resources next to one as much as an alarm.
const NEIGHBOURS_PER_UNIT: usize = 16;
/// Resources next to one that are looked at together.
const NEIGHBOURS_AT_ONCE: usize = 1_024;
