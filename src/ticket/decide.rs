//! The tickets that an incident needs: all decided at one instant, by what its alarms show then;
//! where a fault hits very many contracts, opened one portion per step.

use crate::model::severity::Severity;
use crate::model::time::{At, EngineTime};
use crate::ticket::desk::{Desk, TicketChanges, TicketEvent};
use crate::ticket::policy::decide;
use crate::ticket::policy::{AffectedContract, IncidentFacts, Nature, NoTicket, TicketDecision};
use crate::ticket::record::{Opening, Ticket};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};

/// Contracts of an incident of which tickets are decided and not opened yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Unopened {
    since: EngineTime,
    /// What was known when they were decided; the contracts are below.
    facts: IncidentFacts,
    contracts: VecDeque<AffectedContract>,
    /// Why one of those before got none.
    refused: Option<NoTicket>,
}

/// What a contract has of an incident already.
#[derive(Clone, Copy, Default)]
struct OfContract {
    /// Its open ticket, the first where there are several.
    open: Option<u64>,
    /// The worst that was refuted.
    refuted: Option<Nature>,
}

impl Desk {
    /// Decides an incident's tickets and opens those that are missing, or the first of them. Gives
    /// the tickets of other incidents that count the outage of its services already.
    ///
    /// # Errors
    /// The reason why it needs none beside those that it has.
    pub fn decide(
        &mut self,
        at: At,
        mut facts: IncidentFacts,
        clock_quality: &str,
        changes: &mut TicketChanges,
    ) -> Result<Vec<u64>, NoTicket> {
        if let Some(before) = self.unopened.remove(&facts.incident) {
            facts.contracts = united(facts.contracts, before.contracts.into());
        }
        match decide(&facts, self.settings.unknown_senders_open) {
            TicketDecision::None(reason) => Err(reason),
            TicketDecision::Internal => {
                if self.is_done(facts.incident) {
                    self.open_internal(at, &facts, clock_quality, changes)?;
                }
                Ok(Vec::new())
            }
            TicketDecision::Contracts => {
                let contracts = VecDeque::from(std::mem::take(&mut facts.contracts));
                let unopened = Unopened { since: at.engine, facts, contracts, refused: None };
                self.open_portion(at, unopened, (clock_quality, changes))
            }
        }
    }

    /// Opens the next of the tickets that were decided: gives their incident, and what
    /// [`Desk::decide`] gives.
    pub fn open_further(
        &mut self,
        at: At,
        clock_quality: &str,
        changes: &mut TicketChanges,
    ) -> Option<(u64, Result<Vec<u64>, NoTicket>)> {
        let (incident, unopened) = self.unopened.pop_first()?;
        Some((incident, self.open_portion(at, unopened, (clock_quality, changes))))
    }

    /// Since when tickets are decided and not open.
    #[must_use]
    pub fn waits_since(&self) -> Option<EngineTime> {
        self.unopened.values().map(|unopened| unopened.since).min()
    }

    /// The incident was taken over: what was decided for it is opened for the other one.
    pub(super) fn bring_unopened_along(&mut self, loser: u64, survivor: u64) {
        let Some(mut moved) = self.unopened.remove(&loser) else { return };
        moved.facts.incident = survivor;
        if let Some(known) = self.unopened.remove(&survivor) {
            moved = Unopened { contracts: united(known.contracts, moved.contracts), ..known };
        }
        self.unopened.insert(survivor, moved);
    }

    fn open_portion(
        &mut self,
        at: At,
        mut unopened: Unopened,
        (clock_quality, changes): (&str, &mut TicketChanges),
    ) -> Result<Vec<u64>, NoTicket> {
        let incident = unopened.facts.incident;
        let count = unopened.contracts.len().min(OPENED_MAX);
        let portion: Vec<AffectedContract> = unopened.contracts.drain(..count).collect();
        let known = self.by_contract(incident, &portion);
        let mut covering = Vec::new();
        for affected in &portion {
            let known = known.get(&affected.contract).copied().unwrap_or_default();
            let affected = (affected, known);
            match self.open_or_update(at, &unopened.facts, affected, (clock_quality, changes)) {
                Ok(keys) => covering.extend(keys),
                Err(reason) => unopened.refused = Some(reason),
            }
        }
        if !unopened.contracts.is_empty() {
            self.unopened.insert(incident, unopened);
            return Ok(covering);
        }
        self.unify(at, incident, changes);
        match unopened.refused.filter(|_| self.is_done(incident)) {
            Some(reason) => Err(reason),
            None => Ok(covering),
        }
    }

