//! All tickets, their numbers and their deadlines.

use crate::model::contract::Contracts;
use crate::model::settings::TicketSettings;
use crate::model::time::{At, EngineTime, Timestamp};
use crate::model::timer::Timers;
use crate::ticket::decide::Unopened;
use crate::ticket::event::{TicketChanges, TicketEvent};
use crate::ticket::family::Moving;
use crate::ticket::of_incident::OfIncident;
use crate::ticket::policy::Nature;
use crate::ticket::record::{Opening, Ticket, VIGIE};
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, BTreeSet};

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

/// What is new about the services of a ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceNews {
    /// Within their commitment.
    Back {
        /// Since then.
        since: Timestamp,
        /// Whether another inventory made them so, and nothing was cleared.
        is_by_inventory: bool,
    },
    /// Not within it, and something failed just now.
    Failed {
        /// When that was received.
        since: Timestamp,
    },
    /// Not within it, as before.
    Out,
}

/// A place among the tickets of an incident: contract (empty: none), and key.
pub type TicketPlace = (SmolStr, u64);

/// The place before all of them.
pub const FIRST: TicketPlace = (SmolStr::new_static(""), 0);

/// The tickets. Keys are their ordinal over all series, in the order of opening.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Desk {
    pub(super) tickets: BTreeMap<u64, Ticket>,
    pub(super) by_number: BTreeMap<SmolStr, u64>,
    #[serde(skip)]
    pub(super) by_incident: OfIncident,
    pub(super) by_service: BTreeMap<SmolStr, BTreeSet<u64>>,
    counters: BTreeMap<String, u64>,
    opened_in_all: u64,
    /// Deadlines.
    pub timers: Timers<Deadline>,
    /// Settings in force.
    pub settings: TicketSettings,
    pub(super) contracts: Contracts,
    /// Tickets of incidents that are decided and not opened yet.
    pub(super) unopened: BTreeMap<u64, Unopened>,
    /// Incidents that were taken over: tickets on their way to the survivor.
    pub(super) moving: Moving,
    /// The first ticket whose breach is to be worked out anew, since then.
    breaches_from: Option<(EngineTime, u64)>,
}

impl Desk {
    /// Takes over new settings. Open tickets keep the contract they were opened under.
    pub fn apply_settings(&mut self, settings: &TicketSettings, contracts: &Contracts) {
        self.settings = settings.clone();
        self.contracts = contracts.clone();
    }

    /// Builds the look-ups again after the tickets were read from a snapshot.
    pub fn rebuild(&mut self) {
        self.by_incident = OfIncident::of(&self.tickets);
    }

    /// Whether the look-ups are what a restart would build.
    #[must_use]
    pub fn look_ups_are_right(&self) -> bool {
        self.by_incident == OfIncident::of(&self.tickets)
    }

    /// The ticket is shown after this happened to it.
    pub fn note_shown(&mut self, key: u64, event: TicketEvent) {
        if let Some(ticket) = self.tickets.get_mut(&key) {
            ticket.shown_as = event;
        }
    }

    /// A finished ticket whose incident lives on is not forgotten: it tells why there is none.
    pub fn forget_later(&mut self, at: At, key: u64) {
        self.timers.set(Deadline::Forget(key), at.engine.plus_ns(FORGET_AFTER_NS));
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

    /// How many tickets each series has opened.
    #[must_use]
    pub fn counters(&self) -> &BTreeMap<String, u64> {
        &self.counters
    }

    /// Keys of an incident's unfinished tickets, behind that one, by contract and key; begin with
    /// [`FIRST`].
    pub fn of_incident(
        &self,
        incident: u64,
        after: TicketPlace,
    ) -> impl Iterator<Item = TicketPlace> {
        let (contract, key) = after;
        let from = (contract, key.saturating_add(1));
        self.by_incident.running(incident, from).map(|(contract, key)| (contract.clone(), key))
    }

    /// Keys of an incident's unfinished tickets that do not only follow their services: internal
    /// ones, and those that are restored.
    pub fn of_incident_itself(&self, incident: u64) -> impl Iterator<Item = u64> + '_ {
        let internal = self.by_incident.running_for(incident, SmolStr::default());
        internal.chain(self.by_incident.restored(incident))
    }

