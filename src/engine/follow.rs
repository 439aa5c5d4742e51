//! Tickets follow their services: a step that brings some back, or takes them away anew, tells the
//! tickets that count their outage; where they are very many, some per step.

use crate::correlate::resource::Slot;
use crate::correlate::topology::NodeState;
use crate::engine::Engine;
use crate::engine::image::contract_service_name;
use crate::engine::nature::{nature_of, state_of};
use crate::model::time::{At, EngineTime, Timestamp};
use crate::ticket::desk::{FIRST, ServiceNews, TicketPlace};
use crate::ticket::policy::Nature;
use crate::ticket::record::Ticket;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Tickets for which there may be news. What is told them is how things are then.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Following {
    /// Services whose state changed, of which the tickets are still to be looked for.
    services: VecDeque<Slot>,
    /// Incidents of which all tickets are concerned.
    incidents: BTreeMap<u64, AllOf>,
    /// The one of them that was looked at last: the next one comes after it.
    looked_at: u64,
    /// Each with the time at which its incident failed anew, if it did.
    tickets: BTreeMap<u64, Option<Timestamp>>,
    since: EngineTime,
    /// The last that was told: the next one comes after it, so that none waits for ever.
    told: u64,
}

/// Every ticket of an incident may be concerned.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct AllOf {
    /// When it failed anew, if it did.
    failed_at: Option<Timestamp>,
    /// The last ticket that was noted.
    after: TicketPlace,
    /// Whether something happened since the first was.
    again: bool,
}

impl Following {
    /// There may be news for this ticket.
    pub(super) fn add(&mut self, at: At, key: u64, failed_at: Option<Timestamp>) {
        self.begins_to_wait(at);
        let known = self.tickets.entry(key).or_default();
        *known = (*known).max(failed_at);
    }

    fn add_services(&mut self, at: At, services: Vec<Slot>) {
        if !services.is_empty() {
            self.begins_to_wait(at);
            self.services.extend(services);
        }
    }

    /// There may be news for every ticket of this incident.
    fn add_incident(&mut self, at: At, id: u64, failed_at: Option<Timestamp>) {
        self.begins_to_wait(at);
        let new = AllOf { failed_at: None, after: FIRST, again: false };
        let known = self.incidents.entry(id).or_insert(new);
        known.failed_at = known.failed_at.max(failed_at);
        known.again = known.after != FIRST;
    }

    fn take_next_incident(&mut self) -> Option<(u64, AllOf)> {
        let next = take_after(&mut self.incidents, self.looked_at)?;
        self.looked_at = next.0;
        Some(next)
    }

    /// An operator has said how things are for a ticket: what failed before does not count.
    pub(super) fn forget_failure(&mut self, key: u64) {
        if let Some(failed_at) = self.tickets.get_mut(&key) {
            *failed_at = None;
        }
    }

    fn begins_to_wait(&mut self, at: At) {
        if self.waits_since().is_none() {
            self.since = at.engine;
        }
    }

    fn take_next(&mut self) -> Option<(u64, Option<Timestamp>)> {
        let next = take_after(&mut self.tickets, self.told)?;
        self.told = next.0;
        Some(next)
    }

    /// Whether there may be news for tickets that are still to be looked for.
    fn looks_for_tickets(&self) -> bool {
        !self.services.is_empty() || !self.incidents.is_empty()
    }

    /// Since when there may be news that is not told.
    pub(super) fn waits_since(&self) -> Option<EngineTime> {
        (self.looks_for_tickets() || !self.tickets.is_empty()).then_some(self.since)
    }
}

/// Takes the one behind `last`, or the first again.
fn take_after<V>(waiting: &mut BTreeMap<u64, V>, last: u64) -> Option<(u64, V)> {
    let next = waiting.range(last.saturating_add(1)..).next().or(waiting.first_key_value());
    let key = next.map(|(key, _)| *key)?;
    waiting.remove_entry(&key)
}

impl Engine {
    /// Notes for which tickets this step may bring something new.
    pub(super) fn note_tickets_to_follow(&mut self, at: At) {
        self.following.add_services(at, std::mem::take(&mut self.changes.services));
        for (id, has_failed) in std::mem::take(&mut self.changes.activity) {
            let Some(incident) = self.correlator.incidents.get(&id) else { continue };
            let failed_at = has_failed.then_some(incident.last_raise_at.wall);
            if incident.all_clear_at.is_some() {
                self.following.add_incident(at, id, failed_at);
            } else {
                for key in self.desk.of_incident_itself(id) {
                    self.following.add(at, key, failed_at);
                }
            }
        }
    }

    /// The same for the tickets that were changed since there were so many changes.
    pub(super) fn follow_changed(&mut self, at: At, before: usize) {
        for (key, _) in self.ticket_changes.iter().skip(before) {
            self.following.add(at, *key, None);
        }
    }

