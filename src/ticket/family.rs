//! One outage, one ticket per contract: a second incident's effect on services whose outage is
//! counted already, and what becomes of the tickets of incidents that turn out to be one.

use crate::model::time::At;
use crate::ticket::desk::Desk;
use crate::ticket::event::{TicketChanges, TicketEvent};
use crate::ticket::of_incident::contract_of;
use crate::ticket::policy::AffectedContract;
use crate::ticket::record::{Ticket, VIGIE};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

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

    /// Incidents took others over (loser, survivor), in that order: the tickets come along. Where
    /// two have one for the same contract (or both an internal one), the older goes on and the
    /// other is cancelled.
    pub fn merge(&mut self, at: At, merged: &[(u64, u64)], changes: &mut TicketChanges) {
        let mut moved: BTreeMap<u64, BTreeSet<SmolStr>> = BTreeMap::new();
        for (loser, survivor) in merged {
            let contracts = self.bring_along(*loser, *survivor, changes);
            moved.entry(*survivor).or_default().extend(contracts);
        }
        for (survivor, contracts) in moved {
            self.unify(at, survivor, contracts, changes);
        }
    }

    /// Gives the contracts of the tickets that came along.
    fn bring_along(
        &mut self,
        loser: u64,
        survivor: u64,
        changes: &mut TicketChanges,
    ) -> BTreeSet<SmolStr> {
        self.bring_unopened_along(loser, survivor);
        let mut contracts = BTreeSet::new();
        for key in self.by_incident.bring_along((loser, survivor), &self.tickets) {
            let Some(ticket) = self.tickets.get_mut(&key) else { continue };
            contracts.insert(contract_of(ticket));
            if ticket.incident == loser {
                ticket.incident = survivor;
                changes.push((key, TicketEvent::Updated));
            } else {
                ticket.covers.push(survivor);
            }
            ticket.covers.retain(|incident| *incident != loser);
        }
        contracts
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
        let is_work = |ticket: &Ticket| ticket.contract.is_some() && !ticket.observe;
        let running = self.of_incident(incident).iter().copied();
        let work = running.filter(|key| {
            self.tickets.get(key).is_some_and(|ticket| ticket.is_open() && is_work(ticket))
        });
        let goes_on = work.min().or(internal.first().copied());
        for key in internal.into_iter().filter(|key| Some(*key) != goes_on) {
            if let Some(goes_on) = goes_on {
                self.cancel_merged(at, key, goes_on, changes);
            }
        }
    }

    /// The incident's open tickets for a contract, or its open internal ones, oldest first.
    fn open_for(&self, incident: u64, contract: SmolStr) -> Vec<u64> {
        let is_open = |key: &u64| self.tickets.get(key).is_some_and(Ticket::is_open);
        self.by_incident.for_contract(incident, contract).filter(is_open).collect()
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
