//! All tickets, their numbers and their deadlines.

use crate::model::contract::Contract;
use crate::model::settings::TicketSettings;
use crate::model::severity::Severity;
use crate::model::time::{At, Timestamp};
use crate::model::timer::Timers;
use crate::ticket::policy::decide;
use crate::ticket::policy::{AffectedContract, IncidentFacts, Nature, NoTicket, TicketDecision};
use crate::ticket::record::{ImpossibleTransition, Opening, Ticket, VIGIE};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What waits for time to pass.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, Copy)]
pub enum Deadline {
    /// An unconfirmed ticket confirms itself.
    Confirm(u64),
    /// Service has been back long enough.
    Stable(u64),
    /// The target is passed.
    Breach(u64),
    /// A finished ticket may be forgotten.
    Forget(u64),
}

/// What happened to a ticket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TicketEvent {
    /// Its content changed.
    Updated,
    /// It opened.
    Opened,
    /// It was confirmed.
    Confirmed,
    /// Its target was passed.
    Breached,
    /// Service is back.
    Restored,
    /// Service failed again.
    Reopened,
    /// It was refuted.
    Refuted,
    /// Another goes on in its place.
    Merged,
    /// It was closed.
    Closed,
}

/// What a step of the desk changed, in order.
pub type TicketChanges = Vec<(u64, TicketEvent)>;

/// The tickets. Keys are their ordinal over all series, in the order of opening.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Desk {
    tickets: BTreeMap<u64, Ticket>,
    by_number: BTreeMap<String, u64>,
    by_incident: BTreeMap<u64, Vec<u64>>,
    counters: BTreeMap<String, u64>,
    opened_in_all: u64,
    /// Deadlines.
    pub timers: Timers<Deadline>,
    /// Settings in force.
    pub settings: TicketSettings,
    contracts: BTreeMap<String, Contract>,
}

