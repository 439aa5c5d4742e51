//! Which tickets an incident has: its own and those that cover it, by contract, since a large fault
//! has tens of thousands. A look-up: it follows from the tickets, and no snapshot holds it.

use crate::ticket::record::{State, Ticket};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Ticket keys by incident.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct OfIncident {
    /// Unfinished ones.
    running: BTreeSet<Entry>,
    /// Those that are for a contract and no rehearsal: (incident, key).
    work: BTreeSet<(u64, u64)>,
    /// Those that are restored and not finished: (incident, key).
    restored: BTreeSet<(u64, u64)>,
    /// Finished ones: (incident, key). A large incident that took over thousands has as many.
    finished: BTreeSet<(u64, u64)>,
    /// Those among them by which somebody said something about the outage: that it is not real, or
    /// that it is over.
    said: BTreeSet<Entry>,
}

/// (Incident, contract, key); the contract of an internal ticket is the empty one.
type Entry = (u64, SmolStr, u64);

impl OfIncident {
    /// Unfinished ones from `from` on, by contract and key: internal ones first.
    pub(super) fn running(
        &self,
        incident: u64,
        from: (SmolStr, u64),
    ) -> impl Iterator<Item = (&SmolStr, u64)> + '_ {
        let (contract, key) = from;
        let from = self.running.range((incident, contract, key)..);
        from.take_while(move |(of, _, _)| *of == incident)
            .map(|(_, contract, key)| (contract, *key))
    }

    /// Unfinished ones for a contract (empty: the internal ones), oldest first.
    pub(super) fn running_for(
        &self,
        incident: u64,
        contract: SmolStr,
    ) -> impl Iterator<Item = u64> + '_ {
        for_contract(&self.running, incident, contract)
    }

    /// The oldest unfinished one that is for a contract and no rehearsal.
    pub(super) fn oldest_work(&self, incident: u64) -> Option<u64> {
        self.work.range(all_of(incident)).next().map(|(_, key)| *key)
    }

    /// Those for a contract (empty: the internal ones) by which somebody said that the outage is
    /// not real, or over.
    pub(super) fn said_for(
        &self,
        incident: u64,
        contract: SmolStr,
    ) -> impl Iterator<Item = u64> + '_ {
        for_contract(&self.said, incident, contract)
    }

    /// Finished ones, oldest first.
    pub(super) fn finished(&self, incident: u64) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.finished.range(all_of(incident)).map(|(_, key)| *key)
    }

    /// Those that are restored and not finished, oldest first.
    pub(super) fn restored(&self, incident: u64) -> impl Iterator<Item = u64> + '_ {
        self.restored.range(all_of(incident)).map(|(_, key)| *key)
    }

    /// An unfinished ticket is the incident's own, or covers it.
    pub(super) fn add(&mut self, incident: u64, key: u64, ticket: &Ticket) {
        self.running.insert((incident, contract_of(ticket), key));
        if ticket.contract.is_some() && !ticket.observe {
            self.work.insert((incident, key));
        }
        if ticket.state() == State::Resolved {
            self.restored.insert((incident, key));
        }
    }

    /// The ticket is restored, or no more.
    pub(super) fn note_restored(&mut self, key: u64, ticket: &Ticket) {
        for incident in incidents_of(ticket) {
            if ticket.state() == State::Resolved {
                self.restored.insert((incident, key));
            } else {
                self.restored.remove(&(incident, key));
            }
        }
    }

    /// The ticket is finished.
    pub(super) fn finish(&mut self, key: u64, ticket: &Ticket) {
        for incident in incidents_of(ticket) {
            self.restored.remove(&(incident, key));
            self.running.remove(&(incident, contract_of(ticket), key));
            self.work.remove(&(incident, key));
            self.add_finished(incident, key, ticket);
        }
    }

    fn add_finished(&mut self, incident: u64, key: u64, ticket: &Ticket) {
        self.finished.insert((incident, key));
        if ticket.is_refuted || ticket.closed_at.is_some() {
            self.said.insert((incident, contract_of(ticket), key));
        }
    }

    /// The ticket is forgotten.
    pub(super) fn forget(&mut self, key: u64, ticket: &Ticket) {
        for incident in incidents_of(ticket) {
            self.leave(incident, key, ticket);
        }
    }

    /// The ticket is no more one of that incident's.
    pub(super) fn leave(&mut self, incident: u64, key: u64, ticket: &Ticket) {
        let entry = (incident, contract_of(ticket), key);
        self.running.remove(&entry);
        self.said.remove(&entry);
        self.work.remove(&(incident, key));
        self.restored.remove(&(incident, key));
        self.finished.remove(&(incident, key));
    }

    /// The ticket is one of that incident's too.
    pub(super) fn come(&mut self, incident: u64, key: u64, ticket: &Ticket) {
        if ticket.is_open() {
            self.add(incident, key, ticket);
        } else {
            self.add_finished(incident, key, ticket);
        }
    }

    /// The next of an incident's tickets, unfinished ones first.
    pub(super) fn next_of(&self, incident: u64) -> Option<u64> {
        let running = self.running(incident, (SmolStr::default(), 0)).map(|(_, key)| key);
        running.chain(self.finished(incident)).next()
    }

    /// What follows from these tickets.
    pub(super) fn of(tickets: &BTreeMap<u64, Ticket>) -> Self {
        let mut all = Self::default();
        for (key, ticket) in tickets {
            for incident in incidents_of(ticket) {
                all.come(incident, *key, ticket);
            }
        }
        all
    }
}

fn for_contract(
    entries: &BTreeSet<Entry>,
    incident: u64,
    contract: SmolStr,
) -> impl Iterator<Item = u64> + '_ {
    let last = (incident, contract.clone(), u64::MAX);
    entries.range((incident, contract, 0)..=last).map(|(_, _, key)| *key)
}

fn all_of(incident: u64) -> std::ops::RangeInclusive<(u64, u64)> {
    (incident, 0)..=(incident, u64::MAX)
}

/// The incident that opened it, and those that it covers.
fn incidents_of(ticket: &Ticket) -> impl Iterator<Item = u64> + '_ {
    ticket.covers.iter().chain([&ticket.incident]).copied()
}

/// The contract of a ticket; empty for an internal one.
pub(super) fn contract_of(ticket: &Ticket) -> SmolStr {
    ticket.contract.as_ref().map(|contract| SmolStr::new(&contract.id)).unwrap_or_default()
}
