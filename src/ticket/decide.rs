//! The tickets that an incident needs: all decided at one instant, by what its alarms show then;
//! where a fault hits very many contracts, opened one portion per step.

use crate::model::severity::Severity;
use crate::model::time::{At, EngineTime};
use crate::ticket::desk::Desk;
use crate::ticket::event::{TicketChanges, TicketEvent};
use crate::ticket::policy::TicketDecision;
use crate::ticket::policy::decide;
use crate::ticket::policy::{AffectedContract, ByContract, IncidentFacts, Nature, NoTicket};
use crate::ticket::record::Opening;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::VecDeque;

/// Contracts of an incident of which tickets are decided and not opened yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Unopened {
    since: EngineTime,
    /// What was known when they were decided; the contracts are below.
    facts: IncidentFacts,
    /// Those of each decision, the first of them first.
    decided: VecDeque<ByContract>,
    /// Why one of those before got none.
    refused: Option<NoTicket>,
}

impl Unopened {
    /// Another decision, or what another incident has brought along. What was decided first stays,
    /// and comes first; a later look may add services to it, or find it worse, and each ticket is
    /// told how its services are once it is open.
    fn add(&mut self, contracts: ByContract) {
        if contracts.len() > FEW {
            self.decided.push_back(contracts);
            return;
        }
        let mut new = ByContract::new();
        for (contract, affected) in contracts {
            let known = self.decided.iter_mut().find_map(|decided| decided.get_mut(&contract));
            if let Some(known) = known {
                known.find_again(affected);
            } else {
                new.insert(contract, affected);
            }
        }
        let is_many = self.decided.len() >= PARTS_MAX;
        match self.decided.back_mut() {
            Some(last) if is_many => last.extend(new),
            _ if new.is_empty() => {}
            _ => self.decided.push_back(new),
        }
    }

    /// The next contract, by all that was decided about it.
    fn next(&mut self) -> Option<AffectedContract> {
        let first = self.decided.iter_mut().find_map(ByContract::pop_first);
        let (contract, mut affected) = first?;
        for later in &mut self.decided {
            if let Some(again) = later.remove(&contract) {
                affected.find_again(again);
            }
        }
        self.decided.retain(|contracts| !contracts.is_empty());
        affected.services.sort();
        affected.services.dedup();
        Some(affected)
    }
}

