//! A batch: some events and the bytes that they borrow, in two vectors that travel from intake to
//! the sequencer and come back empty, so that nothing is allocated in the steady state.

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
    /// The address of this host that the sender wrote to, and expects the answer from.
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
    /// Ends of the nine borrowed fields, one after the other in `bytes`.
    start: u32,
    ends: [u32; 9],
}

impl Default for Batch {
    fn default() -> Self {
        Self {
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
        let start = self.end();
        let mut ends = [0_u32; 9];
        let fields: [&[u8]; 9] = [
            event.device.as_bytes(),
            event.component.as_bytes(),
            event.component_alias.as_bytes(),
            event.alarm_type.as_bytes(),
            event.qualifier.as_bytes(),
            event.rule.as_bytes(),
            event.text.as_bytes(),
            event.labels.as_bytes(),
            event.raw,
        ];
        for (end, field) in ends.iter_mut().zip(fields) {
            self.bytes.extend_from_slice(field);
            *end = self.end();
        }
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
        });
    }

    /// Copies an answer in, to be sent when the events before it are durable.
    pub fn push_answer(&mut self, answer: &Answer<'_>) {
        let start = self.end();
        self.bytes.extend_from_slice(answer.bytes);
        self.answers.push(AnswerSlot {
            listener: answer.listener,
            peer: answer.peer,
            local: answer.local,
            start,
            end: self.end(),
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
        self.slots.len() >= BATCH_EVENTS || self.bytes.len().saturating_add(16 * 1024) > BATCH_BYTES
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

    fn end(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    fn event<'a>(&'a self, slot: &Slot) -> Event<'a> {
        let [ends @ .., raw_end] = slot.ends;
        let texts_end = ends.last().copied().unwrap_or(slot.start);
        // One check for all texts: they lie side by side and were `str` when they were pushed.
        let texts = std::str::from_utf8(self.field(slot.start, texts_end)).unwrap_or("");
        let mut start = 0_usize;
        let [device, component, alias, alarm_type, qualifier, rule, text, labels] =
            ends.map(|end| {
                let end = usize::try_from(end.saturating_sub(slot.start)).unwrap_or(usize::MAX);
                let text = texts.get(start..end).unwrap_or("");
                start = end;
                text
            });
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
            raw: self.field(texts_end, raw_end),
        }
    }

    fn field(&self, start: u32, end: u32) -> &[u8] {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        self.bytes.get(start..end).unwrap_or(&[])
    }
}

/// Address of what has no sender: vigie itself.
pub const NO_PEER: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