    /// An incident's tickets in the order of opening, at most so many: of unfinished ones the first
    /// by contract, then of finished ones the newest.
    #[must_use]
    pub fn all_of_incident(&self, incident: u64, most: usize) -> Vec<&Ticket> {
        let running = self.by_incident.running(incident, FIRST).map(|(_, key)| key);
        let finished = self.by_incident.finished(incident).rev();
        let mut keys: Vec<u64> = running.chain(finished).take(most).collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| self.tickets.get(&key)).collect()
    }

    /// Whether none of the incident's tickets is open, or about to be.
    #[must_use]
    pub fn is_done(&self, incident: u64) -> bool {
        !self.unopened.contains_key(&incident)
            && !self.moving.leads_to(incident)
            && self.by_incident.running(incident, FIRST).next().is_none()
    }

    /// Keys of the unfinished tickets that count an outage of the service, in the order of opening.
    pub fn of_service(&self, service: &str) -> impl Iterator<Item = u64> + '_ {
        self.by_service.get(service).into_iter().flatten().copied()
    }

    pub(super) fn open(&mut self, at: At, mut opening: Opening, changes: &mut TicketChanges) {
        let series = if opening.observe {
            self.settings.observe_series.clone()
        } else {
            self.settings.series.clone()
        };
        let counter = self.counters.entry(series.clone()).or_insert(0);
        *counter = counter.saturating_add(1);
        opening.number = format_smolstr!("{series}-{counter:06}");
        self.opened_in_all = self.opened_in_all.saturating_add(1);
        let key = self.opened_in_all;
        let delay_min = opening
            .contract
            .as_ref()
            .map_or(self.settings.confirmation_delay_min, |one| one.confirmation_delay_min);
        self.by_number.insert(opening.number.clone(), key);
        for service in &opening.services {
            self.by_service.entry(service.clone()).or_default().insert(key);
        }
        let ticket = Ticket::open(opening);
        self.by_incident.add(ticket.incident, key, &ticket);
        self.tickets.insert(key, ticket);
        self.timers.set(Deadline::Confirm(key), at.engine.plus_ns(minutes_ns(delay_min)));
        self.set_breach(at, key);
        changes.push((key, TicketEvent::Opened));
    }

    /// The ticket has been restored, or has failed again.
    pub(super) fn note_restored(&mut self, key: u64) {
        if let Some(ticket) = self.tickets.get(&key) {
            self.by_incident.note_restored(key, ticket);
        }
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

    /// The wall clock was set: every breach is due at another engine time. Those of very many
    /// tickets are worked out in portions; one that fires before its turn finds that out itself.
    pub fn wall_clock_set(&mut self, at: At) {
        self.breaches_from = Some((at.engine, 0));
        self.set_breaches(at);
    }

    /// Works out the next of them.
    pub fn set_breaches(&mut self, at: At) {
        let Some((since, from)) = self.breaches_from.take() else { return };
        let next = self.tickets.range(from..).map(|(key, _)| *key);
        let keys: Vec<u64> = next.take(BREACHES_AT_ONCE).collect();
        for key in &keys {
            self.set_breach(at, *key);
        }
        if keys.len() == BREACHES_AT_ONCE {
            self.breaches_from = keys.last().map(|last| (since, last.saturating_add(1)));
        }
    }

    /// Since when breaches are due at another engine time than is known.
    #[must_use]
    pub fn breaches_wait_since(&self) -> Option<EngineTime> {
        self.breaches_from.map(|(since, _)| since)
    }

    /// What a ticket is about is back, failed, or is still out.
    pub fn service_changed(
        &mut self,
        at: At,
        key: u64,
        service: ServiceNews,
        changes: &mut TicketChanges,
    ) {
        let stable_min = self.stable_min(key);
        let Some(ticket) = self.tickets.get_mut(&key).filter(|ticket| ticket.is_open()) else {
            return;
        };
        let is_restored = ticket.time("restored_at").is_some();
        match service {
            ServiceNews::Back { since, is_by_inventory } => {
                if !is_restored && ticket.back_since.is_none() {
                    ticket.back_since = Some(since);
                    ticket.is_back_by_inventory = is_by_inventory;
                    let due = at.engine.plus_ns(minutes_ns(stable_min));
                    self.timers.set(Deadline::Stable(key), due);
                }
            }
            ServiceNews::Failed { .. } | ServiceNews::Out if !is_restored => {
                if ticket.back_since.take().is_some() {
                    self.timers.cancel(Deadline::Stable(key));
                    self.set_breach(at, key);
                }
            }
            ServiceNews::Failed { since } => {
                if ticket.relapse(since, at.wall).is_ok() {
                    self.note_restored(key);
                    changes.push((key, TicketEvent::Reopened));
                    self.set_breach(at, key);
                }
            }
            // Restored by somebody's word: that stands until something fails anew.
            ServiceNews::Out => {}
        }
    }

    /// How the service is affected changed at `since` while the ticket is open.
    pub fn set_nature(
        &mut self,
        at: At,
        key: u64,
        (nature, since): (Nature, Timestamp),
        changes: &mut TicketChanges,
    ) {
        if let Some(ticket) = self.tickets.get_mut(&key)
            && ticket.nature != Some(nature)
        {
            ticket.set_nature(nature, since, at.wall);
            changes.push((key, TicketEvent::Updated));
            self.set_breach(at, key);
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
                    ticket.confirmed_by = Some(SmolStr::new_static("confirmation delay"));
                    changes.push((key, TicketEvent::Confirmed));
                }
            }
            Deadline::Stable(key) => {
                let Some(ticket) = self.tickets.get_mut(&key) else { return };
                let Some(since) = ticket.back_since else { return };
                let why = if ticket.is_back_by_inventory { OUT_OF_REACH } else { CLEARED };
                if ticket.restore(since, (VIGIE, why), at.wall).is_ok() {
                    self.note_restored(key);
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
            // Service was back in time; if it fails before that is stable, the target is passed.
            Some(due) if ticket.back_since.is_some_and(|since| since <= due) => {}
            Some(due) if due <= at.wall && ticket.is_open() => {
                ticket.is_breached = true;
                changes.push((key, TicketEvent::Breached));
            }
            Some(_) => self.set_breach(at, key),
            None => {}
        }
    }

    fn forget(&mut self, key: u64) {
        let Some(ticket) = self.tickets.remove(&key) else { return };
        self.by_number.remove(&ticket.number);
        self.by_incident.forget(key, &ticket);
    }

    pub(super) fn finished(&mut self, at: At, key: u64) {
        for deadline in [Deadline::Confirm(key), Deadline::Stable(key), Deadline::Breach(key)] {
            self.timers.cancel(deadline);
        }
        if let Some(ticket) = self.tickets.get(&key) {
            self.by_incident.finish(key, ticket);
            for service in &ticket.services {
                if let Some(keys) = self.by_service.get_mut(service) {
                    keys.remove(&key);
                    if keys.is_empty() {
                        self.by_service.remove(service);
                    }
                }
            }
        }
        self.timers.set(Deadline::Forget(key), at.engine.plus_ns(FORGET_AFTER_NS));
    }
}

fn minutes_ns(minutes: u32) -> u64 {
    u64::from(minutes).saturating_mul(60_000_000_000)
}

/// Why service is back.
const CLEARED: &str = "cleared and stable";
/// The same when nothing was cleared.
const OUT_OF_REACH: &str = "by the new inventory its services do not need what failed; stable";
/// How long finished tickets stay in memory at least, ns. History keeps them.
const FORGET_AFTER_NS: u64 = 24 * 3_600_000_000_000;
/// Breaches that are worked out anew by one step.
const BREACHES_AT_ONCE: usize = 1_024;
