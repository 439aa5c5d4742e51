//! The hand-over from the sequencer to one sink: a bounded queue that never makes it wait.
//!
//! In: batches of whole positions in order. Out: the same batches, each with the position that was
//! offered just before it, so that the sink sees by itself where a batch was refused because the
//! queue was full. What a sink does about such a hole is its own business: Kafka reads the journal
//! again, the history keeps its cursor below the hole. Nothing is lost without being counted.

use crate::shell::publish::Batch;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Effects that may wait for one sink.
pub const FEED_EFFECTS_MAX: u64 = 10_000;
/// The same for the history, which has no journal to read again before the next start.
pub const HISTORY_EFFECTS_MAX: u64 = 50_000;

/// A batch as the sink receives it.
#[derive(Clone, Debug)]
pub struct Handed {
    /// Last position that was offered before this batch, refused ones included.
    pub previous: u64,
    /// The effects.
    pub batch: Batch,
}

/// What is known of a feed from outside.
#[derive(Debug, Default)]
pub struct FeedCounters {
    waiting: AtomicU64,
    refused: AtomicU64,
    offered: AtomicU64,
}

impl FeedCounters {
    /// Effects that wait in the queue.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Effects that found the queue full, since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Highest position offered, accepted or not.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.offered.load(Ordering::Acquire)
    }
}

/// The sequencer's end.
#[derive(Debug)]
pub struct Feed {
    sender: Sender<Handed>,
    counters: Arc<FeedCounters>,
    effects_max: u64,
}

/// The sink's end.
#[derive(Debug)]
pub struct FeedEnd {
    receiver: Receiver<Handed>,
    counters: Arc<FeedCounters>,
}

/// What a sink found at its end of the feed.
#[derive(Clone, Debug)]
pub enum Received {
    /// A batch.
    Batch(Handed),
    /// Nothing within the time.
    Nothing,
    /// Nothing, and nothing will ever come: the sequencer's end is gone.
    Closed,
}

/// A feed whose first batch follows `after`, with room for `effects_max` effects.
#[must_use]
pub fn feed(after: u64, effects_max: u64) -> (Feed, FeedEnd) {
    let batches_max = usize::try_from(effects_max.max(1)).unwrap_or(usize::MAX);
    let (sender, receiver) = crossbeam::channel::bounded(batches_max);
    let counters = Arc::new(FeedCounters::default());
    counters.offered.store(after, Ordering::Release);
    let end = FeedEnd { receiver, counters: Arc::clone(&counters) };
    (Feed { sender, counters, effects_max }, end)
}

impl Feed {
    /// Hands a batch over, at once and in any case. `false` when the queue was full: the batch is
    /// then counted as refused and the sink will notice the hole.
    ///
    /// A batch that is larger than the whole queue is taken when nothing waits.
    pub fn offer(&self, batch: &Batch) -> bool {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return true };
        let size = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let waiting = self.counters.waiting();
        let previous = self.counters.offered();
        debug_assert!(first.position > previous, "positions are offered once and in order");
        let has_room = waiting == 0 || waiting.saturating_add(size) <= self.effects_max;
        // Counted before it is sent, so that the sink's subtraction never comes first.
        self.counters.waiting.fetch_add(size, Ordering::Relaxed);
        let handed = Handed { previous, batch: Arc::clone(batch) };
        let is_taken = has_room && self.sender.try_send(handed).is_ok();
        if !is_taken {
            self.counters.waiting.fetch_sub(size, Ordering::Relaxed);
            self.counters.refused.fetch_add(size, Ordering::Relaxed);
        }
        self.counters.offered.store(last.position.max(previous), Ordering::Release);
        is_taken
    }

    /// Its counters, for `/metrics` and the overload alarm.
    #[must_use]
    pub fn counters(&self) -> Arc<FeedCounters> {
        Arc::clone(&self.counters)
    }
}

impl FeedEnd {
    /// The next batch, waiting for it at most so long.
    #[must_use]
    pub fn receive(&self, patience: Duration) -> Received {
        let outcome = if patience.is_zero() {
            self.receiver.try_recv().map_err(|error| error == TryRecvError::Disconnected)
        } else {
            self.receiver
                .recv_timeout(patience)
                .map_err(|error| error == RecvTimeoutError::Disconnected)
        };
        match outcome {
            Ok(handed) => {
                let size = u64::try_from(handed.batch.len()).unwrap_or(u64::MAX);
                self.counters.waiting.fetch_sub(size, Ordering::Relaxed);
                Received::Batch(handed)
            }
            Err(true) => Received::Closed,
            Err(false) => Received::Nothing,
        }
    }

    /// Its counters.
    #[must_use]
    pub fn counters(&self) -> Arc<FeedCounters> {
        Arc::clone(&self.counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::{Answer, Effect};
    use crate::model::time::At;
    use crate::shell::publish::Published;

    fn batch(positions: std::ops::Range<u64>) -> Batch {
        let answer = Answer { command: 0, accepted: true, message: String::new() };
        let effect = Effect::Answer(Arc::new(answer));
        let published = |position| Published {
            position,
            ordinal: 0,
            at: At::default(),
            effect: effect.clone(),
        };
        Arc::new(positions.map(published).collect())
    }

    #[test]
    fn a_full_queue_refuses_counts_and_lets_the_sink_see_the_hole() {
        let (feed, end) = feed(4, 3);
        assert!(feed.offer(&batch(5..7)));
        assert!(!feed.offer(&batch(7..9)), "only one more would fit");
        assert!(feed.offer(&batch(9..10)));
        let counters = feed.counters();
        assert_eq!((counters.waiting(), counters.refused(), counters.offered()), (3, 2, 9));
        let Received::Batch(first) = end.receive(Duration::ZERO) else { panic!("a batch waits") };
        assert_eq!((first.previous, first.batch.len()), (4, 2));
        let Received::Batch(second) = end.receive(Duration::ZERO) else { panic!("a batch waits") };
        assert_eq!(second.previous, 8, "positions 7 and 8 were refused: a hole after 6");
        assert!(matches!(end.receive(Duration::ZERO), Received::Nothing));
        drop(feed);
        assert!(matches!(end.receive(Duration::from_secs(1)), Received::Closed));
        assert_eq!(end.counters().waiting(), 0);
    }

    #[test]
    fn a_batch_larger_than_the_queue_passes_when_nothing_waits() {
        let (feed, end) = feed(0, 2);
        assert!(feed.offer(&batch(1..10)));
        assert!(matches!(end.receive(Duration::ZERO), Received::Batch(_)));
    }
}
