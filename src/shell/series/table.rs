//! The series that are known: a bounded table behind one lock per part, so that several requests
//! work in it at once.
//!
//! In: label blocks and labels. Out: the place of a series, and what is kept of it. A series is
//! known by a key of its labels; one that came in remote write 1.0 by a key of its label block too,
//! so that its labels are not read again. Of a series that no rule looks at only that is kept.
//!
//! At the bound new series are refused; those that are known go on. A series that sends nothing
//! for [`SERIES_IDLE_S`] is forgotten.

use crate::model::index::HashIndex;
use crate::model::limits::{SERIES_IDLE_S, SERIES_KEPT_S, SERIES_MAX, SERIES_PER_SENDER_MAX};
use crate::shell::series::key::Key;
use crate::shell::series::matched::Matched;
use crate::shell::series::senders::{Sender, Senders};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts of the table.
const SHARDS: usize = 64;
/// Bits of a place that name the slot; those above name the part.
const SLOT_BITS: u32 = 26;

/// Bounds of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) series_max: u32,
    pub(super) series_per_sender_max: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { series_max: SERIES_MAX, series_per_sender_max: SERIES_PER_SENDER_MAX }
    }
}

/// Where a series is; good as long as it is heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(u32);

/// Where a request comes from, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch<'a> {
    pub(super) now_s: u32,
    pub(super) epoch: u32,
    pub(super) sender: &'a Arc<Sender>,
    pub(super) senders: &'a Senders,
}

/// What a series is to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// No rule looks at it.
    Unmatched,
    /// Rules look at it.
    Matched(Place),
    /// It is new, and there are too many.
    Full,
}

/// The table.
pub(super) struct Table {
    shards: Box<[Mutex<Shard>]>,
    blocks: Box<[Mutex<HashIndex>]>,
    bounds: Bounds,
    count: AtomicU32,
}

#[derive(Default)]
struct Shard {
    index: HashIndex,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// No series of it is due before this second.
    due_s: u32,
}

struct Entry {
    key: Key,
    /// Of its label block; zero when it has none.
    block: Key,
    sender: u32,
    seen_s: u32,
    epoch: u32,
    matched: Option<Box<Matched>>,
}

impl Table {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            blocks: (0..SHARDS).map(|_| Mutex::default()).collect(),
            bounds,
            count: AtomicU32::new(0),
        }
    }

    /// Series known.
    pub(super) fn len(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// The series whose label block this is, if it is known under these rules.
    #[inline]
    pub(super) fn recall(&self, block: Key, touch: &Touch<'_>) -> Option<Known> {
        let id = locked(self.blocks.get(shard_of(block))?).find(block.hash, |_| true)?;
        let mut shard = self.shard(id)?;
        let entry = shard.entry(id)?;
        if entry.block != block || entry.epoch != touch.epoch {
            return None;
        }
        entry.touch(touch);
        Some(entry.known(id))
    }

    /// The series with these labels; made when it is new. `resolve` says what is to be kept of it
    /// and is asked when that is not known under these rules.
    pub(super) fn enter(
        &self,
        (key, block): (Key, Option<Key>),
        touch: &Touch<'_>,
        resolve: impl FnOnce() -> Option<Box<Matched>>,
    ) -> Known {
        let part = shard_of(key);
        let Some(mut shard) = self.shards.get(part).map(locked) else { return Known::Full };
        let (id, before) = if let Some(slot) = shard.find(key) {
            let id = id_of(part, slot);
            let Some(entry) = shard.entry(id) else { return Known::Full };
            entry.touch(touch);
            if entry.epoch != touch.epoch {
                entry.matched = resolve();
                entry.epoch = touch.epoch;
            }
            let before = entry.block;
            entry.block = block.unwrap_or(before);
            (id, before)
        } else {
            if !self.has_room(touch.sender) {
                return Known::Full;
            }
            let entry = Entry {
                key,
                block: block.unwrap_or_default(),
                sender: touch.sender.place,
                seen_s: touch.now_s,
                epoch: touch.epoch,
                matched: resolve(),
            };
            (id_of(part, shard.insert(entry)), Key::default())
        };
        let known = shard.note_due(id);
        drop(shard);
        if let Some(block) = block.filter(|block| *block != before) {
            self.forget_block(before, id);
            self.learn_block(block, id);
        }
        known
    }

    /// Works on what is kept of a series; `None` when it is gone.
    #[inline]
    pub(super) fn with<T>(&self, place: Place, work: impl FnOnce(&mut Matched) -> T) -> Option<T> {
        let mut shard = self.shard(place.0)?;
        let matched = shard.entry(place.0)?.matched.as_mut()?;
        let made = work(matched);
        // What was silent may be waited for again.
        let due_s = matched.due_s().unwrap_or(u32::MAX);
        shard.due_s = shard.due_s.min(due_s);
        Some(made)
    }

    /// Looks at every series whose time may have come: forgets those that are idle, and gives the
    /// others to `look`. Gives how many were forgotten.
    pub(super) fn sweep(
        &self,
        now_s: u32,
        senders: &[Arc<Sender>],
        mut look: impl FnMut(Place, u32, &mut Matched),
    ) -> u32 {
        let mut forgotten = 0_u32;
        for (part, shard) in self.shards.iter().enumerate() {
            let mut shard = locked(shard);
            if shard.due_s > now_s {
                continue;
            }
            let gone = shard.sweep(part, now_s, &mut look);
            drop(shard);
            for (id, entry) in gone {
                self.forget_block(entry.block, id);
                let sender = usize::try_from(entry.sender).ok().and_then(|at| senders.get(at));
                if let Some(sender) = sender {
                    sender.lose();
                }
                self.count.fetch_sub(1, Ordering::Relaxed);
                forgotten = forgotten.saturating_add(1);
            }
        }
        forgotten
    }

    fn has_room(&self, sender: &Sender) -> bool {
        let max = self.bounds.series_max;
        let count = |count: u32| (count < max).then(|| count.saturating_add(1));
        if self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).is_err() {
            sender.refuse();
            return false;
        }
        if sender.has_room(self.bounds.series_per_sender_max) {
            return true;
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        false
    }

    fn learn_block(&self, block: Key, id: u32) {
        if let Some(blocks) = self.blocks.get(shard_of(block)) {
            let mut blocks = locked(blocks);
            if blocks.find(block.hash, |known| known == id).is_none() {
                blocks.insert(block.hash, id);
            }
        }
    }

    fn forget_block(&self, block: Key, id: u32) {
        if block != Key::default()
            && let Some(blocks) = self.blocks.get(shard_of(block))
        {
            locked(blocks).remove(block.hash, id);
        }
    }

    fn shard(&self, id: u32) -> Option<MutexGuard<'_, Shard>> {
        let part = usize::try_from(id >> SLOT_BITS).ok()?;
        self.shards.get(part).map(locked)
    }
}

