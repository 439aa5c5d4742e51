//! The open batches of one thread or connection: one per lane, filled message by message, with the
//! tallies that go to the ledger before a batch travels.

use crate::model::event::{Event, Lane};
use crate::shell::batch::{Answer, Batch};
use crate::shell::intake::pipeline::Origin;
use crate::shell::lanes::Lanes;
use crate::shell::observe::counters::{IgnoreReason, ListenerCounters, ShedReason};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Batches that have not left yet. Holds no batch for a lane in which nothing waits.
#[derive(Debug)]
pub(super) struct OpenBatches {
    lanes: Arc<Lanes>,
    counters: Arc<ListenerCounters>,
    listener: u16,
    open: [Option<Box<Batch>>; 3],
    received: u64,
    ignored: [u64; IgnoreReason::ALL.len()],
    is_settled: bool,
    /// What to send back at once, and to whom; empty if nothing.
    prompt: Option<Origin>,
    prompt_bytes: Vec<u8>,
}

impl OpenBatches {
    pub(super) fn new(lanes: Arc<Lanes>, counters: Arc<ListenerCounters>, listener: u16) -> Self {
        Self {
            lanes,
            counters,
            listener,
            open: [None, None, None],
            received: 0,
            ignored: [0; IgnoreReason::ALL.len()],
            is_settled: true,
            prompt: None,
            prompt_bytes: Vec::new(),
        }
    }

    /// A message was received.
    pub(super) fn begin(&mut self) {
        self.received = self.received.saturating_add(1);
        self.is_settled = false;
    }

    /// Whether the message that began last is an event or ignored by now.
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled
    }

    pub(super) fn push(&mut self, event: &Event<'_>) {
        self.batch(event.lane).push(event);
        self.is_settled = true;
    }

    pub(super) fn push_answer(&mut self, event: &Event<'_>, origin: Origin, bytes: &[u8]) {
        let listener = self.listener;
        let Origin { peer, local } = origin;
        self.batch(event.lane).push_answer(&Answer { listener, peer, local, bytes });
    }

    pub(super) fn ignore(&mut self, reason: IgnoreReason) {
        for (known, tally) in IgnoreReason::ALL.iter().zip(&mut self.ignored) {
            if *known == reason {
                *tally = tally.saturating_add(1);
            }
        }
        self.is_settled = true;
    }

    /// Keeps an answer that waits for nothing until [`OpenBatches::take_prompt`].
    pub(super) fn answer_at_once(&mut self, origin: Origin, bytes: &[u8]) {
        self.prompt = Some(origin);
        self.prompt_bytes.clear();
        self.prompt_bytes.extend_from_slice(bytes);
    }

    /// The answer to send now, if there is one.
    pub(super) fn take_prompt(&mut self) -> Option<(Origin, &[u8])> {
        let origin = self.prompt.take()?;
        Some((origin, &self.prompt_bytes))
    }

    /// A lane whose batch must travel before the next message.
    pub(super) fn full_lane(&self) -> Option<Lane> {
        Lane::ALL
            .into_iter()
            .zip(&self.open)
            .find(|(_, batch)| batch.as_ref().is_some_and(|batch| batch.is_full()))
            .map(|(lane, _)| lane)
    }

    /// Sends the batch of a lane; `false` if the lane is full, then the batch is still here.
    pub(super) fn has_sent(&mut self, lane: Lane) -> bool {
        self.add_tallies();
        let Some(batch) = self.slot(lane).take() else { return true };
        match self.lanes.send(lane, batch) {
            Ok(()) => true,
            Err(batch) => {
                *self.slot(lane) = Some(batch);
                self.lanes.wake();
                false
            }
        }
    }

    /// Gives up the batch of a lane, counted.
    pub(super) fn shed(&mut self, lane: Lane, reason: ShedReason) {
        if let Some(batch) = self.slot(lane).take() {
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            self.counters.add_shed(reason, lane, count);
            self.lanes.give_back(batch);
        }
    }

    /// Brings the ledger up to date; always before a batch travels, so that `journaled` never runs
    /// ahead of `received`.
    pub(super) fn add_tallies(&mut self) {
        let received = std::mem::take(&mut self.received);
        if received == 0 {
            return;
        }
        self.counters.received.fetch_add(received, Ordering::Relaxed);
        for (reason, tally) in IgnoreReason::ALL.into_iter().zip(&mut self.ignored) {
            let count = std::mem::take(tally);
            if count > 0 {
                self.counters.add_ignored(reason, count);
            }
        }
    }

    fn batch(&mut self, lane: Lane) -> &mut Batch {
        let lanes = &self.lanes;
        place_of(&mut self.open, lane).get_or_insert_with(|| lanes.take_empty())
    }

    fn slot(&mut self, lane: Lane) -> &mut Option<Box<Batch>> {
        place_of(&mut self.open, lane)
    }
}

fn place_of<T>(places: &mut [T; 3], lane: Lane) -> &mut T {
    let [urgent, normal, low] = places;
    match lane {
        Lane::Urgent => urgent,
        Lane::Normal => normal,
        Lane::Low => low,
    }
}