    fn open_internal(
        &mut self,
        at: At,
        facts: &IncidentFacts,
        clock_quality: &str,
        changes: &mut TicketChanges,
    ) -> Result<(), NoTicket> {
        let is_blocking = facts.severity == Severity::Critical;
        let is_refuted = |ticket: &Ticket| {
            ticket.is_refuted && ticket.contract.is_none() && ticket.is_blocking >= is_blocking
        };
        if self.finished_tickets_of(facts.incident).any(|(_, ticket)| is_refuted(ticket)) {
            return Err(NoTicket::Refuted);
        }
        self.open(
            at,
            Opening {
                number: SmolStr::default(),
                incident: facts.incident,
                contract: None,
                root_resource: facts.root_resource.clone(),
                services: Vec::new(),
                nature: None,
                is_blocking,
                detected_at: facts.detected_at,
                occurred_at: facts.occurred_at,
                carried_until: None,
                opened_at: at.wall,
                clock_quality: clock_quality.to_owned(),
                observe: self.settings.observe,
            },
            changes,
        );
        Ok(())
    }

    fn finished_tickets_of(&self, incident: u64) -> impl Iterator<Item = (&u64, &Ticket)> {
        let keys = self.finished_by_incident.get(&incident);
        keys.into_iter().flatten().filter_map(|key| self.tickets.get_key_value(key))
    }

    /// What each of these contracts (sorted by id) has of an incident already.
    fn by_contract(
        &self,
        incident: u64,
        portion: &[AffectedContract],
    ) -> BTreeMap<SmolStr, OfContract> {
        let mut known: BTreeMap<SmolStr, OfContract> = BTreeMap::new();
        let known_as = |ticket: &Ticket| {
            let id = ticket.contract.as_ref()?.id.as_str();
            let place = portion.binary_search_by(|affected| affected.contract.as_str().cmp(id));
            Some(portion.get(place.ok()?)?.contract.clone())
        };
        let unfinished =
            self.of_incident(incident).iter().filter_map(|key| self.tickets.get_key_value(key));
        for (key, ticket) in unfinished.filter(|(_, ticket)| ticket.is_open()) {
            if let Some(contract) = known_as(ticket) {
                let of_contract = known.entry(contract).or_default();
                of_contract.open = of_contract.open.or(Some(*key));
            }
        }
        for (_, ticket) in self.finished_tickets_of(incident).filter(|(_, one)| one.is_refuted) {
            if let Some(contract) = known_as(ticket) {
                let of_contract = known.entry(contract).or_default();
                of_contract.refuted = of_contract.refuted.max(ticket.nature);
            }
        }
        known
    }

    /// One affected contract: its ticket of this incident is kept up to date; services whose outage
    /// another incident's ticket counts already are left to that one (the keys given); for the rest
    /// a ticket opens.
    fn open_or_update(
        &mut self,
        at: At,
        facts: &IncidentFacts,
        (affected, known): (&AffectedContract, OfContract),
        (clock_quality, changes): (&str, &mut TicketChanges),
    ) -> Result<Vec<u64>, NoTicket> {
        if let Some(key) = known.open {
            self.update(key, facts, affected, changes);
            return Ok(Vec::new());
        }
        if known.refuted >= Some(affected.nature) {
            return Err(NoTicket::Refuted);
        }
        let Some(contract) = self.contracts.get(affected.contract.as_str()).cloned() else {
            return Ok(Vec::new());
        };
        let (covering, services) = self.covered(affected);
        for key in &covering {
            self.cover(facts.incident, *key);
        }
        if services.is_empty() {
            return Ok(covering);
        }
        let observe = self.settings.observe || contract.observe;
        self.open(
            at,
            Opening {
                number: SmolStr::default(),
                incident: facts.incident,
                contract: Some(contract),
                root_resource: facts.root_resource.clone(),
                services,
                nature: Some(affected.nature),
                is_blocking: affected.nature == Nature::TotalOutage,
                detected_at: affected.detected_at,
                occurred_at: affected.occurred_at,
                carried_until: affected.carried_until,
                opened_at: at.wall,
                clock_quality: clock_quality.to_owned(),
                observe,
            },
            changes,
        );
        Ok(covering)
    }

    fn update(
        &mut self,
        key: u64,
        facts: &IncidentFacts,
        affected: &AffectedContract,
        changes: &mut TicketChanges,
    ) {
        self.add_services(key, affected.services.clone(), changes);
        let Some(ticket) = self.tickets.get_mut(&key) else { return };
        // A ticket that only covers this incident keeps the root of its own.
        if ticket.incident == facts.incident && ticket.root_resource != facts.root_resource {
            ticket.root_resource.clone_from(&facts.root_resource);
            changes.push((key, TicketEvent::Updated));
        }
    }
}

/// Contracts by id, of two decisions: what was once decided gets its ticket.
fn united<C>(these: C, those: C) -> C
where
    C: IntoIterator<Item = AffectedContract> + FromIterator<AffectedContract>,
{
    let mut all: BTreeMap<SmolStr, AffectedContract> = BTreeMap::new();
    for affected in these.into_iter().chain(those) {
        match all.entry(affected.contract.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(affected);
            }
            Entry::Occupied(mut entry) => entry.get_mut().absorb(affected),
        }
    }
    all.into_values().collect()
}

/// Tickets opened by one step at most.
const OPENED_MAX: usize = 64;