impl Shard {
    fn find(&self, key: Key) -> Option<u32> {
        self.index.find(key.hash, |slot| self.at(slot).is_some_and(|entry| entry.key == key))
    }

    fn at(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(slot).ok()?)?.as_ref()
    }

    fn entry(&mut self, id: u32) -> Option<&mut Entry> {
        let slot = usize::try_from(id & SLOT_MASK).ok()?;
        self.entries.get_mut(slot)?.as_mut()
    }

    fn insert(&mut self, entry: Entry) -> u32 {
        let hash = entry.key.hash;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        let place = usize::try_from(slot).ok().and_then(|slot| self.entries.get_mut(slot));
        if let Some(place) = place {
            *place = Some(entry);
        }
        self.index.insert(hash, slot);
        slot
    }

    /// Sees to it that the sweep comes in time for a series.
    fn note_due(&mut self, id: u32) -> Known {
        let Some(entry) = self.entry(id) else { return Known::Full };
        let (due_s, known) = (entry.due_s(), entry.known(id));
        self.due_s = self.due_s.min(due_s);
        known
    }

    fn sweep(
        &mut self,
        part: usize,
        now_s: u32,
        look: &mut impl FnMut(Place, u32, &mut Matched),
    ) -> Vec<(u32, Entry)> {
        let mut gone = Vec::new();
        let mut due_s = u32::MAX;
        for (slot, place) in (0_u32..).zip(&mut self.entries) {
            let Some(entry) = place else { continue };
            if entry.due_s() <= now_s {
                if let Some(matched) = &mut entry.matched {
                    look(Place(id_of(part, slot)), entry.sender, matched);
                }
                if entry.is_idle(now_s) {
                    gone.extend(place.take().map(|entry| (slot, entry)));
                    continue;
                }
            }
            // What is due still waits for its sender; that is not asked every second.
            due_s = due_s.min(entry.due_s().max(now_s.saturating_add(1)));
        }
        self.due_s = due_s;
        for (slot, entry) in &mut gone {
            self.index.remove(entry.key.hash, *slot);
            self.free.push(*slot);
            *slot = id_of(part, *slot);
        }
        gone
    }
}

impl Entry {
    #[inline]
    fn touch(&mut self, touch: &Touch<'_>) {
        self.seen_s = touch.now_s.max(self.seen_s);
        if self.sender != touch.sender.place {
            if let Some(sender) = touch.senders.at(self.sender) {
                sender.lose();
            }
            touch.sender.take_over();
            self.sender = touch.sender.place;
        }
    }

    fn known(&self, id: u32) -> Known {
        if self.matched.is_some() { Known::Matched(Place(id)) } else { Known::Unmatched }
    }

    /// A series whose silence is not told, since its sender is silent, is kept for longer.
    fn is_idle(&self, now_s: u32) -> bool {
        let is_waited_for = self.matched.as_ref().is_some_and(|one| one.due_s().is_some());
        let kept_s = if is_waited_for { SERIES_KEPT_S } else { 0 };
        self.idle_s().saturating_add(kept_s) <= now_s
    }

    fn idle_s(&self) -> u32 {
        self.seen_s.saturating_add(SERIES_IDLE_S)
    }

    fn due_s(&self) -> u32 {
        let silent_s = self.matched.as_ref().and_then(|matched| matched.due_s());
        silent_s.unwrap_or_else(|| self.idle_s())
    }
}

const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;

fn id_of(part: usize, slot: u32) -> u32 {
    (u32::try_from(part).unwrap_or(0) << SLOT_BITS) | (slot & SLOT_MASK)
}

fn shard_of(key: Key) -> usize {
    usize::try_from(key.check & 63).unwrap_or(0)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const _: () = assert!(SHARDS == 64 && SERIES_MAX < SLOT_MASK);