    /// Tells the next of them. While the engine is at long work they wait: states may be worked out
    /// and not told since when they hold.
    pub(super) fn follow_tickets(&mut self, at: At) {
        if self.long_work().is_some() {
            return;
        }
        let count = self.following.services.len().min(LOOKED_UP_MAX);
        let services: Vec<Slot> = self.following.services.drain(..count).collect();
        for slot in services {
            let name = contract_service_name(self.correlator.resources.get(slot));
            for key in self.desk.of_service(&name) {
                self.following.add(at, key, None);
            }
        }
        let mut left = LOOKED_UP_MAX;
        while left > 0
            && let Some((id, mut all)) = self.following.take_next_incident()
        {
            let places: Vec<_> = self.desk.of_incident(id, all.after.clone()).take(left).collect();
            for (_, key) in &places {
                self.following.add(at, *key, all.failed_at);
            }
            let is_last = places.len() < left;
            left = left.saturating_sub(places.len().max(1));
            if is_last && !all.again {
                continue;
            }
            all.after = if is_last { FIRST } else { places.last().cloned().unwrap_or(FIRST) };
            all.again &= !is_last;
            self.following.incidents.insert(id, all);
        }
        let mut services = 0_usize;
        for _ in 0..FOLLOWED_MAX {
            if services >= FOLLOWED_SERVICES_MAX {
                return;
            }
            let Some((key, failed_at)) = self.following.take_next() else { return };
            let ticket = self.desk.get(key);
            services = services.saturating_add(ticket.map_or(0, |ticket| ticket.services.len()));
            self.follow_ticket(at, key, failed_at);
        }
    }

    /// Tells this one now, if there may be news for it.
    pub(super) fn follow_at_once(&mut self, at: At, key: u64) {
        if self.long_work().is_some() {
            return;
        }
        let waits = self.following.tickets.remove(&key);
        if waits.is_some() || self.following.looks_for_tickets() {
            self.follow_ticket(at, key, waits.flatten());
        }
    }

    /// Tells a ticket whether what it is about is back.
    fn follow_ticket(&mut self, at: At, key: u64, failed_at: Option<Timestamp>) {
        let Some(ticket) = self.desk.get(key).filter(|ticket| ticket.is_open()) else { return };
        let Some(incident) = self.correlator.incident_of_now(ticket.incident) else { return };
        let out = failed_at.map_or(ServiceNews::Out, |since| ServiceNews::Failed { since });
        if ticket.contract.is_none() {
            let news = incident
                .all_clear_at
                .map_or(out, |since| ServiceNews::Back { since, is_by_inventory: false });
            self.desk.service_changed(at, key, news, &mut self.ticket_changes);
            return;
        }
        let (worst, changed) = self.worst_service(ticket, incident.all_clear_at);
        let (since, is_by_inventory) =
            changed.map_or((None, false), |(since, by)| (Some(since), by));
        let is_back = is_within_commitment(ticket, worst);
        let news = if is_back {
            ServiceNews::Back { since: since.unwrap_or(at.wall), is_by_inventory }
        } else {
            out
        };
        self.desk.service_changed(at, key, news, &mut self.ticket_changes);
        if !is_back && let Some(nature) = nature_of(worst) {
            let change = (nature, since.unwrap_or(at.wall));
            self.desk.set_nature(at, key, change, &mut self.ticket_changes);
        }
    }

    /// The worst state among a ticket's services, when the last of them came to its state, and
    /// whether another inventory brought it there.
    /// A service that the inventory names no more is back only when all of the incident is.
    fn worst_service(
        &self,
        ticket: &Ticket,
        all_clear_at: Option<Timestamp>,
    ) -> (NodeState, Option<(Timestamp, bool)>) {
        let mut worst = NodeState::Up;
        let mut since = None;
        for name in &ticket.services {
            let slot = self.correlator.service_slot(name);
            let known = slot.filter(|slot| self.correlator.resources.get(*slot).is_known);
            let (state, changed_at) = match (known, all_clear_at) {
                (Some(slot), _) => (
                    self.correlator.topology.state(slot),
                    self.correlator
                        .service_since
                        .get(&slot)
                        .map(|since| (since.changed_at, since.is_by_inventory)),
                ),
                (None, Some(all_clear_at)) => (NodeState::Up, Some((all_clear_at, false))),
                (None, None) => (ticket.nature.map_or(NodeState::Down, state_of), None),
            };
            worst = worst.max(state);
            since = since.max(changed_at);
        }
        (worst, since)
    }
}

/// Whether services in that state (the worst of them) are what the ticket's contract promises.
fn is_within_commitment(ticket: &Ticket, worst: NodeState) -> bool {
    // A ticket that is only about the backup being active is over when the main path is back.
    let backup_counts = ticket.contract.as_ref().is_some_and(|one| one.backup_stops_clock)
        && ticket.nature != Some(Nature::BackupActive);
    worst == NodeState::Up || (worst == NodeState::Backup && backup_counts)
}

/// Services, and tickets of an incident, looked up by one step for each thing that it does.
const LOOKED_UP_MAX: usize = 256;
/// Tickets told by one step for each thing that it does.
const FOLLOWED_MAX: usize = 64;
/// No further one is when those are about so many services.
const FOLLOWED_SERVICES_MAX: usize = 4_096;
