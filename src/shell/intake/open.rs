//! The open batches of one thread or connection: one per lane, filled message by message, with the
//! tallies that go to the ledger before a batch travels.

use crate::model::event::{Event, Lane, Verb};
use crate::model::time::EngineTime;
use crate::shell::batch::{Answer, Batch, Passage};
use crate::shell::intake::demotion::Demotion;
use crate::shell::intake::pipeline::Origin;
use crate::shell::lanes::Lanes;
use crate::shell::observe::counters::{IgnoreReason, ListenerCounters, ShedReason};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Which devices go to the low lane, whatever the lane of their events; none of a stream, whose
    /// sender can be made to wait.
    demotion: Option<Demotion>,
    /// Lane of the event that was pushed last.
    last_lane: Lane,
    low_opened: u64,
    low_passed: Arc<AtomicU64>,
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
            demotion: None,
            last_lane: Lane::Urgent,
            low_opened: 0,
            low_passed: Arc::default(),
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

    /// Moves devices to the low lane when there are more events of one in a second of overload.
    pub(super) fn demoting(self, chatty: u32) -> Self {
        let demotion = Some(Demotion::new(Arc::clone(&self.counters), chatty));
        Self { demotion, ..self }
    }

    /// Before some messages are taken, or when none came: looks at the load, and once a second at
    /// who is calm again.
    pub(super) fn watch_load(&mut self, now: EngineTime) {
        if let Some(demotion) = &mut self.demotion {
            demotion.begin(self.lanes.is_overloaded(), now);
            demotion.end_second(now, (self.low_passed.load(Ordering::Acquire), self.low_opened));
        }
    }

    pub(super) fn push(&mut self, event: &Event<'_>) {
        let demoted = self.demotion.as_mut().and_then(|one| one.place_of_demoted(event.device));
        self.last_lane = if demoted.is_some() { Lane::Low } else { event.lane };
        self.batch(self.last_lane).push(event);
        if let (Some(place), Some(demotion)) = (demoted, &mut self.demotion) {
            demotion.note(place, self.low_opened);
        }
        self.is_settled = true;
    }

    /// What to send back once the event that was pushed last is durable.
    pub(super) fn push_answer(&mut self, origin: Origin, bytes: &[u8]) {
        let listener = self.listener;
        let Origin { peer, local } = origin;
        self.batch(self.last_lane).push_answer(&Answer { listener, peer, local, bytes });
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

    /// Whether nothing is open for a lane.
    pub(super) fn is_empty(&self, lane: Lane) -> bool {
        self.open.get(lane.index()).is_none_or(Option::is_none)
    }

    /// A lane whose batch must travel before the next message. Before a low one, what is open for
    /// the others: it may be of a device that has been demoted since.
    pub(super) fn full_lane(&self) -> Option<Lane> {
        let is_full = |batch: &Option<Box<Batch>>| batch.as_ref().is_some_and(|it| it.is_full());
        let lanes = || Lane::ALL.into_iter().zip(&self.open);
        let (full, _) = lanes().find(|(_, batch)| is_full(batch))?;
        if full == Lane::Low {
            return lanes().find(|(_, batch)| batch.is_some()).map(|(lane, _)| lane);
        }
        Some(full)
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
            if lane == Lane::Low {
                self.low_opened = self.low_opened.saturating_sub(1);
            }
        }
    }

    /// Gives up what is no clear, counted; `true` when there is room in what remains. A clear that
    /// is lost leaves an alarm for ever; a raise that is lost comes again.
    pub(super) fn has_room_without_raises(&mut self, lane: Lane, reason: ShedReason) -> bool {
        let Some(batch) = self.slot(lane).as_mut() else { return true };
        let clears = batch.events().filter(|event| event.verb == Verb::Clear).count();
        if clears == 0 {
            self.shed(lane, reason);
            return true;
        }
        let count = batch.len().saturating_sub(clears);
        if count == 0 {
            return !batch.is_full();
        }
        let passage = batch.take_passage();
        let mut kept = self.lanes.take_empty();
        if let Some(batch) = self.slot(lane).take() {
            for event in batch.events().filter(|event| event.verb == Verb::Clear) {
                kept.push(&event);
            }
            self.lanes.give_back(batch);
        }
        kept.board(passage);
        *self.slot(lane) = Some(kept);
        self.counters.add_shed(reason, lane, u64::try_from(count).unwrap_or(u64::MAX));
        true
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
        let Self { lanes, open, low_opened, low_passed, .. } = self;
        place_of(open, lane).get_or_insert_with(|| {
            let mut batch = lanes.take_empty();
            if lane == Lane::Low {
                *low_opened = low_opened.saturating_add(1);
                let passed = Arc::clone(low_passed);
                batch.board(Some(Passage { number: *low_opened, passed }));
            }
            batch
        })
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
