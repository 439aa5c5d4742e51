//! Alarms, resources and tickets that wait to be shown: a fault may change a hundred thousand, and
//! the step that brings it must not last until all of them are told. They are shown as they are
//! then.

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::resource::Slot;
use crate::model::time::EngineTime;
use crate::ticket::event::{TicketChanges, TicketEvent};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// Things of which a change was not shown yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Unshown {
    alarms: BTreeSet<AlarmSlot>,
    resources: BTreeSet<Slot>,
    /// What happened to which ticket, in order.
    tickets: VecDeque<(u64, TicketEvent)>,
    since: EngineTime,
    /// The ticket that an operator is answered about in this step.
    #[serde(skip)]
    first: Option<u64>,
}

/// What a step changed, or what it shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Portion {
    /// Alarms.
    pub(super) alarms: BTreeSet<AlarmSlot>,
    /// Resources.
    pub(super) resources: BTreeSet<Slot>,
    /// What happened to which ticket, in order.
    pub(super) tickets: TicketChanges,
}

impl Unshown {
    /// Takes what a step changed and gives what it shows.
    pub(super) fn exchange(&mut self, now: EngineTime, changed: Portion) -> Portion {
        if self.waits_since().is_none() {
            self.since = now;
        }
        Portion {
            alarms: exchange(&mut self.alarms, changed.alarms),
            resources: exchange(&mut self.resources, changed.resources),
            tickets: self.exchange_tickets(changed.tickets),
        }
    }

    /// Whatever waits, what happened to that ticket is shown by this step: who is answered about a
    /// ticket finds it so.
    pub(super) fn show_first(&mut self, ticket: u64) {
        self.first = Some(ticket);
    }

    fn exchange_tickets(&mut self, changed: TicketChanges) -> TicketChanges {
        let first = self.first.take();
        if self.tickets.is_empty() && changed.len() <= TICKETS_SHOWN_MAX {
            return changed;
        }
        self.tickets.extend(changed);
        let mut shown = TicketChanges::new();
        if let Some(first) = first {
            shown.extend(self.tickets.iter().filter(|(key, _)| *key == first));
            self.tickets.retain(|(key, _)| *key != first);
        }
        let more = TICKETS_SHOWN_MAX.saturating_sub(shown.len()).min(self.tickets.len());
        shown.extend(self.tickets.drain(..more));
        shown
    }

    /// Since when something waits.
    pub(super) fn waits_since(&self) -> Option<EngineTime> {
        let is_empty =
            self.alarms.is_empty() && self.resources.is_empty() && self.tickets.is_empty();
        (!is_empty).then_some(self.since)
    }
}

fn exchange(waiting: &mut BTreeSet<u32>, changed: BTreeSet<u32>) -> BTreeSet<u32> {
    if waiting.is_empty() && changed.len() <= SHOWN_MAX {
        return changed;
    }
    if waiting.is_empty() {
        *waiting = changed;
    } else {
        waiting.extend(changed);
    }
    let next = waiting.iter().nth(SHOWN_MAX).copied();
    let later = next.map(|next| waiting.split_off(&next)).unwrap_or_default();
    std::mem::replace(waiting, later)
}

/// Alarms, and resources, shown by one step.
const SHOWN_MAX: usize = 256;
/// Tickets shown by one step: they are larger, and each is journaled.
const TICKETS_SHOWN_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_shown_once_and_in_pieces() {
        let mut unshown = Unshown::default();
        let few = BTreeSet::from([3, 1]);
        let opened = vec![(7, TicketEvent::Opened)];
        let little = Portion { alarms: few.clone(), resources: few, tickets: opened };
        assert_eq!(unshown.exchange(EngineTime(1), little.clone()), little);
        assert_eq!(unshown.waits_since(), None);
        let many: BTreeSet<u32> = (0..600).collect();
        let tickets: TicketChanges = (0..150).map(|key| (key, TicketEvent::Opened)).collect();
        let mut changed = Portion { alarms: many.clone(), resources: many, tickets };
        let mut shown = Portion::default();
        for now in 5.. {
            let some = unshown.exchange(EngineTime(now), changed);
            assert!(some.alarms.len() <= SHOWN_MAX && some.resources.len() <= SHOWN_MAX);
            assert!(some.tickets.len() <= TICKETS_SHOWN_MAX);
            shown.alarms.extend(some.alarms);
            shown.resources.extend(some.resources);
            shown.tickets.extend(some.tickets);
            let Some(since) = unshown.waits_since() else { break };
            assert_eq!(since, EngineTime(5));
            let tickets = if now == 5 { vec![(2, TicketEvent::Restored)] } else { Vec::new() };
            changed = Portion { resources: BTreeSet::from([599]), tickets, ..Portion::default() };
        }
        let all: BTreeSet<u32> = (0..600).collect();
        assert_eq!((&shown.alarms, &shown.resources), (&all, &all));
        let opened = (0..150).map(|key| (key, TicketEvent::Opened));
        let in_order: TicketChanges = opened.chain([(2, TicketEvent::Restored)]).collect();
        assert_eq!(shown.tickets, in_order);
    }

    #[test]
    fn the_ticket_that_an_operator_is_answered_about_does_not_wait() {
        let mut unshown = Unshown::default();
        let tickets: TicketChanges = (0..300).map(|key| (key, TicketEvent::Opened)).collect();
        unshown.exchange(EngineTime(1), Portion { tickets, ..Portion::default() });
        unshown.show_first(299);
        let tickets = vec![(299, TicketEvent::Confirmed)];
        let shown = unshown.exchange(EngineTime(2), Portion { tickets, ..Portion::default() });
        let mut in_order = vec![(299, TicketEvent::Opened), (299, TicketEvent::Confirmed)];
        in_order.extend((64..126).map(|key| (key, TicketEvent::Opened)));
        assert_eq!(shown.tickets, in_order);
    }
}
