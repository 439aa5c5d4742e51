//! The lanes between intake and sequencer: three bounded rings of batches by urgency, and a free
//! list on which emptied batches come back.

use crate::model::event::Lane;
use crate::model::limits::{FREE_BATCHES, LANE_BATCHES, OVERLOAD_BATCHES};
use crate::shell::batch::Batch;
use crossbeam::queue::ArrayQueue;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;

/// Shared by every intake thread and the sequencer.
#[derive(Debug)]
pub struct Lanes {
    rings: [ArrayQueue<Box<Batch>>; 3],
    free: ArrayQueue<Box<Batch>>,
    sleeping: AtomicBool,
    is_overloaded: AtomicBool,
    overloads: AtomicU64,
    sequencer: Mutex<Option<Thread>>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            rings: std::array::from_fn(|_| ArrayQueue::new(LANE_BATCHES)),
            free: ArrayQueue::new(FREE_BATCHES),
            sleeping: AtomicBool::new(false),
            is_overloaded: AtomicBool::new(false),
            overloads: AtomicU64::new(0),
            sequencer: Mutex::new(None),
        }
    }
}

impl Lanes {
    /// An empty batch, from the free list if it has one.
    #[must_use]
    pub fn take_empty(&self) -> Box<Batch> {
        self.free.pop().unwrap_or_default()
    }

    /// Hands a batch to the sequencer.
    ///
    /// # Errors
    /// Gives the batch back when the lane is full: the caller waits or sheds, by lane.
    pub fn send(&self, lane: Lane, batch: Box<Batch>) -> Result<(), Box<Batch>> {
        let [urgent, normal, low] = &self.rings;
        let ring = match lane {
            Lane::Urgent => urgent,
            Lane::Normal => normal,
            Lane::Low => low,
        };
        ring.push(batch)?;
        self.wake();
        Ok(())
    }

    /// Gives an emptied batch back. Drops it when the free list is full.
    pub fn give_back(&self, mut batch: Box<Batch>) {
        batch.clear();
        drop(self.free.push(batch));
    }

    /// The oldest batch of a lane.
    pub fn receive(&self, lane: Lane) -> Option<Box<Batch>> {
        let [urgent, normal, low] = &self.rings;
        match lane {
            Lane::Urgent => urgent.pop(),
            Lane::Normal => normal.pop(),
            Lane::Low => low.pop(),
        }
    }

    /// Number of batches that wait in a lane.
    #[must_use]
    pub fn waiting(&self, lane: Lane) -> usize {
        let [urgent, normal, low] = &self.rings;
        match lane {
            Lane::Urgent => urgent.len(),
            Lane::Normal => normal.len(),
            Lane::Low => low.len(),
        }
    }

    /// Whether more is sent than the sequencer takes, as it said last.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.is_overloaded.load(Ordering::Relaxed)
    }

    /// How often it has come to be since the start.
    #[must_use]
    pub fn overloads(&self) -> u64 {
        self.overloads.load(Ordering::Relaxed)
    }

    /// Says that vigie is overloaded, or not.
    #[cfg(test)]
    pub(crate) fn set_overloaded(&self, is_overloaded: bool) {
        self.is_overloaded.store(is_overloaded, Ordering::Relaxed);
    }

    /// The sequencer looks at what waits, and says whether that is overload.
    pub fn judge_load(&self) {
        let waiting = self.waiting(Lane::Urgent).saturating_add(self.waiting(Lane::Normal));
        let was_overloaded = self.is_overloaded();
        let limit = if was_overloaded { OVERLOAD_BATCHES / 8 } else { OVERLOAD_BATCHES };
        let is_overloaded = waiting > limit;
        if is_overloaded != was_overloaded {
            self.is_overloaded.store(is_overloaded, Ordering::Relaxed);
            self.overloads.fetch_add(u64::from(is_overloaded), Ordering::Relaxed);
        }
    }

    /// Whether nothing waits in any lane.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rings.iter().all(ArrayQueue::is_empty)
    }

    /// Names the thread that [`Lanes::wake`] wakes.
    pub fn attach_sequencer(&self, thread: Thread) {
        if let Ok(mut place) = self.sequencer.lock() {
            *place = Some(thread);
        }
    }

    /// The sequencer says that it is about to sleep; it must look at the lanes once more after
    /// this before it parks.
    pub fn about_to_sleep(&self) {
        self.sleeping.store(true, Ordering::SeqCst);
    }

    /// The sequencer is awake.
    pub fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Wakes the sequencer if it sleeps; costs one load when it does not.
    pub fn wake(&self) {
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::SeqCst)
            && self.sleeping.swap(false, Ordering::SeqCst)
            && let Ok(place) = self.sequencer.lock()
            && let Some(thread) = place.as_ref()
        {
            thread.unpark();
        }
    }
}
