//! Which incidents and tickets are open: kept as they change, since walking over all of them
//! once a second would stop the engine for longer the more there are.

use crate::correlate::incident::{Incident, Status};
use crate::engine::Engine;
use crate::ticket::record::Ticket;
use std::collections::BTreeSet;

/// Ids of incidents and keys of tickets that are open.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Census {
    incidents: BTreeSet<u64>,
    tickets: BTreeSet<u64>,
}

impl Census {
    /// Counts all of them. For the start: a snapshot does not have them.
    pub(super) fn of(engine: &Engine) -> Self {
        let mut census = Self::default();
        for (id, incident) in &engine.correlator.incidents {
            census.note_incident(*id, Some(incident));
        }
        for (key, ticket) in engine.desk.iter() {
            census.note_ticket(key, Some(ticket));
        }
        census
    }

    /// Notes how an incident is now.
    pub(super) fn note_incident(&mut self, id: u64, incident: Option<&Incident>) {
        let is_open = incident.is_some_and(|incident| incident.status() == Status::Open);
        note(&mut self.incidents, id, is_open);
    }

    /// Notes how a ticket is now.
    pub(super) fn note_ticket(&mut self, key: u64, ticket: Option<&Ticket>) {
        note(&mut self.tickets, key, ticket.is_some_and(Ticket::is_open));
    }

    /// Number of open incidents.
    pub(super) fn open_incidents(&self) -> u64 {
        u64::try_from(self.incidents.len()).unwrap_or(u64::MAX)
    }

    /// Number of open tickets.
    pub(super) fn open_tickets(&self) -> u64 {
        u64::try_from(self.tickets.len()).unwrap_or(u64::MAX)
    }
}

fn note(open: &mut BTreeSet<u64>, key: u64, is_open: bool) {
    if is_open {
        open.insert(key);
    } else {
        open.remove(&key);
    }
}
