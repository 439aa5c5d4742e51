//! A batch: some events and what they borrow, in a few vectors that travel from intake to the
//! sequencer and come back empty, so that nothing is allocated in the steady state.

use crate::model::event::{Channel, Event, Lane, Verb};
use crate::model::fault::Faults;
use crate::model::limits::{BATCH_BYTES, BATCH_EVENTS};
use crate::model::severity::Severity;
use crate::model::time::{At, Timestamp};
use crate::shell::receipt::Receipt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Events of one listener on their way to the sequencer.
#[derive(Debug)]
pub struct Batch {
    texts: String,
    /// Messages as they were received, and answers.
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    answers: Vec<AnswerSlot>,
    /// Of the request that the events came in, if somebody waits for them.
    receipt: Option<Receipt>,
    passage: Option<Passage>,
}

/// A batch of the low lane, numbered by its thread, and where its number is shown once its events
/// are journaled. Batches of one thread pass in order.
#[derive(Debug)]
pub struct Passage {
    /// Its number.
    pub number: u64,
    /// Number of the last that has passed.
    pub passed: Arc<AtomicU64>,
}

/// What goes back to a sender once the events of its batch are durable (the response to an
/// INFORM). If they are shed it does not go, and the sender tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Listener whose socket sends it.
    pub listener: u16,
    /// The sender, as the socket names him.
    pub peer: SocketAddr,
    /// The address of this host that the sender wrote to, and expects the answer from; none where
    /// the socket has but one.
    pub local: Option<IpAddr>,
    /// The answer, ready to send.
    pub bytes: &'a [u8],
}

#[derive(Debug, Clone, Copy)]
struct AnswerSlot {
    listener: u16,
    peer: SocketAddr,
    local: Option<IpAddr>,
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    verb: Verb,
    severity: Severity,
    channel: Channel,
    lane: Lane,
    faults: Faults,
    listener: u16,
    epoch: u32,
    arrived: At,
    occurred_at: Option<Timestamp>,
    uptime_cs: Option<u32>,
    value: Option<f64>,
    lease_until: Option<Timestamp>,
    peer: IpAddr,
    is_known: bool,
    is_in_service: bool,
    /// Where the first of its texts begins, and the end of each, one after the other in `texts`.
    start: u32,
    ends: [u32; TEXTS],
    /// The message in `bytes`.
    raw_start: u32,
    raw_end: u32,
}

/// Texts of an event.
const TEXTS: usize = 8;

impl Default for Batch {
    fn default() -> Self {
        Self {
            texts: String::with_capacity(BATCH_BYTES),
            bytes: Vec::with_capacity(BATCH_BYTES),
            slots: Vec::with_capacity(BATCH_EVENTS),
            answers: Vec::new(),
            receipt: None,
            passage: None,
        }
    }
}

impl Batch {
    /// Copies the event in. Never allocates as long as [`Batch::is_full`] was `false` and the event
    /// keeps to the limits of its fields.
    pub fn push(&mut self, event: &Event<'_>) {
        let start = end_of(self.texts.len());
        let mut ends = [0_u32; TEXTS];
        for (end, text) in ends.iter_mut().zip(event.texts()) {
            self.texts.push_str(text);
            *end = end_of(self.texts.len());
        }
        let raw_start = end_of(self.bytes.len());
        self.bytes.extend_from_slice(event.raw);
        self.slots.push(Slot {
            verb: event.verb,
            severity: event.severity,
            channel: event.channel,
            lane: event.lane,
            faults: event.faults,
            listener: event.listener,
            epoch: event.epoch,
            arrived: event.arrived,
            occurred_at: event.occurred_at,
            uptime_cs: event.uptime_cs,
            value: event.value,
            lease_until: event.lease_until,
            peer: event.peer,
            is_known: event.is_known,
            is_in_service: event.is_in_service,
            start,
            ends,
            raw_start,
            raw_end: end_of(self.bytes.len()),
        });
    }

