//! Which batch is next in a lane. Urgent and normal batches come as they were sent; a low one only
//! after everything that was sent before it on the other two.
//!
//! That is what lets intake move a chatty source to the low lane at any moment: what it sent before
//! is taken before. The other way round is intake's matter: it waits until the source's low batches
//! have passed (see [`crate::shell::batch::Passage`]).

use crate::model::event::Lane;
use crate::model::limits::LOW_BATCHES_HELD;
use crate::shell::batch::Batch;
use crate::shell::lanes::Lanes;
use std::collections::VecDeque;
use std::sync::Arc;

/// The receiving end of the lanes; there is one.
#[derive(Debug)]
pub struct Turns {
    lanes: Arc<Lanes>,
    urgent_taken: u64,
    normal_taken: u64,
    /// Low batches, each with how many of the others go before it.
    held: VecDeque<Held>,
}

#[derive(Debug)]
struct Held {
    batch: Box<Batch>,
    urgent_before: u64,
    normal_before: u64,
}

impl Turns {
    /// Over these lanes.
    #[must_use]
    pub fn new(lanes: Arc<Lanes>) -> Self {
        let held = VecDeque::with_capacity(LOW_BATCHES_HELD);
        Self { lanes, urgent_taken: 0, normal_taken: 0, held }
    }

    /// The next batch of a lane whose turn it is.
    pub fn next(&mut self, lane: Lane) -> Option<Box<Batch>> {
        match lane {
            Lane::Urgent => {
                let batch = self.lanes.receive(lane)?;
                self.urgent_taken = self.urgent_taken.saturating_add(1);
                Some(batch)
            }
            Lane::Normal => {
                let batch = self.lanes.receive(lane)?;
                self.normal_taken = self.normal_taken.saturating_add(1);
                Some(batch)
            }
            Lane::Low => {
                self.hold();
                let first = self.held.front()?;
                let is_next = first.urgent_before <= self.urgent_taken
                    && first.normal_before <= self.normal_taken;
                if is_next { self.held.pop_front().map(|held| held.batch) } else { None }
            }
        }
    }

    /// Takes low batches out of their ring, and notes what waits on the others: whatever their
    /// sender sent before them is among that.
    fn hold(&mut self) {
        while self.held.len() < LOW_BATCHES_HELD {
            let Some(batch) = self.lanes.receive(Lane::Low) else { return };
            let waiting = |lane| u64::try_from(self.lanes.waiting(lane)).unwrap_or(u64::MAX);
            self.held.push_back(Held {
                batch,
                urgent_before: self.urgent_taken.saturating_add(waiting(Lane::Urgent)),
                normal_before: self.normal_taken.saturating_add(waiting(Lane::Normal)),
            });
        }
    }

    /// Whether nothing waits, in the lanes and here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.lanes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(lanes: &Lanes, lane: Lane) {
        lanes.send(lane, lanes.take_empty()).expect("room");
    }

    #[test]
    fn a_low_batch_waits_for_what_was_sent_before_it_and_for_nothing_else() {
        let lanes = Arc::new(Lanes::default());
        let mut turns = Turns::new(Arc::clone(&lanes));
        send(&lanes, Lane::Low);
        assert!(turns.next(Lane::Low).is_some(), "nothing is before it");
        send(&lanes, Lane::Urgent);
        send(&lanes, Lane::Normal);
        send(&lanes, Lane::Low);
        assert!(turns.next(Lane::Low).is_none());
        send(&lanes, Lane::Urgent);
        assert!(turns.next(Lane::Urgent).is_some());
        assert!(turns.next(Lane::Low).is_none(), "a normal one is before it");
        assert!(turns.next(Lane::Normal).is_some());
        assert!(turns.next(Lane::Low).is_some(), "the second urgent one came later");
        assert!(!turns.is_empty());
        assert!(turns.next(Lane::Urgent).is_some());
        assert!(turns.is_empty());
    }
}
