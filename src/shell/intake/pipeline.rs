//! The seam between intake and the decoders: one message in, at most one event out.
//!
//! A pipeline settles each message through the [`Place`] that it is given. The place is used up by
//! that and gives the [`Outcome`] in exchange, so that no message can be settled twice or not at
//! all.

use crate::model::event::Event;
use crate::model::fault::Faults;
use crate::model::time::At;
use crate::shell::intake::open::OpenBatches;
use crate::shell::observe::counters::IgnoreReason;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Turns one message into at most one event. Each receive thread has its own, with its decoders
/// and scratch memory; new settings are taken up inside it.
pub trait Pipeline: Send {
    /// Decodes and classifies. A panic in here is caught, counted, and followed by
    /// [`Pipeline::panicked`] on a fresh pipeline.
    fn process(&mut self, message: &Received<'_>, place: Place<'_>) -> Outcome;

    /// Settles a message on which `process` panicked, as an undecodable event. The fault
    /// `decoder-panicked` is already among the faults of the message.
    fn panicked(&mut self, message: &Received<'_>, place: Place<'_>) -> Outcome;
}

/// Makes a pipeline; called once per thread, and again after a panic.
pub type PipelineFactory = Arc<dyn Fn() -> Box<dyn Pipeline> + Send + Sync>;

/// One message as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The datagram or frame, never empty.
    pub bytes: &'a [u8],
    /// Who sent it; an IPv4-mapped address is given as IPv4.
    pub peer: IpAddr,
    /// Index of the listener in the configuration.
    pub listener: u16,
    /// When the kernel received it (datagrams), or when it was read (streams).
    pub arrived: At,
    /// What was wrong with it so far (`oversize`, faults of the framing). Intake adds these to the
    /// event's own.
    pub faults: Faults,
}

/// Both ends of the exchange that a datagram belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Who sent it, as the socket names him: the address to answer to.
    pub peer: SocketAddr,
    /// The address of this host that it was sent to: the address to answer from. None where the
    /// socket has but one.
    pub local: Option<IpAddr>,
}

/// The place for what becomes of one message: an event, or the reason why there is none.
#[derive(Debug)]
pub struct Place<'a> {
    batches: &'a mut OpenBatches,
    origin: Option<Origin>,
    faults: Faults,
    answer: &'a [u8],
}

/// Proof that a message was settled. Only a [`Place`] gives it.
#[must_use]
#[derive(Debug)]
pub struct Outcome(());

impl<'a> Place<'a> {
    pub(super) fn new(
        batches: &'a mut OpenBatches,
        origin: Option<Origin>,
        faults: Faults,
    ) -> Self {
        Self { batches, origin, faults, answer: &[] }
    }

    /// Asks for these bytes to be sent back (the response to an INFORM): when the event is
    /// durable, or at once when the message is ignored. A shed message is not answered, so that
    /// its sender tries again. Streams have no answers; there it does nothing.
    #[must_use]
    pub fn answering(self, answer: &'a [u8]) -> Self {
        Self { answer, ..self }
    }

    /// The message is this event.
    pub fn event(self, event: &Event<'_>) -> Outcome {
        if self.faults.is_empty() {
            self.batches.push(event);
        } else {
            let faults = event.faults.union(self.faults);
            self.batches.push(&Event { faults, ..*event });
        }
        if let Some(origin) = self.origin
            && !self.answer.is_empty()
        {
            self.batches.push_answer(origin, self.answer);
        }
        Outcome(())
    }

    /// There is no event, for this reason.
    pub fn ignore(self, reason: IgnoreReason) -> Outcome {
        self.batches.ignore(reason);
        if let Some(origin) = self.origin
            && !self.answer.is_empty()
        {
            self.batches.answer_at_once(origin, self.answer);
        }
        Outcome(())
    }
}
