//! The lanes between intake and sequencer: three bounded rings of batches by urgency, and a pile on
//! which emptied batches come back. The one that came back last is taken first: its memory is still
//! near.

use crate::model::event::Lane;
use crate::model::limits::{FREE_BATCHES, LANE_BATCHES, OVERLOAD_BATCHES};
use crate::shell::batch::Batch;
use crossbeam::queue::ArrayQueue;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

/// Shared by every intake thread and the sequencer.
#[derive(Debug)]
pub struct Lanes {
    rings: [ArrayQueue<Box<Batch>>; 3],
    free: Mutex<Pile>,
    sleeping: AtomicBool,
    is_overloaded: AtomicBool,
    overloads: AtomicU64,
    sequencer: Mutex<Option<Thread>>,
}

/// Batches travel as boxes, and one that was taken apart would be allocated anew.
type Pile = Vec<Box<Batch>>;

impl Default for Lanes {
    fn default() -> Self {
        Self {
            rings: std::array::from_fn(|_| ArrayQueue::new(LANE_BATCHES)),
            free: Mutex::new(Vec::with_capacity(FREE_BATCHES)),
            sleeping: AtomicBool::new(false),
            is_overloaded: AtomicBool::new(false),
            overloads: AtomicU64::new(0),
            sequencer: Mutex::new(None),
        }
    }
}

impl Lanes {
    /// An empty batch, from the pile if it has one.
    #[must_use]
    pub fn take_empty(&self) -> Box<Batch> {
        let known = self.free().pop();
        known.unwrap_or_default()
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

    /// Gives an emptied batch back. Drops it when the pile is full.
    pub fn give_back(&self, mut batch: Box<Batch>) {
        batch.clear();
        let mut free = self.free();
        if free.len() < FREE_BATCHES {
            free.push(batch);
        }
    }

    fn free(&self) -> MutexGuard<'_, Pile> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
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
