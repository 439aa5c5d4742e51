//! Events of one request on their way through the lanes, and the word that they are durable.
//!
//! Nothing is shed here: a full lane makes the request wait. When that takes too long the rest is
//! not told and the request fails; its sender tries again.

use crate::model::event::{Event, Lane};
use crate::model::time::EngineTime;
use crate::shell::batch::Batch;
use crate::shell::clock::EngineClock;
use crate::shell::lanes::Lanes;
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::receipt::{Outcome, Receipt};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The way to the sequencer for what comes in requests, with its ledger.
#[derive(Clone)]
pub struct Way {
    /// The lanes.
    pub lanes: Arc<Lanes>,
    /// The ledger.
    pub counters: Arc<ListenerCounters>,
    /// Engine time of this run.
    pub clock: EngineClock,
}

/// The events of one request.
pub struct Submission<'w> {
    way: &'w Way,
    open: [Option<Box<Batch>>; 3],
    receipt: Receipt,
    outcome: Outcome,
    waits_until: Option<EngineTime>,
    events: u64,
    has_failed: bool,
}

/// What a request told, on its way to the disk.
pub enum Sent {
    /// It told nothing.
    Nothing,
    /// It did not find room.
    Failed,
    /// It waits for this.
    Waiting(Outcome),
}

impl<'w> Submission<'w> {
    /// An empty one.
    #[must_use]
    pub fn new(way: &'w Way) -> Self {
        let (receipt, outcome) = Receipt::new();
        Self {
            way,
            open: [None, None, None],
            receipt,
            outcome,
            waits_until: None,
            events: 0,
            has_failed: false,
        }
    }

    /// Whether a lane stayed full for too long: what is pushed now is not told.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Adds an event; may wait for room. For threads that may block.
    pub fn push(&mut self, event: &Event<'_>) {
        if self.has_failed {
            return;
        }
        let lane = event.lane;
        let way = self.way;
        let Some(place) = self.open.get_mut(lane.index()) else { return };
        let batch = place.get_or_insert_with(|| way.lanes.take_empty());
        batch.push(event);
        self.events = self.events.saturating_add(1);
        if batch.is_full() {
            self.send(lane);
        }
    }

    /// Sends what is left.
    #[must_use]
    pub fn finish(mut self) -> Sent {
        for lane in Lane::ALL {
            self.send(lane);
        }
        if self.events == 0 {
            return Sent::Nothing;
        }
        if self.has_failed {
            return Sent::Failed;
        }
        self.receipt.settle();
        Sent::Waiting(self.outcome)
    }

    fn send(&mut self, lane: Lane) {
        let taken = self.open.get_mut(lane.index()).and_then(Option::take);
        let Some(mut batch) = taken.filter(|_| !self.has_failed) else { return };
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        batch.attach(self.receipt.clone());
        // Before it travels, so that `journaled` never runs ahead of it.
        self.way.counters.received.fetch_add(count, Ordering::Relaxed);
        while let Err(refused) = self.way.lanes.send(lane, batch) {
            batch = refused;
            self.way.lanes.wake();
            let now = self.way.clock.now();
            let until = *self.waits_until.get_or_insert(now.plus_ns(LANE_PATIENCE_NS));
            if now >= until {
                self.has_failed = true;
                self.way.counters.received.fetch_sub(count, Ordering::Relaxed);
                self.way.lanes.give_back(batch);
                return;
            }
            pause();
        }
    }
}

impl Sent {
    /// Waits for the disk; whether everything that was told is there.
    pub async fn is_durable(self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Failed => false,
            Self::Waiting(outcome) => {
                let told = tokio::time::timeout(DISK_PATIENCE, outcome).await;
                matches!(told, Ok(Ok(true)))
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "back-pressure: a full lane makes the request wait")]
fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}

/// How long a request waits for room in the lanes, ns.
const LANE_PATIENCE_NS: u64 = 3_000_000_000;
/// How long it waits for the disk after that.
const DISK_PATIENCE: Duration = Duration::from_secs(5);
