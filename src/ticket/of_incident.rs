//! Which tickets an incident has: its own and those that cover it, by contract as well, since a
//! large fault has tens of thousands.

use crate::ticket::record::{State, Ticket};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Ticket keys by incident.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct OfIncident {
    /// Unfinished ones: a large incident that took over thousands has as many finished ones.
    running: BTreeMap<u64, Vec<u64>>,
    finished: BTreeMap<u64, Vec<u64>>,
    /// All of them: (incident, contract, key); no contract is the empty one.
    #[serde(skip)]
    by_contract: BTreeSet<(u64, SmolStr, u64)>,
    /// Those that are restored and not finished: (incident, key).
    #[serde(skip)]
    restored: BTreeSet<(u64, u64)>,
}

impl OfIncident {
    /// Unfinished ones, in the order in which the incident got them.
    pub(super) fn running(&self, incident: u64) -> &[u64] {
        self.running.get(&incident).map_or(&[], Vec::as_slice)
    }

    /// Finished ones.
    pub(super) fn finished(&self, incident: u64) -> &[u64] {
        self.finished.get(&incident).map_or(&[], Vec::as_slice)
    }

    /// Those for a contract (empty: the internal ones), finished ones too, oldest first.
    pub(super) fn for_contract(
        &self,
        incident: u64,
        contract: SmolStr,
    ) -> impl Iterator<Item = u64> + '_ {
        let last = (incident, contract.clone(), u64::MAX);
        self.by_contract.range((incident, contract, 0)..=last).map(|(_, _, key)| *key)
    }

    /// Those that are restored and not finished, oldest first.
    pub(super) fn restored(&self, incident: u64) -> impl Iterator<Item = u64> + '_ {
        self.restored.range((incident, 0)..=(incident, u64::MAX)).map(|(_, key)| *key)
    }

    /// An unfinished ticket is the incident's own, or covers it.
    pub(super) fn add(&mut self, incident: u64, key: u64, ticket: &Ticket) {
        self.running.entry(incident).or_default().push(key);
        self.by_contract.insert((incident, contract_of(ticket), key));
        self.note_restored(key, ticket);
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
            if drop_key(&mut self.running, incident, key) {
                self.finished.entry(incident).or_default().push(key);
            }
        }
    }

    /// The ticket is forgotten.
    pub(super) fn forget(&mut self, key: u64, ticket: &Ticket) {
        for incident in incidents_of(ticket) {
            drop_key(&mut self.running, incident, key);
            drop_key(&mut self.finished, incident, key);
            self.by_contract.remove(&(incident, contract_of(ticket), key));
        }
    }

    /// An incident was taken over by another: gives the keys of its tickets, which are that one's
    /// now.
    pub(super) fn bring_along(
        &mut self,
        (loser, survivor): (u64, u64),
        tickets: &BTreeMap<u64, Ticket>,
    ) -> Vec<u64> {
        let running = self.running.remove(&loser).unwrap_or_default();
        let finished = self.finished.remove(&loser).unwrap_or_default();
        let all: Vec<u64> = running.iter().chain(&finished).copied().collect();
        for (key, ticket) in all.iter().filter_map(|key| tickets.get_key_value(key)) {
            let contract = contract_of(ticket);
            self.by_contract.remove(&(loser, contract.clone(), *key));
            self.by_contract.insert((survivor, contract, *key));
            if self.restored.remove(&(loser, *key)) {
                self.restored.insert((survivor, *key));
            }
        }
        let moved = [(&mut self.running, running), (&mut self.finished, finished)];
        for (index, more) in moved.into_iter().filter(|(_, more)| !more.is_empty()) {
            let keys = index.entry(survivor).or_default();
            keys.extend(more);
            keys.sort_unstable();
            keys.dedup();
        }
        all
    }

    /// Builds what no snapshot holds.
    pub(super) fn rebuild(&mut self, tickets: &BTreeMap<u64, Ticket>) {
        self.by_contract.clear();
        self.restored.clear();
        let all = self.running.iter().chain(&self.finished);
        let each = all.flat_map(|(incident, keys)| keys.iter().map(|key| (*incident, *key)));
        for (incident, key) in each {
            let Some(ticket) = tickets.get(&key) else { continue };
            self.by_contract.insert((incident, contract_of(ticket), key));
            if ticket.state() == State::Resolved {
                self.restored.insert((incident, key));
            }
        }
    }
}

/// The incident that opened it, and those that it covers.
fn incidents_of(ticket: &Ticket) -> impl Iterator<Item = u64> + '_ {
    ticket.covers.iter().chain([&ticket.incident]).copied()
}

/// The contract of a ticket; empty for an internal one.
pub(super) fn contract_of(ticket: &Ticket) -> SmolStr {
    ticket.contract.as_ref().map(|contract| SmolStr::new(&contract.id)).unwrap_or_default()
}

/// Whether the key was there.
fn drop_key(index: &mut BTreeMap<u64, Vec<u64>>, incident: u64, key: u64) -> bool {
    let Some(keys) = index.get_mut(&incident) else { return false };
    let before = keys.len();
    keys.retain(|known| *known != key);
    let was_there = keys.len() < before;
    if keys.is_empty() {
        index.remove(&incident);
    }
    was_there
}