    /// Copies an answer in, to be sent when the events before it are durable.
    pub fn push_answer(&mut self, answer: &Answer<'_>) {
        let start = end_of(self.bytes.len());
        self.bytes.extend_from_slice(answer.bytes);
        self.answers.push(AnswerSlot {
            listener: answer.listener,
            peer: answer.peer,
            local: answer.local,
            start,
            end: end_of(self.bytes.len()),
        });
    }

    /// The receipt to settle when the events are durable; one request fills a batch alone.
    pub fn attach(&mut self, receipt: Receipt) {
        self.receipt = Some(receipt);
    }

    /// Takes the receipt out. A batch that is emptied with its receipt in it was lost: the request
    /// fails.
    pub fn take_receipt(&mut self) -> Option<Receipt> {
        self.receipt.take()
    }

    /// Numbers it.
    pub fn board(&mut self, passage: Option<Passage>) {
        self.passage = passage;
    }

    /// Takes its number away: it will not pass under it.
    pub fn take_passage(&mut self) -> Option<Passage> {
        self.passage.take()
    }

    /// Its events are journaled: shows its number, if it has one.
    pub fn pass(&mut self) {
        if let Some(passage) = self.passage.take() {
            passage.passed.store(passage.number, Ordering::Release);
        }
    }

    /// The answers that wait for the events of this batch.
    pub fn answers(&self) -> impl ExactSizeIterator<Item = Answer<'_>> {
        self.answers.iter().map(|slot| Answer {
            listener: slot.listener,
            peer: slot.peer,
            local: slot.local,
            bytes: self.field(slot.start, slot.end),
        })
    }

    /// Whether it should travel now: no room for another event of the largest size.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let fullest = self.texts.len().max(self.bytes.len());
        self.slots.len() >= BATCH_EVENTS || fullest.saturating_add(16 * 1024) > BATCH_BYTES
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it holds no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.bytes.clear();
        self.slots.clear();
        self.answers.clear();
        self.receipt = None;
        self.passage = None;
    }

    /// The events in the order in which they were pushed.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        self.slots.iter().map(|slot| self.event(slot))
    }

    /// What tells the alarms of the events from others, [`Event::identity`], in the same order.
    pub fn identities(&self) -> impl Iterator<Item = [&str; 4]> {
        self.slots.iter().map(|slot| {
            let [device, component, _, alarm_type, qualifier, ..] = self.texts_of(slot);
            [device, component, alarm_type, qualifier]
        })
    }

    #[inline]
    fn texts_of(&self, slot: &Slot) -> [&str; TEXTS] {
        let mut start = place(slot.start);
        slot.ends.map(|end| {
            let end = place(end);
            let text = self.texts.get(start..end).unwrap_or("");
            start = end;
            text
        })
    }

    fn event<'a>(&'a self, slot: &Slot) -> Event<'a> {
        let [device, component, alias, alarm_type, qualifier, rule, text, labels] =
            self.texts_of(slot);
        Event {
            verb: slot.verb,
            severity: slot.severity,
            channel: slot.channel,
            lane: slot.lane,
            faults: slot.faults,
            listener: slot.listener,
            epoch: slot.epoch,
            arrived: slot.arrived,
            occurred_at: slot.occurred_at,
            uptime_cs: slot.uptime_cs,
            value: slot.value,
            lease_until: slot.lease_until,
            peer: slot.peer,
            is_known: slot.is_known,
            is_in_service: slot.is_in_service,
            device,
            component,
            component_alias: alias,
            alarm_type,
            qualifier,
            rule,
            text,
            labels,
            raw: self.field(slot.raw_start, slot.raw_end),
        }
    }

    fn field(&self, start: u32, end: u32) -> &[u8] {
        self.bytes.get(place(start)..place(end)).unwrap_or(&[])
    }
}

fn end_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn place(end: u32) -> usize {
    usize::try_from(end).unwrap_or(usize::MAX)
}

/// Address of what has no sender: vigie itself.
pub const NO_PEER: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
