//! One outage, one ticket per contract: a second incident's effect on services whose outage is
//! counted already, and what becomes of the tickets of incidents that turn out to be one.

use crate::model::time::{At, EngineTime};
use crate::ticket::desk::Desk;
use crate::ticket::event::{TicketChanges, TicketEvent};
use crate::ticket::of_incident::contract_of;
use crate::ticket::policy::AffectedContract;
use crate::ticket::record::VIGIE;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Incidents that were taken over and have tickets still: (loser, survivor), in that order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Moving {
    ahead: VecDeque<(u64, u64)>,
    since: Option<EngineTime>,
}

impl Moving {
    /// Whether tickets are on their way to that incident.
    pub(super) fn leads_to(&self, incident: u64) -> bool {
        self.ahead.iter().any(|(_, survivor)| *survivor == incident)
    }
}

impl Desk {
    /// Tickets of the contract that run for some of the affected services, and the services left.
    pub(super) fn covered(&self, affected: &AffectedContract) -> (Vec<u64>, Vec<SmolStr>) {
        let mut covering = BTreeSet::new();
        let mut rest = Vec::new();
        for service in &affected.services {
            let runs = self.of_service(service).find(|key| {
                self.tickets.get(key).is_some_and(|ticket| {
                    ticket.time("restored_at").is_none()
                        && ticket.contract.as_ref().is_some_and(|one| one.id == affected.contract)
                })
            });
            match runs {
                Some(key) => {
                    covering.insert(key);
                }
                None => rest.push(service.clone()),
            }
        }
        (covering.into_iter().collect(), rest)
    }

    /// The ticket counts what that incident does to its services too.
    pub(super) fn cover(&mut self, incident: u64, key: u64) {
        let Some(ticket) = self.tickets.get_mut(&key) else { return };
        ticket.covers.push(incident);
        self.by_incident.add(incident, key, ticket);
    }

    /// Incidents took others over (loser, survivor), in that order: the tickets are to come along.
    pub fn merge(&mut self, at: At, merged: &[(u64, u64)]) {
        if !merged.is_empty() && self.moving.since.is_none() {
            self.moving.since = Some(at.engine);
        }
        for (loser, survivor) in merged {
            self.bring_unopened_along(*loser, *survivor);
            self.moving.ahead.push_back((*loser, *survivor));
        }
    }

    /// Since when tickets are on their way to the incident that took theirs over.
    #[must_use]
    pub fn moving_since(&self) -> Option<EngineTime> {
        self.moving.since
    }

    /// So many tickets at most come along. Where two are for the same contract (or both internal),
    /// the older goes on and the other is cancelled. Gives those that came: (incident, key).
    pub fn move_further(
        &mut self,
        at: At,
        most: usize,
        changes: &mut TicketChanges,
    ) -> Vec<(u64, u64)> {
        let mut came = Vec::new();
        let mut moved: BTreeMap<u64, BTreeSet<SmolStr>> = BTreeMap::new();
        let mut left = most;
        while let Some((loser, survivor)) = self.moving.ahead.front().copied() {
            let Some(key) = self.by_incident.next_of(loser) else {
                self.moving.ahead.pop_front();
                continue;
            };
            if left == 0 {
                break;
            }
            left = left.saturating_sub(1);
            came.push((survivor, key));
            if let Some(contract) = self.bring_along(key, (loser, survivor), changes) {
                moved.entry(survivor).or_default().insert(contract);
            }
        }
        if self.moving.ahead.is_empty() {
            self.moving.since = None;
        }
        for (survivor, contracts) in moved {
            self.unify(at, survivor, contracts, changes);
        }
        came
    }

    /// One ticket comes along. Gives its contract.
    fn bring_along(
        &mut self,
        key: u64,
        (loser, survivor): (u64, u64),
        changes: &mut TicketChanges,
    ) -> Option<SmolStr> {
        let ticket = self.tickets.get_mut(&key)?;
        self.by_incident.leave(loser, key, ticket);
        ticket.covers.retain(|incident| *incident != loser && *incident != survivor);
        if ticket.incident == loser {
            ticket.incident = survivor;
            changes.push((key, TicketEvent::Updated));
        } else if ticket.incident != survivor {
            ticket.covers.push(survivor);
        }
        self.by_incident.come(survivor, key, ticket);
        Some(contract_of(ticket))
    }

    /// At most one open ticket of an incident for each of these contracts, the oldest; an internal
    /// one only while there is none for a contract.
    pub(super) fn unify(
        &mut self,
        at: At,
        incident: u64,
        contracts: impl IntoIterator<Item = SmolStr>,
        changes: &mut TicketChanges,
    ) {
        let mut too_many = BTreeMap::new();
        for contract in contracts.into_iter().filter(|contract| !contract.is_empty()) {
            let open = self.open_for(incident, contract);
            if let Some((holder, others)) = open.split_first() {
                too_many.extend(others.iter().map(|key| (*key, *holder)));
            }
        }
        for (key, holder) in too_many {
            self.cancel_merged(at, key, holder, changes);
        }
        let internal = self.open_for(incident, SmolStr::default());
        if internal.is_empty() {
            return;
        }
        // A rehearsal for a contract does not replace work.
        let goes_on = self.by_incident.oldest_work(incident).or(internal.first().copied());
        for key in internal.into_iter().filter(|key| Some(*key) != goes_on) {
            if let Some(goes_on) = goes_on {
                self.cancel_merged(at, key, goes_on, changes);
            }
        }
    }

    /// The incident's open tickets for a contract, or its open internal ones, oldest first.
    fn open_for(&self, incident: u64, contract: SmolStr) -> Vec<u64> {
        self.by_incident.running_for(incident, contract).collect()
    }

    fn cancel_merged(&mut self, at: At, key: u64, holder: u64, changes: &mut TicketChanges) {
        let goes_on =
            self.tickets.get(&holder).map(|ticket| ticket.number.clone()).unwrap_or_default();
        let reason = format!("the same fault as {goes_on}");
        let Some(ticket) = self.tickets.get_mut(&key) else { return };
        if ticket.cancel((VIGIE, &reason), at.wall).is_err() {
            return;
        }
        let services = ticket.services.clone();
        changes.push((key, TicketEvent::Merged));
        self.finished(at, key);
        self.add_services(holder, services, changes);
    }

    pub(super) fn add_services(
        &mut self,
        key: u64,
        more: Vec<SmolStr>,
        changes: &mut TicketChanges,
    ) {
        let Some(ticket) = self.tickets.get_mut(&key).filter(|one| one.contract.is_some()) else {
            return;
        };
        let before = ticket.services.len();
        ticket.services.extend(more);
        ticket.services.sort();
        ticket.services.dedup();
        if ticket.services.len() != before {
            for service in &ticket.services {
                self.by_service.entry(service.clone()).or_default().insert(key);
            }
            changes.push((key, TicketEvent::Updated));
        }
    }
}
