//! What follows from what a step changed: tickets decided, services back or failed again,
//! incidents closed. Runs to a fixed point that is reached in a few rounds.

use crate::correlate::changes::IncidentEvent;
use crate::correlate::incident::Status;
use crate::correlate::reason::Why;
use crate::engine::Engine;
use crate::model::time::At;
use crate::ticket::event::TicketEvent;
use crate::ticket::policy::{IncidentFacts, NoTicket};
use std::collections::BTreeSet;

impl Engine {
    /// Draws the consequences of what changed so far. What is to be shown stays noted.
    pub(crate) fn settle(&mut self, at: At) {
        let merged = std::mem::take(&mut self.changes.merged);
        if !merged.is_empty() {
            self.desk.merge(at, &merged);
            self.move_tickets(at);
        }
        let survivors: BTreeSet<u64> = merged.into_iter().map(|(_, survivor)| survivor).collect();
        for survivor in survivors {
            if let Some(incident) = self.correlator.incidents.get(&survivor) {
                let root = self.correlator.resources.get(incident.root).name();
                self.desk.set_root(survivor, root);
            }
            self.name_tickets(survivor);
        }
        self.decide_due(at);
        self.note_tickets_to_follow(at);
        self.follow_tickets(at);
        self.close_what_is_done(at);
    }

    /// Takes the tickets of incidents that were taken over further to the survivors.
    pub(super) fn move_tickets(&mut self, at: At) {
        let before = self.ticket_changes.len();
        let most = self.correlator.slice(MOVED_MAX);
        let came = self.desk.move_further(at, most, &mut self.ticket_changes);
        self.follow_changed(at, before);
        for (survivor, key) in &came {
            // What has failed anew with the survivor has failed for them as well.
            let incident = self.correlator.incidents.get(survivor);
            let failed_at = incident.map(|incident| incident.last_raise_at.wall);
            self.following.add(at, *key, failed_at);
        }
        let survivors: BTreeSet<u64> = came.into_iter().map(|(survivor, _)| survivor).collect();
        for survivor in survivors {
            self.name_tickets(survivor);
        }
    }

    pub(super) fn decide_tickets(&mut self, at: At, id: u64, facts: IncidentFacts) {
        let before = self.ticket_changes.len();
        let decided = self.desk.decide(at, facts, &self.clock_quality, &mut self.ticket_changes);
        self.decided(at, (id, decided), before);
        // It may have been shown as open a few steps ago, without its tickets.
        self.changes.incident(id, IncidentEvent::Updated);
    }

    /// Opens more of the tickets that were decided.
    pub(crate) fn open_further(&mut self, at: At) {
        let before = self.ticket_changes.len();
        let changes = &mut self.ticket_changes;
        if let Some(decided) = self.desk.open_further(at, &self.clock_quality, changes) {
            let id = decided.0;
            self.decided(at, decided, before);
            self.correlator.tell_later(at, id);
        }
    }

    /// What follows from a decision: `before` is the number of ticket changes before it.
    fn decided(&mut self, at: At, (id, decided): (u64, Result<Vec<u64>, NoTicket>), before: usize) {
        // They may have been decided earlier: service may be back, or worse, since then.
        self.follow_changed(at, before);
        self.name_tickets(id);
        let Some(incident) = self.correlator.incidents.get_mut(&id) else { return };
        let reason = match decided {
            Ok(covering) => {
                for ticket in covering.iter().filter_map(|key| self.desk.get(*key)) {
                    let why = Why::CoveredByTicket { ticket: ticket.number.clone() };
                    incident.note(at.wall, why);
                }
                None
            }
            Err(NoTicket::BelowMajor) => Some(Why::BelowMajor),
            Err(NoTicket::UnknownSender) => Some(Why::UnknownSender),
            Err(NoTicket::Refuted) => Some(Why::Refuted),
        };
        let has_ticket = !self.desk.is_done(id);
        incident.no_ticket = reason.filter(|_| !has_ticket);
        self.changes.active(id, false);
    }

    fn name_tickets(&mut self, id: u64) {
        let tickets = self.desk.all_of_incident(id, LISTED_TICKETS_MAX);
        let numbers = tickets.into_iter().map(|ticket| ticket.number.clone()).collect();
        if let Some(incident) = self.correlator.incidents.get_mut(&id) {
            incident.tickets = numbers;
        }
    }

    fn close_what_is_done(&mut self, at: At) {
        let mut concerned: BTreeSet<u64> = self
            .ticket_changes
            .iter()
            .filter(|(_, event)| {
                matches!(event, TicketEvent::Closed | TicketEvent::Refuted | TicketEvent::Merged)
            })
            .filter_map(|(key, _)| self.desk.get(*key))
            .flat_map(|ticket| ticket.covers.iter().copied().chain([ticket.incident]))
            .collect();
        concerned.extend(self.changes.incidents.keys().copied());
        for id in concerned {
            let is_restored = self
                .correlator
                .incidents
                .get(&id)
                .is_some_and(|incident| incident.status() == Status::Restored);
            if is_restored && self.desk.is_done(id) {
                self.correlator.close_incident(at, id, &mut self.changes);
            }
        }
    }
}

/// Tickets that come along to a survivor in one step for each thing that it does.
const MOVED_MAX: usize = 64;
/// Tickets listed with an incident at most.
const LISTED_TICKETS_MAX: usize = 100;
