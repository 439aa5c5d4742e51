//! What follows from what a step changed: tickets decided, services back or failed again,
//! incidents closed. Runs to a fixed point that is reached in a few rounds.

use crate::correlate::correlator::ServiceSince;
use crate::correlate::incident::Status;
use crate::correlate::reason::Why;
use crate::correlate::resource::Slot;
use crate::correlate::topology::NodeState;
use crate::engine::Engine;
use crate::engine::image::contract_service_name;
use crate::model::severity::Severity;
use crate::model::time::{At, Timestamp};
use crate::ticket::desk::{ServiceNews, TicketEvent};
use crate::ticket::policy::{AffectedContract, IncidentFacts, Nature, NoTicket};
use crate::ticket::record::Ticket;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    /// Draws the consequences of what changed so far. What is to be shown stays noted.
    pub(crate) fn settle(&mut self, at: At) {
        let merged = std::mem::take(&mut self.changes.merged);
        self.desk.merge(at, &merged, &mut self.ticket_changes);
        let survivors: BTreeSet<u64> = merged.into_iter().map(|(_, survivor)| survivor).collect();
        for survivor in survivors {
            self.name_tickets(survivor);
        }
        for id in std::mem::take(&mut self.changes.due) {
            self.decide_tickets(at, id);
        }
        for (key, failed_at) in self.tickets_to_follow() {
            self.follow_ticket(at, key, failed_at);
        }
        self.close_what_is_done(at);
    }

    fn decide_tickets(&mut self, at: At, id: u64) {
        let Some(facts) = self.facts(id) else { return };
        let decided = self.desk.decide(at, &facts, &self.clock_quality, &mut self.ticket_changes);
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

    /// What the active alarms of an incident show; notes which services they affect.
    fn facts(&mut self, id: u64) -> Option<IncidentFacts> {
        let incident = self.correlator.incidents.get(&id)?;
        let mut shown: Vec<Shown> = incident
            .alarms
            .iter()
            .filter_map(|(slot, alarm_id)| {
                self.correlator.alarms.get(*slot).filter(|alarm| alarm.id == *alarm_id)
            })
            .filter(|alarm| alarm.is_active())
            .map(|alarm| Shown {
                detected_at: alarm.active_since.wall,
                alarm: alarm.id,
                occurred_at: alarm.occurred_at,
                resource: alarm.resource,
            })
            .collect();
        shown.sort_unstable();
        let first = *shown.first()?;
        let severity = incident.worst_active().unwrap_or(Severity::Indeterminate);
        let root_slot = incident.root;
        // A root without an alarm of its own is shown by the earliest alarm of the incident.
        let sources: Vec<Slot> = shown.iter().map(|one| one.resource).chain([root_slot]).collect();
        let services = self.correlator.services_downstream(&sources);
        let contracts = self.affected_contracts(&services, (&shown, root_slot));
        if let Some(incident) = self.correlator.incidents.get_mut(&id) {
            incident.services.extend(services.keys());
            incident.services.sort_unstable();
            incident.services.dedup();
        }
        let root = self.correlator.resources.get(root_slot);
        let device = self.correlator.resources.get(root.parent);
        Some(IncidentFacts {
            incident: id,
            root_resource: root.name(),
            severity,
            is_known: device.is_known || root.is_known,
            contracts,
            detected_at: first.detected_at,
            occurred_at: first.occurred_at,
        })
    }

    /// The contracts of affected services, each service with the earliest alarm that shows it so.
    fn affected_contracts(
        &self,
        services: &BTreeMap<Slot, usize>,
        (shown, root): (&[Shown], Slot),
    ) -> Vec<AffectedContract> {
        let mut by_contract: BTreeMap<&str, AffectedContract> = BTreeMap::new();
        for (slot, place) in services {
            let Some(contract) = self.contract_of.get(slot) else { continue };
            let Some(nature) = nature_of(self.correlator.topology.state(*slot)) else { continue };
            let Some(by) = self.shown_by((*slot, *place), shown, root) else { continue };
            let carried_until =
                self.correlator.service_since.get(slot).and_then(ServiceSince::carried_until);
            let entry = by_contract.entry(contract).or_insert_with(|| AffectedContract {
                contract: SmolStr::new(contract),
                services: Vec::new(),
                nature,
                detected_at: by.detected_at,
                occurred_at: by.occurred_at,
                carried_until,
            });
            entry.carried_until = entry.carried_until.min(carried_until);
            entry.services.push(contract_service_name(self.correlator.resources.get(*slot)));
            entry.nature = entry.nature.max(nature);
            if by.detected_at < entry.detected_at {
                entry.detected_at = by.detected_at;
                entry.occurred_at = by.occurred_at;
            }
        }
        for affected in by_contract.values_mut() {
            affected.services.sort();
        }
        by_contract.into_values().collect()
    }

    /// The earliest alarm that shows a service affected, of those since it left *up*: what was lost
    /// before, while redundancy still carried it, shows nothing of it. `place` is that of the
    /// earliest alarm above the service, whatever its time.
    fn shown_by(
        &self,
        (service, place): (Slot, usize),
        shown: &[Shown],
        root: Slot,
    ) -> Option<Shown> {
        let left_up_at =
            self.correlator.service_since.get(&service).and_then(|since| since.left_up_at);
        // Messages closer together than this are not told apart by their order.
        let simultaneous_ms =
            i64::try_from(self.correlator.settings.simultaneous_ms).unwrap_or(i64::MAX);
        let simultaneous_ns = simultaneous_ms.saturating_mul(1_000_000);
        let from = left_up_at.map(|at| at.plus_ns(simultaneous_ns.saturating_neg()));
        let earlier = shown.partition_point(|one| Some(one.detected_at) < from);
        let (_, since) = shown.split_at(earlier);
        if earlier == 0 || since.is_empty() {
            return shown.get(place).or(shown.first()).copied();
        }
        let sources: Vec<Slot> = since.iter().map(|one| one.resource).chain([root]).collect();
        let place = self.correlator.services_downstream(&sources).get(&service).copied();
        place.and_then(|place| since.get(place)).or(since.first()).copied()
    }

    /// The tickets for which this step may bring something new, each with the time at which its
    /// incident failed anew, if it did.
    fn tickets_to_follow(&mut self) -> BTreeMap<u64, Option<Timestamp>> {
        let mut follow = BTreeMap::new();
        for slot in std::mem::take(&mut self.changes.services) {
            let name = contract_service_name(self.correlator.resources.get(slot));
            follow.extend(self.desk.of_service(&name).map(|key| (key, None)));
        }
        for (id, has_failed) in std::mem::take(&mut self.changes.activity) {
            let Some(incident) = self.correlator.incidents.get(&id) else { continue };
            let failed_at = has_failed.then_some(incident.last_raise_at);
            for key in self.desk.of_incident(id) {
                // A running contract ticket follows its services, which have not changed.
                let is_concerned = self.desk.get(*key).is_some_and(|ticket| {
                    ticket.contract.is_none()
                        || incident.all_clear_at.is_some()
                        || ticket.time("restored_at").is_some()
                });
                if is_concerned || follow.contains_key(key) {
                    let known: &mut Option<Timestamp> = follow.entry(*key).or_default();
                    *known = (*known).max(failed_at);
                }
            }
        }
        follow
    }

    /// Tells a ticket whether what it is about is back.
    fn follow_ticket(&mut self, at: At, key: u64, failed_at: Option<Timestamp>) {
        let Some(ticket) = self.desk.get(key).filter(|ticket| ticket.is_open()) else { return };
        let Some(incident) = self.correlator.incidents.get(&ticket.incident) else { return };
        let out = failed_at.map_or(ServiceNews::Out, |since| ServiceNews::Failed { since });
        if ticket.contract.is_none() {
            let news = incident.all_clear_at.map_or(out, |since| ServiceNews::Back { since });
            self.desk.service_changed(at, key, news, &mut self.ticket_changes);
            return;
        }
        let (worst, since) = self.worst_service(ticket, incident.all_clear_at);
        let is_back = is_within_commitment(ticket, worst);
        let news =
            if is_back { ServiceNews::Back { since: since.unwrap_or(at.wall) } } else { out };
        self.desk.service_changed(at, key, news, &mut self.ticket_changes);
        if !is_back && let Some(nature) = nature_of(worst) {
            let change = (nature, since.unwrap_or(at.wall));
            self.desk.set_nature(at, key, change, &mut self.ticket_changes);
        }
    }

    /// The worst state among a ticket's services, and when the last of them came to its state.
    /// A service that the inventory names no more is back only when all of the incident is.
    fn worst_service(
        &self,
        ticket: &Ticket,
        all_clear_at: Option<Timestamp>,
    ) -> (NodeState, Option<Timestamp>) {
        let mut worst = NodeState::Up;
        let mut since = None;
        for name in &ticket.services {
            let slot = self.correlator.service_slot(name);
            let known = slot.filter(|slot| self.correlator.resources.get(*slot).is_known);
            let (state, changed_at) = match (known, all_clear_at) {
                (Some(slot), _) => (
                    self.correlator.topology.state(slot),
                    self.correlator.service_since.get(&slot).map(|since| since.changed_at),
                ),
                (None, Some(all_clear_at)) => (NodeState::Up, Some(all_clear_at)),
                (None, None) => (ticket.nature.map_or(NodeState::Down, state_of), None),
            };
            worst = worst.max(state);
            since = since.max(changed_at);
        }
        (worst, since)
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

/// Tickets listed with an incident at most, those that opened first.
const LISTED_TICKETS_MAX: usize = 100;

/// One active alarm, earliest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    detected_at: Timestamp,
    alarm: u64,
    occurred_at: Option<Timestamp>,
    resource: Slot,
}

/// Whether services in that state (the worst of them) are what the ticket's contract promises.
fn is_within_commitment(ticket: &Ticket, worst: NodeState) -> bool {
    // A ticket that is only about the backup being active is over when the main path is back.
    let backup_counts = ticket.contract.as_ref().is_some_and(|one| one.backup_stops_clock)
        && ticket.nature != Some(Nature::BackupActive);
    worst == NodeState::Up || (worst == NodeState::Backup && backup_counts)
}

/// The state of a service that is affected in that way.
fn state_of(nature: Nature) -> NodeState {
    match nature {
        Nature::BackupActive => NodeState::Backup,
        Nature::Degraded => NodeState::Degraded,
        Nature::TotalOutage => NodeState::Down,
    }
}

/// How a service in that state is affected; none when it is up.
fn nature_of(state: NodeState) -> Option<Nature> {
    match state {
        NodeState::Up => None,
        NodeState::Backup => Some(Nature::BackupActive),
        NodeState::Degraded => Some(Nature::Degraded),
        NodeState::Down => Some(Nature::TotalOutage),
    }
}
