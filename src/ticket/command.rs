//! What operators say about tickets: each command carried out, or refused with its reason.

use crate::model::time::{At, Timestamp};
use crate::ticket::desk::{Deadline, Desk};
use crate::ticket::event::{TicketChanges, TicketEvent};
use crate::ticket::record::{ImpossibleTransition, Ticket};
use smol_str::SmolStr;

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
    AlreadyConfirmed(SmolStr),
    /// The time given cannot be.
    #[error("{0} lies {1}; give a time between the start of the incident and now")]
    TimeImpossible(Timestamp, &'static str),
}

impl Desk {
    /// The key of a ticket's number.
    ///
    /// # Errors
    /// When there is no such ticket.
    pub fn key_of(&self, number: &str) -> Result<u64, Refusal> {
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
            return Err(Refusal::AlreadyConfirmed(number.into()));
        }
        if !ticket.is_open() {
            let (number, state) = (number.into(), ticket.state());
            return Err(ImpossibleTransition { number, state, trigger: "confirmed" }.into());
        }
        ticket.confirmed_by = Some(author.into());
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
        ticket.is_refuted = true;
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

    /// An operator says that service is back since `restored_at`; without that, since it was found
    /// to be back, else since now.
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
        let restored_at = restored_at.or(ticket.back_since).unwrap_or(at.wall);
        if restored_at > at.wall {
            return Err(Refusal::TimeImpossible(restored_at, "in the future"));
        }
        if ticket.time("incident_started_at").is_some_and(|start| restored_at < start) {
            return Err(Refusal::TimeImpossible(restored_at, "before the start of the incident"));
        }
        ticket.restore(restored_at, said, at.wall)?;
        // Told late where service seemed to be back in time.
        if !ticket.is_breached && ticket.is_over_target(at.wall) {
            ticket.is_breached = true;
            changes.push((key, TicketEvent::Breached));
        }
        changes.push((key, TicketEvent::Restored));
        self.note_restored(key);
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
        ticket.close(said, at)?;
        let incident = ticket.incident;
        changes.push((key, TicketEvent::Closed));
        self.finished(at, key);
        Ok(incident)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::contract::Contract;
    use crate::model::settings::TicketSettings;
    use crate::model::severity::Severity;
    use crate::model::time::EngineTime;
    use crate::ticket::desk::ServiceNews;
    use crate::ticket::policy::{AffectedContract, IncidentFacts, Nature};

    fn at(minute: u64) -> At {
        let ns = minute * 60_000_000_000;
        At { engine: EngineTime(ns), wall: Timestamp(i64::try_from(ns).expect("small")) }
    }

    /// A desk with one ticket: detected and opened at minute 1, target an hour.
    fn desk() -> Desk {
        let mut desk = Desk::default();
        let contracts = [Contract::new("c", "a customer", 60)].into_iter().collect();
        desk.apply_settings(&TicketSettings::default(), &contracts);
        let affected = AffectedContract {
            contract: "c".into(),
            services: vec!["s".into()],
            nature: Nature::TotalOutage,
            detected_at: at(1).wall,
            occurred_at: None,
            failed_at: at(1).engine,
            carried_until: None,
        };
        let facts = IncidentFacts {
            incident: 7,
            root_resource: "core".into(),
            severity: Severity::Major,
            is_known: true,
            contracts: [("c".into(), affected)].into(),
            detected_at: at(1).wall,
            occurred_at: None,
            failed_at: at(1).engine,
        };
        desk.decide(at(1), facts, "good", &mut TicketChanges::new()).expect("it needs a ticket");
        desk
    }

    #[test]
    fn who_says_that_service_came_back_after_the_target_says_that_it_has_passed() {
        for (said, restored_at, events) in [
            (None, at(50), vec![TicketEvent::Restored]),
            (Some(at(55)), at(55), vec![TicketEvent::Restored]),
            (Some(at(62)), at(62), vec![TicketEvent::Breached, TicketEvent::Restored]),
        ] {
            let mut desk = desk();
            let key = desk.key_of("VIG-000001").expect("it is open");
            let mut changes = TicketChanges::new();
            let since = at(50).wall;
            desk.service_changed(
                at(50),
                key,
                ServiceNews::Back { since, is_by_inventory: false },
                &mut changes,
            );
            desk.fire(at(61), Deadline::Breach(key), &mut changes);
            assert_eq!(changes, [], "it was back in time");
            let said_at = said.map(|at| at.wall);
            desk.restore(at(63), ("VIG-000001", said_at), ("noc", "seen"), &mut changes)
                .expect("it is open");
            let told: Vec<TicketEvent> = changes.iter().map(|(_, event)| *event).collect();
            assert_eq!(told, events, "{said:?}");
            let ticket = desk.get(key).expect("it is kept");
            assert_eq!(ticket.time("restored_at"), Some(restored_at.wall));
        }
    }
}