/// Why an operator's command on a ticket was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such ticket.
    #[error("there is no ticket {0}; list them with GET /api/v1/tickets")]
    Unknown(String),
    /// The life cycle does not have the step.
    #[error(transparent)]
    Impossible(#[from] ImpossibleTransition),
    /// It is confirmed already.
    #[error("ticket {0} is confirmed already")]
    AlreadyConfirmed(String),
    /// The time given cannot be.
    #[error("{0} lies {1}; give a time between the start of the incident and now")]
    TimeImpossible(Timestamp, &'static str),
}

impl Desk {
    /// Takes over new settings. Open tickets keep the contract they were opened under.
    pub fn apply_settings(&mut self, settings: &TicketSettings, contracts: &[Contract]) {
        self.settings = settings.clone();
        self.contracts = contracts.iter().map(|one| (one.id.clone(), one.clone())).collect();
    }

    /// A ticket by its key.
    #[must_use]
    pub fn get(&self, key: u64) -> Option<&Ticket> {
        self.tickets.get(&key)
    }

    /// Every ticket held, in the order of opening.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Ticket)> {
        self.tickets.iter().map(|(key, ticket)| (*key, ticket))
    }

    /// Number of open tickets.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.tickets.values().filter(|ticket| ticket.is_open()).count()
    }

    /// How many tickets each series has opened.
    #[must_use]
    pub fn counters(&self) -> &BTreeMap<String, u64> {
        &self.counters
    }

    /// Keys of an incident's tickets, in the order of opening.
    #[must_use]
    pub fn of_incident(&self, incident: u64) -> &[u64] {
        self.by_incident.get(&incident).map_or(&[], Vec::as_slice)
    }

    /// Whether none of the incident's tickets is open.
    #[must_use]
    pub fn is_done(&self, incident: u64) -> bool {
        !self
            .of_incident(incident)
            .iter()
            .any(|key| self.tickets.get(key).is_some_and(Ticket::is_open))
    }

    /// Decides an incident's tickets and opens those that are missing.
    ///
    /// # Errors
    /// The reason why it needs none (or none beside those that it has).
    pub fn decide(
        &mut self,
        at: At,
        facts: &IncidentFacts,
        clock_quality: &str,
        changes: &mut TicketChanges,
    ) -> Result<(), NoTicket> {
        match decide(facts, self.settings.unknown_senders_open) {
            TicketDecision::None(reason) => return Err(reason),
            TicketDecision::Internal => {
                if self.is_done(facts.incident) {
                    self.open_internal(at, facts, clock_quality, changes);
                }
            }
            TicketDecision::Contracts => {
                for affected in &facts.contracts {
                    self.open_or_update(at, facts, affected, (clock_quality, changes));
                }
            }
        }
        Ok(())
    }

    fn open_internal(
        &mut self,
        at: At,
        facts: &IncidentFacts,
        clock_quality: &str,
        changes: &mut TicketChanges,
    ) {
        let is_blocking = facts.severity == Severity::Critical;
        self.open(
            at,
            Opening {
                number: String::new(),
                incident: facts.incident,
                contract: None,
                root_resource: facts.root_resource.clone(),
                services: Vec::new(),
                nature: None,
                is_blocking,
                detected_at: facts.detected_at,
                occurred_at: facts.occurred_at,
                opened_at: at.wall,
                clock_quality: clock_quality.to_owned(),
                observe: self.settings.observe,
            },
            changes,
        );
    }

    fn open_or_update(
        &mut self,
        at: At,
        facts: &IncidentFacts,
        affected: &AffectedContract,
        (clock_quality, changes): (&str, &mut TicketChanges),
    ) {
        let known = self.of_incident(facts.incident).iter().copied().find(|key| {
            self.tickets.get(key).is_some_and(|ticket| {
                ticket.is_open()
                    && ticket.contract.as_ref().is_some_and(|one| one.id == affected.contract)
            })
        });
        if let Some(key) = known {
            self.update(key, facts, affected, changes);
            return;
        }
        let Some(contract) = self.contracts.get(&affected.contract).cloned() else { return };
        let observe = self.settings.observe || contract.observe;
        self.open(
            at,
            Opening {
                number: String::new(),
                incident: facts.incident,
                contract: Some(contract),
                root_resource: facts.root_resource.clone(),
                services: affected.services.clone(),
                nature: Some(affected.nature),
                is_blocking: affected.nature == Nature::TotalOutage,
                detected_at: affected.detected_at,
                occurred_at: affected.occurred_at,
                opened_at: at.wall,
                clock_quality: clock_quality.to_owned(),
                observe,
            },
            changes,
        );
    }

    fn update(
        &mut self,
        key: u64,
        facts: &IncidentFacts,
        affected: &AffectedContract,
        changes: &mut TicketChanges,
    ) {
        let Some(ticket) = self.tickets.get_mut(&key) else { return };
        let mut services = ticket.services.clone();
        services.extend(affected.services.iter().cloned());
        services.sort();
        services.dedup();
        let nature = Some(affected.nature);
        let is_same = ticket.services == services
            && ticket.nature == nature
            && ticket.root_resource == facts.root_resource;
        if !is_same {
            ticket.services = services;
            ticket.nature = nature;
            ticket.root_resource.clone_from(&facts.root_resource);
            changes.push((key, TicketEvent::Updated));
        }
    }

    fn open(&mut self, at: At, mut opening: Opening, changes: &mut TicketChanges) {
        let series = if opening.observe {
            self.settings.observe_series.clone()
        } else {
            self.settings.series.clone()
        };
        let counter = self.counters.entry(series.clone()).or_insert(0);
        *counter = counter.saturating_add(1);
        opening.number = format!("{series}-{counter:06}");
        self.opened_in_all = self.opened_in_all.saturating_add(1);
        let key = self.opened_in_all;
        let delay_min = opening
            .contract
            .as_ref()
            .map_or(self.settings.confirmation_delay_min, |one| one.confirmation_delay_min);
        self.by_number.insert(opening.number.clone(), key);
        self.by_incident.entry(opening.incident).or_default().push(key);
        self.tickets.insert(key, Ticket::open(opening));
        self.timers.set(Deadline::Confirm(key), at.engine.plus_ns(minutes_ns(delay_min)));
        self.set_breach(at, key);
        changes.push((key, TicketEvent::Opened));
    }

    /// The engine's deadline for a wall-clock instant; set again when the wall clock is.
    fn set_breach(&mut self, at: At, key: u64) {
        let Some(ticket) = self.tickets.get(&key) else { return };
        let due = ticket.target_s().and_then(|target| ticket.clock.breach_at(target));
        match due.filter(|_| !ticket.is_breached) {
            Some(breach_at) => {
                let wait = u64::try_from(breach_at.ns_since(at.wall)).unwrap_or(0);
                self.timers.set(Deadline::Breach(key), at.engine.plus_ns(wait));
            }
            None => self.timers.cancel(Deadline::Breach(key)),
        }
    }

    /// The wall clock was set: every breach is due at another engine time.
    pub fn wall_clock_set(&mut self, at: At) {
        let keys: Vec<u64> = self.tickets.keys().copied().collect();
        for key in keys {
            self.set_breach(at, key);
        }
    }

    /// An incident's service is back (`back_since`) or is not (`None`, failed at `failed_at`).
    /// `is_affected` says which of its tickets is still affected.
    pub fn service_changed(
        &mut self,
        at: At,
        key: u64,
        back_since: Option<Timestamp>,
        changes: &mut TicketChanges,
    ) {
        let stable_min = self.stable_min(key);
        let Some(ticket) = self.tickets.get_mut(&key) else { return };
        match (ticket.state(), back_since) {
            (_, Some(_)) if ticket.time("restored_at").is_some() => {}
            (_, Some(since)) if ticket.is_open() && ticket.back_since.is_none() => {
                ticket.back_since = Some(since);
                let due = at.engine.plus_ns(minutes_ns(stable_min));
                self.timers.set(Deadline::Stable(key), due);
            }
            (_, None) if ticket.is_open() => {
                ticket.back_since = None;
                self.timers.cancel(Deadline::Stable(key));
                if ticket.relapse(at.wall, at.wall).is_ok() {
                    changes.push((key, TicketEvent::Reopened));
                    self.set_breach(at, key);
                }
            }
            _ => {}
        }
    }

    /// How the service is affected changed while the ticket is open.
    pub fn set_nature(&mut self, key: u64, nature: Nature, changes: &mut TicketChanges) {
        if let Some(ticket) = self.tickets.get_mut(&key)
            && ticket.nature != Some(nature)
        {
            ticket.nature = Some(nature);
            changes.push((key, TicketEvent::Updated));
        }
    }

    fn stable_min(&self, key: u64) -> u32 {
        self.tickets
            .get(&key)
            .and_then(|ticket| ticket.contract.as_ref())
            .map_or(self.settings.stable_min, |contract| contract.stable_min)
    }

    /// Does what was due.
    pub fn fire(&mut self, at: At, deadline: Deadline, changes: &mut TicketChanges) {
        match deadline {
            Deadline::Confirm(key) => {
                if let Some(ticket) = self.tickets.get_mut(&key)
                    && ticket.confirmed_by.is_none()
                    && ticket.is_open()
                {
                    ticket.confirmed_by = Some("confirmation delay".to_owned());
                    changes.push((key, TicketEvent::Confirmed));
                }
            }
            Deadline::Stable(key) => {
                let Some(ticket) = self.tickets.get_mut(&key) else { return };
                let Some(since) = ticket.back_since else { return };
                if ticket.restore(since, (VIGIE, "cleared and stable"), at.wall).is_ok() {
                    self.timers.cancel(Deadline::Breach(key));
                    changes.push((key, TicketEvent::Restored));
                }
            }
            Deadline::Breach(key) => self.breach(at, key, changes),
            Deadline::Forget(key) => self.forget(key),
        }
    }

    fn breach(&mut self, at: At, key: u64, changes: &mut TicketChanges) {
        let Some(ticket) = self.tickets.get_mut(&key) else { return };
        let due = ticket.target_s().and_then(|target| ticket.clock.breach_at(target));
        match due {
            Some(due) if due <= at.wall && ticket.is_open() => {
                ticket.is_breached = true;
                changes.push((key, TicketEvent::Breached));
            }
            Some(_) => self.set_breach(at, key),
            None => {}
        }
    }

    fn forget(&mut self, key: u64) {
        if let Some(ticket) = self.tickets.remove(&key) {
            self.by_number.remove(&ticket.number);
            if let Some(keys) = self.by_incident.get_mut(&ticket.incident) {
                keys.retain(|known| *known != key);
                if keys.is_empty() {
                    self.by_incident.remove(&ticket.incident);
                }
            }
        }
    }

    fn finished(&mut self, at: At, key: u64) {
        for deadline in [Deadline::Confirm(key), Deadline::Stable(key), Deadline::Breach(key)] {
            self.timers.cancel(deadline);
        }
        self.timers.set(Deadline::Forget(key), at.engine.plus_ns(FORGET_AFTER_NS));
    }

    /// One incident took another over: its tickets come along. Where both have one for the same
    /// contract (or both an internal one), the older goes on and the other is cancelled.
    pub fn merge(&mut self, at: At, loser: u64, survivor: u64, changes: &mut TicketChanges) {
        for key in self.by_incident.remove(&loser).unwrap_or_default() {
            let Some(ticket) = self.tickets.get_mut(&key) else { continue };
            ticket.incident = survivor;
            self.by_incident.entry(survivor).or_default().push(key);
            changes.push((key, TicketEvent::Updated));
        }
        let mut keys = self.of_incident(survivor).to_vec();
        keys.sort_unstable();
        let mut holders: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for key in keys.iter().copied() {
            let Some(ticket) = self.tickets.get(&key).filter(|ticket| ticket.is_open()) else {
                continue;
            };
            let contract = ticket.contract.as_ref().map(|one| one.id.clone());
            if let Some(holder) = holders.get(&contract).copied() {
                self.cancel_merged(at, key, holder, changes);
            } else {
                holders.insert(contract, key);
            }
        }
        self.by_incident.insert(survivor, keys);
    }

    fn cancel_merged(&mut self, at: At, key: u64, holder: u64, changes: &mut TicketChanges) {
        let goes_on =
            self.tickets.get(&holder).map(|ticket| ticket.number.clone()).unwrap_or_default();
        let reason = format!("the same fault as {goes_on}");
        let Some(ticket) = self.tickets.get_mut(&key) else { return };
        if ticket.cancel((VIGIE, &reason), at.wall).is_ok() {
            changes.push((key, TicketEvent::Merged));
            self.finished(at, key);
        }
    }

    fn key_of(&self, number: &str) -> Result<u64, Refusal> {
        self.by_number.get(number).copied().ok_or_else(|| Refusal::Unknown(number.to_owned()))
    }

    fn ticket_mut(&mut self, number: &str) -> Result<(u64, &mut Ticket), Refusal> {
        let key = self.key_of(number)?;
        let unknown = || Refusal::Unknown(number.to_owned());
        self.tickets.get_mut(&key).map(|ticket| (key, ticket)).ok_or_else(unknown)
    }

    /// An operator confirms.
    ///
    /// # Errors
    /// When there is no such ticket, or it is confirmed or finished already.
    pub fn confirm(
        &mut self,
        number: &str,
        author: &str,
        changes: &mut TicketChanges,
    ) -> Result<(), Refusal> {
        let (key, ticket) = self.ticket_mut(number)?;
        if ticket.confirmed_by.is_some() {
            return Err(Refusal::AlreadyConfirmed(number.to_owned()));
        }
        if !ticket.is_open() {
            let (number, state) = (number.to_owned(), ticket.state());
            return Err(ImpossibleTransition { number, state, trigger: "confirmed" }.into());
        }
        ticket.confirmed_by = Some(author.to_owned());
        changes.push((key, TicketEvent::Confirmed));
        self.timers.cancel(Deadline::Confirm(key));
        Ok(())
    }

    /// An operator says that it is not real.
    ///
    /// # Errors
    /// When there is no such ticket, or it is finished already.
    pub fn refute(
        &mut self,
        at: At,
        number: &str,
        said: (&str, &str),
        changes: &mut TicketChanges,
    ) -> Result<(), Refusal> {
        let (key, ticket) = self.ticket_mut(number)?;
        ticket.cancel(said, at.wall)?;
        changes.push((key, TicketEvent::Refuted));
        self.finished(at, key);
        Ok(())
    }

    /// A named technician takes it.
    ///
    /// # Errors
    /// When there is no such ticket, or somebody has it already.
    pub fn take(
        &mut self,
        at: At,
        number: &str,
        author: &str,
        changes: &mut TicketChanges,
    ) -> Result<(), Refusal> {
        let (key, ticket) = self.ticket_mut(number)?;
        ticket.take(author, at.wall)?;
        changes.push((key, TicketEvent::Updated));
        Ok(())
    }

    /// An operator says that service is back since `restored_at`.
    ///
    /// # Errors
    /// When there is no such ticket, it is restored already, or the time cannot be.
    pub fn restore(
        &mut self,
        at: At,
        (number, restored_at): (&str, Option<Timestamp>),
        said: (&str, &str),
        changes: &mut TicketChanges,
    ) -> Result<(), Refusal> {
        let (key, ticket) = self.ticket_mut(number)?;
        let restored_at = restored_at.unwrap_or(at.wall);
        if restored_at > at.wall {
            return Err(Refusal::TimeImpossible(restored_at, "in the future"));
        }
        if ticket.time("incident_started_at").is_some_and(|start| restored_at < start) {
            return Err(Refusal::TimeImpossible(restored_at, "before the start of the incident"));
        }
        ticket.restore(restored_at, said, at.wall)?;
        changes.push((key, TicketEvent::Restored));
        self.timers.cancel(Deadline::Breach(key));
        self.timers.cancel(Deadline::Stable(key));
        Ok(())
    }

    /// Closure is pronounced.
    ///
    /// # Errors
    /// When there is no such ticket or it is not restored.
    pub fn close(
        &mut self,
        at: At,
        number: &str,
        said: (&str, &str),
        changes: &mut TicketChanges,
    ) -> Result<u64, Refusal> {
        let (key, ticket) = self.ticket_mut(number)?;
        ticket.close(said, at.wall)?;
        let incident = ticket.incident;
        changes.push((key, TicketEvent::Closed));
        self.finished(at, key);
        Ok(incident)
    }
}

fn minutes_ns(minutes: u32) -> u64 {
    u64::from(minutes).saturating_mul(60_000_000_000)
}

/// How long finished tickets stay in memory, ns. History keeps them.
const FORGET_AFTER_NS: u64 = 24 * 3_600_000_000_000;
