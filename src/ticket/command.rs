//! What operators say about tickets: each command carried out, or refused with its reason.

use crate::model::time::{At, Timestamp};
use crate::ticket::desk::{Deadline, Desk, TicketChanges, TicketEvent};
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
