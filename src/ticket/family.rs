//! One outage, one ticket per contract: a second incident's effect on services whose outage is
//! counted already, and what becomes of the tickets of incidents that turn out to be one.

use crate::model::time::At;
use crate::ticket::desk::{Desk, TicketChanges, TicketEvent};
use crate::ticket::policy::AffectedContract;
use crate::ticket::record::VIGIE;
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
        self.by_incident.entry(incident).or_default().push(key);
    }

    /// Incidents took others over (loser, survivor), in that order: the tickets come along. Where
    /// two have one for the same contract (or both an internal one), the older goes on and the
    /// other is cancelled.
    pub fn merge(&mut self, at: At, merged: &[(u64, u64)], changes: &mut TicketChanges) {
        for (loser, survivor) in merged {
            self.bring_along(*loser, *survivor, changes);
        }
        let survivors: BTreeSet<u64> = merged.iter().map(|(_, survivor)| *survivor).collect();
        for survivor in survivors {
            self.unify(at, survivor, changes);
        }
    }

    fn bring_along(&mut self, loser: u64, survivor: u64, changes: &mut TicketChanges) {
        self.bring_unopened_along(loser, survivor);
        let unfinished = self.by_incident.remove(&loser).unwrap_or_default();
        let finished = self.finished_by_incident.remove(&loser).unwrap_or_default();
        for key in unfinished.iter().chain(&finished) {
            let Some(ticket) = self.tickets.get_mut(key) else { continue };
            if ticket.incident == loser {
                ticket.incident = survivor;
                changes.push((*key, TicketEvent::Updated));
            } else {
                ticket.covers.push(survivor);
            }
            ticket.covers.retain(|incident| *incident != loser);
        }
        let moved =
            [(&mut self.by_incident, unfinished), (&mut self.finished_by_incident, finished)];
        for (index, more) in moved.into_iter().filter(|(_, more)| !more.is_empty()) {
            let keys = index.entry(survivor).or_default();
            keys.extend(more);
            keys.sort_unstable();
            keys.dedup();
        }
    }

    /// At most one open ticket for each contract of an incident, the oldest; an internal one only
    /// while there is none for a contract.
    pub(super) fn unify(&mut self, at: At, incident: u64, changes: &mut TicketChanges) {
        let keys = self.of_incident(incident).to_vec();
        let mut holders: BTreeMap<SmolStr, u64> = BTreeMap::new();
        let mut internal = Vec::new();
        for key in keys {
            let Some(ticket) = self.tickets.get(&key).filter(|ticket| ticket.is_open()) else {
                continue;
            };
            let Some(contract) = ticket.contract.as_ref().map(|one| SmolStr::new(&one.id)) else {
                internal.push(key);
                continue;
            };
            if let Some(holder) = holders.get(&contract).copied() {
                self.cancel_merged(at, key, holder, changes);
            } else {
                holders.insert(contract, key);
            }
        }
        // A rehearsal for a contract does not replace work.
        let first = holders
            .into_values()
            .filter(|key| self.tickets.get(key).is_some_and(|ticket| !ticket.observe))
            .min();
        let goes_on = first.or(internal.first().copied());
        for key in internal.into_iter().filter(|key| Some(*key) != goes_on) {
            if let Some(goes_on) = goes_on {
                self.cancel_merged(at, key, goes_on, changes);
            }
        }
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
