//! What follows from what a step changed: tickets decided, services back or failed again,
//! incidents closed. Runs to a fixed point that is reached in a few rounds.

use crate::correlate::correlator::ServiceSince;
use crate::correlate::incident::Status;
use crate::correlate::reason::Why;
use crate::correlate::resource::Slot;
use crate::engine::Engine;
use crate::engine::image::contract_service_name;
use crate::engine::nature::nature_of;
use crate::model::severity::Severity;
use crate::model::time::{At, Timestamp};
use crate::ticket::desk::TicketEvent;
use crate::ticket::policy::{AffectedContract, IncidentFacts, NoTicket};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    /// Draws the consequences of what changed so far. What is to be shown stays noted.
    pub(crate) fn settle(&mut self, at: At) {
        let merged = std::mem::take(&mut self.changes.merged);
        let before = self.ticket_changes.len();
        self.desk.merge(at, &merged, &mut self.ticket_changes);
        self.follow_changed(at, before);
        let survivors: BTreeSet<u64> = merged.into_iter().map(|(_, survivor)| survivor).collect();
        for survivor in survivors {
            if let Some(incident) = self.correlator.incidents.get(&survivor) {
                let root = self.correlator.resources.get(incident.root).name();
                self.desk.set_root(survivor, root);
            }
            self.name_tickets(survivor);
        }
        for id in std::mem::take(&mut self.changes.due) {
            self.decide_tickets(at, id);
        }
        self.note_tickets_to_follow(at);
        self.follow_tickets(at);
        self.close_what_is_done(at);
    }

    fn decide_tickets(&mut self, at: At, id: u64) {
        let Some(facts) = self.facts(id) else { return };
        let before = self.ticket_changes.len();
        let decided = self.desk.decide(at, facts, &self.clock_quality, &mut self.ticket_changes);
        self.decided(at, (id, decided), before);
    }

    /// Opens more of the tickets that were decided.
    pub(crate) fn open_further(&mut self, at: At) {
        let before = self.ticket_changes.len();
        let changes = &mut self.ticket_changes;
        if let Some(decided) = self.desk.open_further(at, &self.clock_quality, changes) {
            self.decided(at, decided, before);
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
        let failed_at = incident.last_raise_at;
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
            failed_at,
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
            let since = self.correlator.service_since.get(slot);
            let carried_until = since.and_then(ServiceSince::carried_until);
            let failed_at = since.and_then(|since| since.failed_at.or(since.left_up_at));
            let failed_at = failed_at.unwrap_or(by.detected_at);
            let entry = by_contract.entry(contract).or_insert_with(|| AffectedContract {
                contract: SmolStr::new(contract),
                services: Vec::new(),
                nature,
                detected_at: by.detected_at,
                occurred_at: by.occurred_at,
                failed_at,
                carried_until,
            });
            entry.failed_at = entry.failed_at.max(failed_at);
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
