//! Which devices are moved to the low lane: under overload, those of which more is told than their
//! share. They are heard all the same, after the others.
//!
//! In: the device of each event of one thread (not the sender: a relay speaks for many). Out:
//! whether the event goes to the low lane. Devices are told apart by a hash of their name, so that
//! one has its place for ever and none of its events can overtake another; two that share a place
//! are moved together. Moving down is safe at any moment (see [`crate::shell::turns`]); a device
//! moves up again once it has been calm for a second and none of its events waits in the low lane.
//!
//! Without overload it looks at nothing.

use crate::model::index::KeyHasher;
use crate::model::time::EngineTime;
use crate::shell::observe::counters::ListenerCounters;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Devices of one thread.
#[derive(Debug)]
pub(super) struct Demotion {
    hasher: KeyHasher,
    slots: Vec<Slot>,
    counters: Arc<ListenerCounters>,
    demoted: usize,
    is_overloaded: bool,
    second_began: EngineTime,
    chatty: u32,
}

#[derive(Clone, Copy, Default, Debug)]
struct Slot {
    /// Events in this second.
    events: u32,
    is_demoted: bool,
    /// Number of the low batch that its last event is in.
    low_batch: u64,
}

impl Demotion {
    /// Takes a device for chatty after so many events in a second of overload
    /// ([`crate::model::limits::CHATTY_EVENTS`]; less in tests).
    pub(super) fn new(counters: Arc<ListenerCounters>, chatty: u32) -> Self {
        Self {
            hasher: KeyHasher::new(0),
            slots: vec![Slot::default(); SLOTS],
            counters,
            demoted: 0,
            is_overloaded: false,
            second_began: EngineTime(0),
            chatty,
        }
    }

    /// Before some events are taken: whether vigie is overloaded.
    pub(super) fn begin(&mut self, is_overloaded: bool, now: EngineTime) {
        if is_overloaded && !self.is_watching() {
            self.slots.iter_mut().for_each(|slot| slot.events = 0);
            self.second_began = now;
        }
        self.is_overloaded = is_overloaded;
    }

    fn is_watching(&self) -> bool {
        self.is_overloaded || self.demoted > 0
    }

    /// Counts an event of a device; gives the place of the device if it goes to the low lane.
    pub(super) fn place_of_demoted(&mut self, device: &str) -> Option<usize> {
        if !self.is_watching() {
            return None;
        }
        let hash =
            usize::try_from(self.hasher.hash_bytes(device.as_bytes()) >> HASH_SHIFT).unwrap_or(0);
        let slot = self.slots.get_mut(hash)?;
        slot.events = slot.events.saturating_add(1);
        if self.is_overloaded && !slot.is_demoted && slot.events > self.chatty {
            slot.is_demoted = true;
            self.demoted = self.demoted.saturating_add(1);
            self.counters.sources_demoted.fetch_add(1, Ordering::Relaxed);
            self.counters.demotions.fetch_add(1, Ordering::Relaxed);
        }
        slot.is_demoted.then_some(hash)
    }

    /// The event that was counted last is in the low batch of that number.
    pub(super) fn note(&mut self, place: usize, low_batch: u64) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.low_batch = low_batch;
        }
    }

    /// Once a second: devices that were calm move up, unless a low batch with an event of theirs is
    /// among those that were opened and have not passed.
    pub(super) fn end_second(&mut self, now: EngineTime, (passed, opened): (u64, u64)) {
        if !self.is_watching() || now.ns_since(self.second_began) < SECOND_NS {
            return;
        }
        self.second_began = now;
        for slot in &mut self.slots {
            let is_calm = slot.events <= self.chatty / 2;
            // A batch that was shed has given its number back.
            let has_passed = slot.low_batch.min(opened) <= passed;
            if slot.is_demoted && is_calm && has_passed {
                slot.is_demoted = false;
                self.demoted = self.demoted.saturating_sub(1);
                self.counters.sources_demoted.fetch_sub(1, Ordering::Relaxed);
            }
            slot.events = 0;
        }
    }
}

impl Drop for Demotion {
    fn drop(&mut self) {
        let demoted = u64::try_from(self.demoted).unwrap_or(0);
        self.counters.sources_demoted.fetch_sub(demoted, Ordering::Relaxed);
    }
}

const SLOTS: usize = 4_096;
const HASH_SHIFT: u32 = u64::BITS - SLOTS.trailing_zeros();
const SECOND_NS: u64 = 1_000_000_000;

#[cfg(test)]
#[path = "demotion_tests.rs"]
mod tests;
