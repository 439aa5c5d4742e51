//! What happens to tickets, in the words of those who are told.

use serde::{Deserialize, Serialize};

/// What happened to a ticket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
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
