//! What influences the engine: a closed list. Each variant is one kind of journal record.

use crate::model::event::Event;
use crate::model::settings::Settings;
use crate::model::silence::SilenceRequest;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One input, borrowed from the journal record or from intake.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A classified event.
    Event(Event<'a>),
    /// Repeats of known alarms that change nothing.
    Repeats(&'a [Repeat]),
    /// Something an operator said.
    Command(Command),
    /// New settings, whole. They come into force with the pulses that follow.
    Settings(Arc<Settings>),
    /// The daemon started.
    Boot(Boot),
    /// The wall clock's quality, at boot and at every change.
    ClockQuality(ClockQuality),
    /// The wall clock was set: nanoseconds added (negative: set back).
    ClockStep {
        /// New wall time minus the wall time expected from the engine clock, ns.
        step_ns: i64,
    },
    /// Messages known to be lost.
    Loss(Loss),
    /// The passage of time.
    Pulse,
    /// A position that is not to be applied, since applying it failed twice.
    Skip {
        /// The position that is passed over.
        position: u64,
    },
}

/// One repeat of a known alarm: 16 bytes in the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Repeat {
    /// Slot of the alarm in the engine's table.
    pub alarm: u32,
    /// Listener that heard it.
    pub listener: u16,
    /// [`crate::model::event::Channel::bit`] of the message.
    pub channel: u8,
    /// Arrival before the record's wall time, ns (saturates at about 4.2 s).
    pub age_ns: u32,
}

/// The daemon started.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Boot {
    /// Version of the program.
    pub version: String,
    /// [`crate::engine::ENGINE_VERSION`] of the program.
    pub engine_version: u32,
    /// Seed of the hash index.
    pub hash_seed: u64,
    /// Engine time during which nothing ran, ns.
    pub downtime_ns: u64,
}

/// Quality of the wall clock, from `adjtimex`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ClockQuality {
    /// Whether the kernel holds it to be synchronised.
    pub is_synchronised: bool,
    /// Estimated error, µs.
    pub error_us: u64,
    /// What disciplines it, as far as known.
    pub source: String,
}

/// Messages known to be lost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Loss {
    /// Listener name.
    pub listener: String,
    /// `kernel-dropped`, `shed`, `journal-full`.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// Something an operator said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Command {
    /// Identity given by whoever sent it; comes back in the answer.
    pub id: u64,
    /// Who.
    pub author: String,
    /// What.
    pub action: Action,
}

/// What an operator can say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The ticket is real.
    ConfirmTicket {
        /// Ticket number.
        number: String,
    },
    /// The ticket is not real: cancel it.
    RefuteTicket {
        /// Ticket number.
        number: String,
        /// Why.
        reason: String,
    },
    /// A named technician takes the ticket.
    TakeTicket {
        /// Ticket number.
        number: String,
    },
    /// Service is back, by the operator's word.
    RestoreTicket {
        /// Ticket number.
        number: String,
        /// When it came back; none means now.
        restored_at: Option<Timestamp>,
        /// On what grounds.
        reason: String,
    },
    /// Closure is pronounced.
    CloseTicket {
        /// Ticket number.
        number: String,
        /// Note of closure.
        reason: String,
    },
    /// Somebody wants to be silent about something, or otherwise than before.
    SetSilence {
        /// The silence that is to be changed; empty for a new one.
        replaces: String,
        /// What is asked for.
        request: Box<SilenceRequest>,
    },
    /// A silence is to end now.
    ExpireSilence {
        /// Which.
        silence: String,
    },
}

impl Action {
    /// The number of the ticket that it is about, if it is about one.
    #[must_use]
    pub fn ticket(&self) -> Option<&str> {
        match self {
            Self::ConfirmTicket { number }
            | Self::RefuteTicket { number, .. }
            | Self::TakeTicket { number }
            | Self::RestoreTicket { number, .. }
            | Self::CloseTicket { number, .. } => Some(number),
            Self::SetSilence { .. } | Self::ExpireSilence { .. } => None,
        }
    }
}
