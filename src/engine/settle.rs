//! What follows from what a step changed: tickets decided, services back or failed again,
//! incidents closed. Runs to a fixed point that is reached in a few rounds.

use crate::correlate::incident::{Incident, Status};
use crate::correlate::reason::Why;
use crate::correlate::topology::NodeState;
use crate::engine::Engine;
use crate::engine::image::contract_service_name;
use crate::model::severity::Severity;
use crate::model::time::{At, Timestamp};
use crate::ticket::desk::TicketEvent;
use crate::ticket::policy::{AffectedContract, IncidentFacts, Nature, NoTicket};
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    /// Draws the consequences of what changed so far. What is to be shown stays noted.
    pub(crate) fn settle(&mut self, at: At) {
        for (loser, survivor) in std::mem::take(&mut self.changes.merged) {
            self.desk.merge(at, loser, survivor, &mut self.ticket_changes);
            self.name_tickets(survivor);
        }
        for id in std::mem::take(&mut self.changes.due) {
            self.decide_tickets(at, id);
        }
        let mut touched = std::mem::take(&mut self.changes.activity);
        touched.extend(self.incidents_of_services());
        for id in touched {
            self.follow_services(at, id);
        }
        self.close_what_is_done(at);
    }

    fn decide_tickets(&mut self, at: At, id: u64) {
        let Some(facts) = self.facts(id) else { return };
        let decided = self.desk.decide(at, &facts, &self.clock_quality, &mut self.ticket_changes);
        if let Some(incident) = self.correlator.incidents.get_mut(&id) {
            incident.no_ticket = match decided {
                Ok(()) => None,
                Err(NoTicket::BelowMajor) => Some(Why::BelowMajor),
                Err(NoTicket::UnknownSender) => Some(Why::UnknownSender),
            };
        }
        self.name_tickets(id);
        self.changes.activity.insert(id);
    }

    fn name_tickets(&mut self, id: u64) {
        let numbers: Vec<String> = self
            .desk
            .of_incident(id)
            .iter()
            .filter_map(|key| self.desk.get(*key).map(|ticket| ticket.number.clone()))
            .collect();
        if let Some(incident) = self.correlator.incidents.get_mut(&id) {
            incident.tickets = numbers;
        }
    }

    fn facts(&self, id: u64) -> Option<IncidentFacts> {
        let incident = self.correlator.incidents.get(&id)?;
        let root = self.correlator.resources.get(incident.root);
        let device = self.correlator.resources.get(root.parent);
        let (detected_at, occurred_at) = self.earliest(incident, None)?;
        Some(IncidentFacts {
            incident: id,
            root_resource: root.name(),
            severity: self.worst_active(incident),
            is_known: device.is_known || root.is_known,
            contracts: self.affected_contracts(incident),
            detected_at,
            occurred_at,
        })
    }

    fn worst_active(&self, incident: &Incident) -> Severity {
        incident
            .alarms
            .iter()
            .filter_map(|(slot, id)| {
                self.correlator.alarms.get(*slot).filter(|alarm| alarm.id == *id)
            })
            .filter(|alarm| alarm.is_active())
            .map(|alarm| alarm.severity)
            .max()
            .unwrap_or(Severity::Indeterminate)
    }

    /// Receive time and device time of the earliest alarm of the incident; with `service`, of those
    /// that show it affected.
    fn earliest(
        &self,
        incident: &Incident,
        service: Option<u32>,
    ) -> Option<(Timestamp, Option<Timestamp>)> {
        incident
            .alarms
            .iter()
            .filter_map(|(slot, id)| {
                self.correlator.alarms.get(*slot).filter(|alarm| alarm.id == *id)
            })
            .filter(|alarm| {
                service.is_none_or(|service| {
                    self.correlator.services_below(alarm.resource).contains(&service)
                })
            })
            .map(|alarm| (alarm.active_since.wall, alarm.id, alarm.occurred_at))
            .min()
            .map(|(detected, _, occurred)| (detected, occurred))
    }

    fn affected_contracts(&self, incident: &Incident) -> Vec<AffectedContract> {
        let mut by_contract: BTreeMap<&str, AffectedContract> = BTreeMap::new();
        for slot in &incident.services {
            let Some(contract) = self.contract_of.get(slot) else { continue };
            let Some(nature) = nature_of(self.correlator.topology.state(*slot)) else { continue };
            let shown = self.earliest(incident, Some(*slot)).or(self.earliest(incident, None));
            let Some((detected_at, occurred_at)) = shown else { continue };
            let entry = by_contract.entry(contract).or_insert_with(|| AffectedContract {
                contract: contract.clone(),
                services: Vec::new(),
                nature,
                detected_at,
                occurred_at,
            });
            entry.services.push(contract_service_name(self.correlator.resources.get(*slot)));
            entry.nature = entry.nature.max(nature);
            if detected_at < entry.detected_at {
                entry.detected_at = detected_at;
                entry.occurred_at = occurred_at;
            }
        }
        by_contract
            .into_values()
            .map(|mut affected| {
                affected.services.sort();
                affected
            })
            .collect()
    }

    /// Incidents with an open ticket for a service whose state changed.
    fn incidents_of_services(&mut self) -> BTreeSet<u64> {
        let services = std::mem::take(&mut self.changes.services);
        if services.is_empty() {
            return BTreeSet::new();
        }
        let names: BTreeSet<String> = services
            .into_iter()
            .map(|slot| contract_service_name(self.correlator.resources.get(slot)))
            .collect();
        self.desk
            .iter()
            .filter(|(_, ticket)| ticket.is_open())
            .filter(|(_, ticket)| ticket.services.iter().any(|name| names.contains(name)))
            .map(|(_, ticket)| ticket.incident)
            .collect()
    }

    /// Tells each ticket of the incident whether what it is about is back.
    fn follow_services(&mut self, at: At, id: u64) {
        let Some(incident) = self.correlator.incidents.get(&id) else { return };
        let all_clear_at = incident.all_clear_at;
        let last_clear_at = incident.last_clear_at;
        for key in self.desk.of_incident(id).to_vec() {
            let Some(ticket) = self.desk.get(key).filter(|ticket| ticket.is_open()) else {
                continue;
            };
            let Some(contract) = &ticket.contract else {
                self.desk.service_changed(at, key, all_clear_at, &mut self.ticket_changes);
                continue;
            };
            let worst = ticket
                .services
                .iter()
                .filter_map(|name| self.correlator.service_slot(name))
                .map(|slot| self.correlator.topology.state(slot))
                .max()
                .unwrap_or(NodeState::Up);
            let is_enough = worst == NodeState::Up
                || (worst == NodeState::Backup && contract.backup_stops_clock);
            // A service that never left its backup opened the ticket: that is not yet the way back.
            let began_on_backup = ticket.nature == Some(Nature::BackupActive);
            let is_back = is_enough && !(worst == NodeState::Backup && began_on_backup);
            let back_since = is_back.then(|| last_clear_at.unwrap_or(at.wall));
            self.desk.service_changed(at, key, back_since, &mut self.ticket_changes);
            if !is_back && let Some(nature) = nature_of(worst) {
                self.desk.set_nature(key, nature, &mut self.ticket_changes);
            }
        }
    }

    fn close_what_is_done(&mut self, at: At) {
        let mut concerned: BTreeSet<u64> = self
            .ticket_changes
            .iter()
            .filter(|(_, event)| {
                matches!(event, TicketEvent::Closed | TicketEvent::Refuted | TicketEvent::Merged)
            })
            .filter_map(|(key, _)| self.desk.get(*key).map(|ticket| ticket.incident))
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

/// How a service in that state is affected; none when it is up.
fn nature_of(state: NodeState) -> Option<Nature> {
    match state {
        NodeState::Up => None,
        NodeState::Backup => Some(Nature::BackupActive),
        NodeState::Degraded => Some(Nature::Degraded),
        NodeState::Down => Some(Nature::TotalOutage),
    }
}