/// What a contract has of an incident already.
#[derive(Clone, Copy)]
struct OfContract {
    /// Its open ticket, the first where there are several.
    open: Option<u64>,
    /// The worst that was refuted.
    refuted: Option<Nature>,
    /// The worst that was closed while the outage goes on: somebody said that service is back, and
    /// that stands until something fails anew.
    closed: Option<Nature>,
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
        let before = self.unopened.remove(&facts.incident);
        let decision = decide(&facts, self.settings.unknown_senders_open);
        let contracts = std::mem::take(&mut facts.contracts);
        if let Some(before) = before {
            let mut unopened = Unopened { facts, refused: None, ..before };
            unopened.add(contracts);
            return self.open_portion(at, unopened, (clock_quality, changes));
        }
        match decision {
            TicketDecision::None(reason) => Err(reason),
            TicketDecision::Internal => {
                if self.is_done(facts.incident) {
                    self.open_internal(at, &facts, clock_quality, changes)?;
                }
                Ok(Vec::new())
            }
            TicketDecision::Contracts => {
                let decided = VecDeque::from([contracts]);
                let unopened = Unopened { since: at.engine, facts, decided, refused: None };
                self.open_portion(at, unopened, (clock_quality, changes))
            }
        }
    }

    /// Opens the next of the tickets that were decided, of the incident that waits longest. Gives
    /// the incident, and what [`Desk::decide`] gives.
    pub fn open_further(
        &mut self,
        at: At,
        clock_quality: &str,
        changes: &mut TicketChanges,
    ) -> Option<(u64, Result<Vec<u64>, NoTicket>)> {
        let waiting = self.unopened.iter().map(|(incident, unopened)| (unopened.since, *incident));
        let (_, incident) = waiting.min()?;
        let unopened = self.unopened.remove(&incident)?;
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
        let unopened = match self.unopened.remove(&survivor) {
            Some(mut known) => {
                known.since = known.since.min(moved.since);
                known.refused = known.refused.or(moved.refused);
                for contracts in moved.decided {
                    known.add(contracts);
                }
                known
            }
            None => moved,
        };
        self.unopened.insert(survivor, unopened);
    }

    /// The root resource that an incident has now.
    pub fn set_root(&mut self, incident: u64, root_resource: SmolStr) {
        if let Some(unopened) = self.unopened.get_mut(&incident) {
            unopened.facts.root_resource = root_resource;
        }
    }

    /// Incidents of which tickets are decided and not open.
    pub fn unopened(&self) -> impl Iterator<Item = u64> + '_ {
        self.unopened.keys().copied()
    }

    fn open_portion(
        &mut self,
        at: At,
        mut unopened: Unopened,
        (clock_quality, changes): (&str, &mut TicketChanges),
    ) -> Result<Vec<u64>, NoTicket> {
        let incident = unopened.facts.incident;
        let mut portion: Vec<AffectedContract> = Vec::new();
        let mut services = 0_usize;
        while portion.len() < OPENED_MAX
            && services < OPENED_SERVICES_MAX
            && let Some(next) = unopened.next()
        {
            services = services.saturating_add(next.services.len());
            portion.push(next);
        }
        portion.sort_unstable_by(|one, other| one.contract.cmp(&other.contract));
        let mut covering = Vec::new();
        for affected in &portion {
            let known = self.known_of(incident, affected);
            let affected = (affected, known);
            match self.open_or_update(at, &unopened.facts, affected, (clock_quality, changes)) {
                Ok(keys) => covering.extend(keys),
                Err(reason) => unopened.refused = Some(reason),
            }
        }
        let contracts = portion.into_iter().map(|affected| affected.contract);
        self.unify(at, incident, contracts, changes);
        if !unopened.decided.is_empty() {
            self.unopened.insert(incident, unopened);
            return Ok(covering);
        }
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
        let said = self.by_incident.said_for(facts.incident, SmolStr::default());
        let mut is_closed = false;
        for ticket in said.filter_map(|key| self.tickets.get(&key)) {
            if is_blocking && !ticket.is_blocking {
                continue;
            }
            if ticket.is_refuted {
                return Err(NoTicket::Refuted);
            }
            is_closed |= ticket.closed_at >= Some(facts.failed_at);
        }
        if is_closed {
            return Ok(());
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

    /// What an affected contract has of an incident already.
    fn known_of(&self, incident: u64, affected: &AffectedContract) -> OfContract {
        let open = self.by_incident.running_for(incident, affected.contract.clone()).next();
        let mut known = OfContract { open, refuted: None, closed: None };
        let said = self.by_incident.said_for(incident, affected.contract.clone());
        for ticket in said.filter_map(|key| self.tickets.get(&key)) {
            if ticket.is_refuted {
                known.refuted = known.refuted.max(ticket.nature);
            }
            if ticket.closed_at >= Some(affected.failed_at) {
                known.closed = known.closed.max(ticket.nature);
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
        if known.closed >= Some(affected.nature) {
            return Ok(Vec::new());
        }
        let Some(contract) = self.contracts.get(&affected.contract).cloned() else {
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

/// So few contracts of another decision are put to those decided before.
const FEW: usize = 256;
/// Into so many parts few contracts are not put apart from those decided before.
const PARTS_MAX: usize = 8;
/// Tickets opened at a time.
const OPENED_MAX: usize = 64;
/// No further one is when those are about so many services.
const OPENED_SERVICES_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::contract::Contract;
    use crate::model::settings::TicketSettings;
    use crate::model::time::Timestamp;
    use crate::ticket::record::Ticket;

    fn at(ns: u64) -> At {
        let wall = Timestamp(i64::try_from(ns).expect("small"));
        At { engine: EngineTime(ns), wall }
    }

    fn affected(contract: &str, nature: Nature) -> AffectedContract {
        AffectedContract {
            contract: contract.into(),
            services: vec![SmolStr::new(format!("service of {contract}"))],
            nature,
            detected_at: Timestamp(1),
            occurred_at: None,
            failed_at: EngineTime(1),
            carried_until: None,
        }
    }

    fn facts(
        incident: u64,
        contracts: impl IntoIterator<Item = AffectedContract>,
    ) -> IncidentFacts {
        IncidentFacts {
            incident,
            root_resource: "core".into(),
            severity: Severity::Major,
            is_known: true,
            failed_at: EngineTime(1),
            contracts: contracts.into_iter().map(|one| (one.contract.clone(), one)).collect(),
            detected_at: Timestamp(1),
            occurred_at: None,
        }
    }

    fn outage(contracts: std::ops::Range<u32>) -> impl Iterator<Item = AffectedContract> {
        contracts.map(|number| affected(&format!("c{number:03}"), Nature::TotalOutage))
    }

    fn desk() -> Desk {
        let known = (0..300).map(|number| format!("c{number:03}")).chain(["a".to_owned()]);
        let contracts = known.map(|id| Contract::new(&id, "a customer", 240)).collect();
        let mut desk = Desk::default();
        desk.apply_settings(&TicketSettings::default(), &contracts);
        desk
    }

    /// Opens all that waits: the contracts in the order of opening.
    fn open_all(desk: &mut Desk) -> Vec<String> {
        let mut changes = TicketChanges::new();
        while let Some((_, decided)) = desk.open_further(at(9), "good", &mut changes) {
            assert_eq!(decided, Ok(Vec::new()));
        }
        assert_eq!(desk.waits_since(), None);
        let contract = |ticket: &Ticket| ticket.contract.as_ref().map(|one| one.id.clone());
        desk.iter().filter_map(|(_, ticket)| contract(ticket)).collect()
    }

    #[test]
    fn another_look_lets_nobody_wait_longer_and_leaves_out_no_contract() {
        let (mut desk, mut changes) = (desk(), TicketChanges::new());
        assert_eq!(desk.decide(at(5), facts(1, outage(0..200)), "good", &mut changes), Ok(vec![]));
        assert_eq!((changes.len(), desk.waits_since()), (OPENED_MAX, Some(EngineTime(5))));
        // Now c150 is well again, c151 only degraded, and another contract affected as well.
        let now = [affected("a", Nature::Degraded), affected("c151", Nature::Degraded)];
        let rest = outage(0..200).filter(|one| !["c150", "c151"].contains(&&*one.contract));
        let again = facts(1, now.into_iter().chain(rest));
        assert_eq!(desk.decide(at(6), again, "good", &mut changes), Ok(vec![]));
        assert_eq!((changes.len(), desk.waits_since()), (2 * OPENED_MAX, Some(EngineTime(5))));
        assert!(!desk.is_done(1));
        let mut opened = open_all(&mut desk);
        let number = |number: u32| format!("c{number:03}");
        let first: Vec<String> = (0..192).map(number).collect();
        let last: Vec<String> =
            std::iter::once("a".to_owned()).chain((192..200).map(number)).collect();
        assert_eq!(opened.split_off(192), last, "the last portion, by id");
        assert_eq!(opened, first, "what was decided first");
        let natures = |contract: &str| {
            let is_its =
                |ticket: &&Ticket| ticket.contract.as_ref().is_some_and(|one| one.id == contract);
            desk.iter().map(|(_, ticket)| ticket).find(is_its).and_then(|ticket| ticket.nature)
        };
        assert_eq!(natures("c151"), Some(Nature::TotalOutage), "as it was decided");
        assert_eq!(natures("a"), Some(Nature::Degraded));
    }

    #[test]
    fn who_waits_longest_comes_first_and_a_merged_incident_brings_its_contracts() {
        let (mut desk, mut changes) = (desk(), TicketChanges::new());
        let _ = desk.decide(at(5), facts(2, outage(0..100)), "good", &mut changes);
        let _ = desk.decide(at(6), facts(1, outage(100..200)), "good", &mut changes);
        let _ = desk.decide(at(7), facts(3, outage(200..300)), "good", &mut changes);
        changes.clear();
        let (incident, _) = desk.open_further(at(8), "good", &mut changes).expect("two wait");
        assert_eq!((incident, changes.len()), (2, 100 - OPENED_MAX));
        desk.merge(at(8), &[(3, 1)]);
        while desk.moving_since().is_some() {
            assert!(desk.move_further(at(8), 10, &mut changes).len() <= 10);
        }
        desk.set_root(1, "power".into());
        assert_eq!(desk.unopened().collect::<Vec<_>>(), [1]);
        let mut opened = open_all(&mut desk);
        opened.sort();
        let expected: Vec<String> = (0..300).map(|number| format!("c{number:03}")).collect();
        assert_eq!(opened, expected, "each once");
        let roots = desk.iter().filter(|(_, ticket)| ticket.root_resource == "power");
        assert_eq!(roots.count(), 2 * (100 - OPENED_MAX), "those that were opened since");
        assert!(desk.iter().skip(OPENED_MAX * 3).all(|(_, ticket)| ticket.incident != 3));
    }
}
