//! The series that are known: a bounded table behind one lock per part, so that several requests
//! work in it at once.
//!
//! In: label blocks and labels. Out: the place of a series, and what is kept of it. A series is
//! known by a key of its labels; one that came in remote write 1.0 by a hash of its label block
//! too, so that its labels are not read again. Of a series that no rule looks at only that is kept.
//!
//! What a known series costs is the memory that has to be fetched for it. Senders write their
//! series in the same order every time, so those that come in one request lie side by side, and
//! each knows which one followed it ([`Trail`]): the indexes are asked only when the order changes.
//!
//! At the bound new series are refused; those that are known go on. A series that sends nothing
//! for [`SERIES_IDLE_S`](crate::model::limits::SERIES_IDLE_S) is forgotten.
//!
//! A series that rules look at is entered in three steps: it takes its place, where no request
//! finds it yet; it meets those that mean the same alarms ([`Alarms`]); then requests find it.
//!
//! Locks are taken in the order keys, alarms, series, blocks; never two of one kind.

use crate::model::index::HashIndex;
use crate::model::limits::{SERIES_MAX, SERIES_PER_SENDER_MAX};
use crate::shell::series::alarms::Alarms;
use crate::shell::series::key::{Key, Keys};
use crate::shell::series::matched::Matched;
use crate::shell::series::senders::Sender;
use crate::shell::series::shard::{Entry, Known, NOWHERE, Place, Shard, Touch, place_of, second};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts of the table.
pub(super) const SHARDS: usize = 64;
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

/// Where a request is in the table: the series that it came to last, and the one that is expected
/// to follow, for it did so the time before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail {
    last: Place,
    next: Place,
}

impl Default for Trail {
    fn default() -> Self {
        Self { last: NOWHERE, next: NOWHERE }
    }
}

/// The table.
pub(super) struct Table {
    /// The series, in the order in which they came.
    shards: Box<[Mutex<Shard>]>,
    /// From the keys of labels to places.
    keys: Box<[Mutex<HashIndex>]>,
    /// From the hashes of label blocks to places.
    blocks: Box<[Mutex<HashIndex>]>,
    alarms: Alarms,
    bounds: Bounds,
    count: AtomicU32,
}

impl Table {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            keys: (0..SHARDS).map(|_| Mutex::default()).collect(),
            blocks: (0..SHARDS).map(|_| Mutex::default()).collect(),
            alarms: Alarms::default(),
            bounds,
            count: AtomicU32::new(0),
        }
    }

    /// Series known.
    pub(super) fn len(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// The series that is expected next, if this is its label block and it is known under these
    /// rules.
    #[inline]
    pub(super) fn follow(&self, trail: &mut Trail, block: u64, touch: &Touch<'_>) -> Option<Known> {
        let place = trail.next;
        let mut shard = self.shard(place)?;
        let entry = shard.entry(place)?;
        if entry.block != block || entry.epoch != touch.epoch {
            return None;
        }
        entry.touch(touch);
        *trail = Trail { last: place, next: entry.next };
        Some(entry.known(place))
    }

    /// The series whose label block this is, if it is known under these rules. Of two whose hashes
    /// meet in the index one is found; the labels of the other are read.
    pub(super) fn recall(&self, trail: &mut Trail, block: u64, touch: &Touch<'_>) -> Option<Known> {
        let found = locked(self.blocks.get(part_of(block))?).find(block, |_| true)?;
        let place = Place::numbered(found);
        let mut shard = self.shard(place)?;
        let entry = shard.entry(place)?;
        if entry.block != block || entry.epoch != touch.epoch {
            return None;
        }
        entry.touch(touch);
        let (known, next) = (entry.known(place), entry.next);
        drop(shard);
        self.step(trail, place, next);
        Some(known)
    }

    /// The series with these labels; made when it is new. `resolve` says what is to be kept of it
    /// and is asked when that is not known under these rules. `note_shared` hears of each of its
    /// tracks whose alarm another series means already.
    pub(super) fn enter(
        &self,
        (key, block): (Key, Option<u64>),
        (trail, touch): (&mut Trail, &Touch<'_>),
        resolve: impl Fn() -> Option<Box<Matched>>,
        note_shared: impl Fn(Place, u8),
    ) -> Known {
        let Some(mut keys) = self.keys.get(part_of(key.check)).map(locked) else {
            return Known::Full;
        };
        let found = keys.find(key.hash, |id| {
            let mut shard = self.shard(Place::numbered(id));
            shard
                .as_mut()
                .and_then(|shard| shard.entry(Place::numbered(id)))
                .is_some_and(|e| e.key == key)
        });
        let ask = (&resolve, &note_shared);
        let renewed =
            found.and_then(|id| self.renew(Place::numbered(id), (key, block), touch, ask));
        let (place, before) = if let Some(renewed) = renewed {
            renewed
        } else {
            if !self.has_room(touch.sender) {
                return Known::Full;
            }
            let Some(place) = self.settle_new((key, block), touch, ask) else {
                return Known::Full;
            };
            keys.insert(key.hash, place.number());
            (place, 0)
        };
        drop(keys);
        let Some((known, next)) = self.shard(place).and_then(|mut shard| shard.note_due(place))
        else {
            return Known::Full;
        };
        if let Some(block) = block.filter(|block| *block != before) {
            self.forget_block(before, place);
            self.learn_block(block, place);
        }
        self.step(trail, place, next);
        known
    }

    /// Gives a new series its place.
    fn settle_new(
        &self,
        (key, block): (Key, Option<u64>),
        touch: &Touch<'_>,
        (resolve, note_shared): (&impl Fn() -> Option<Box<Matched>>, &impl Fn(Place, u8)),
    ) -> Option<Place> {
        let matched = resolve();
        let alarms = self.alarms.meant_by(matched.as_deref());
        let entry = Entry {
            key,
            block: block.unwrap_or_default(),
            sender: touch.sender.place,
            seen_s: second(touch.now_s),
            epoch: touch.epoch,
            next: NOWHERE,
            matched,
        };
        let part = usize::try_from(touch.request).unwrap_or(0) % SHARDS;
        let place = place_of(part, self.shards.get(part).map(locked)?.insert(entry));
        self.meet_others(place, &alarms, note_shared);
        Some(place)
    }

    /// Brings a series up to date that came again with its labels; gives the label block that it
    /// had. `None` when it is gone.
    fn renew(
        &self,
        place: Place,
        (key, block): (Key, Option<u64>),
        touch: &Touch<'_>,
        (resolve, note_shared): (&impl Fn() -> Option<Box<Matched>>, &impl Fn(Place, u8)),
    ) -> Option<(Place, u64)> {
        let is_old = {
            let mut shard = self.shard(place)?;
            let entry = shard.entry(place).filter(|entry| entry.key == key)?;
            entry.touch(touch);
            entry.epoch != touch.epoch
        };
        if is_old {
            // Rules are asked while nobody waits for the series beside it.
            let matched = resolve();
            let alarms = self.alarms.meant_by(matched.as_deref());
            let before = {
                let mut shard = self.shard(place)?;
                let entry = shard.entry(place).filter(|entry| entry.key == key)?;
                let before = std::mem::replace(&mut entry.matched, matched);
                if let Some((now, before)) = entry.matched.as_mut().zip(before.as_ref()) {
                    now.take_over(before);
                }
                before
            };
            self.alarms.leave(place, before.as_deref());
            self.meet_others(place, &alarms, note_shared);
        }
        let mut shard = self.shard(place)?;
        let entry = shard.entry(place).filter(|entry| entry.key == key)?;
        entry.epoch = touch.epoch;
        let before = entry.block;
        entry.block = block.unwrap_or(before);
        Some((place, before))
    }

    /// Lets a series share its alarms with those that mean them already.
    fn meet_others(&self, place: Place, alarms: &[(u8, u64)], note_shared: &impl Fn(Place, u8)) {
        for (track, alarm) in alarms {
            let share = |other: Place, keys: &Keys| {
                self.with(other, |matched| matched.share(other, *alarm, keys)).flatten()
            };
            let Some(peers) = self.alarms.join(*alarm, place, share) else { continue };
            let _ = self.with(place, |matched| matched.join(*track, peers));
            note_shared(place, *track);
        }
    }

    /// Alarms that one series means, and those that several share.
    #[cfg(test)]
    pub(super) fn alarms_known(&self) -> [usize; 2] {
        self.alarms.known()
    }

    /// Lets go of what no series shares any more.
    pub(super) fn sweep_alarms(&self) {
        self.alarms.sweep();
    }

    /// The request came to a series that was not the expected one: the one before knows it now.
    fn step(&self, trail: &mut Trail, place: Place, next: Place) {
        if trail.next != place
            && let Some(mut shard) = self.shard(trail.last)
            && let Some(entry) = shard.entry(trail.last)
        {
            entry.next = place;
        }
        *trail = Trail { last: place, next };
    }

    /// Works on what is kept of a series; `None` when it is gone.
    #[inline]
    pub(super) fn with<T>(&self, place: Place, work: impl FnOnce(&mut Matched) -> T) -> Option<T> {
        let mut shard = self.shard(place)?;
        let matched = shard.entry(place)?.matched.as_mut()?;
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
        for (part, mutex) in self.shards.iter().enumerate() {
            let mut shard = locked(mutex);
            if shard.due_s > now_s {
                continue;
            }
            let gone = shard.sweep(part, now_s, &mut look);
            drop(shard);
            for (place, entry) in &gone {
                self.alarms.leave(*place, entry.matched.as_deref());
                self.forget_block(entry.block, *place);
                self.forget_key(entry.key, *place);
                let sender = usize::try_from(entry.sender).ok().and_then(|at| senders.get(at));
                if let Some(sender) = sender {
                    sender.lose();
                }
                self.count.fetch_sub(1, Ordering::Relaxed);
                forgotten = forgotten.saturating_add(1);
            }
            // Only now, when no index leads there any more, may others take their places.
            locked(mutex).free.extend(gone.iter().map(|(place, _)| place.slot()));
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

    fn learn_block(&self, block: u64, place: Place) {
        if let Some(blocks) = self.blocks.get(part_of(block)) {
            let mut blocks = locked(blocks);
            if blocks.find(block, |known| known == place.number()).is_none() {
                blocks.insert(block, place.number());
            }
        }
    }

    fn forget_block(&self, block: u64, place: Place) {
        if block != 0
            && let Some(blocks) = self.blocks.get(part_of(block))
        {
            locked(blocks).remove(block, place.number());
        }
    }

    fn forget_key(&self, key: Key, place: Place) {
        if let Some(keys) = self.keys.get(part_of(key.check)) {
            locked(keys).remove(key.hash, place.number());
        }
    }

    #[inline]
    fn shard(&self, place: Place) -> Option<MutexGuard<'_, Shard>> {
        let part = place.part();
        self.shards.get(part).map(locked)
    }
}

/// The part of an index that a hash belongs to; the index itself goes by the other bits.
pub(super) fn part_of(hash: u64) -> usize {
    usize::try_from(hash & 63).unwrap_or(0)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const _: () = assert!(SHARDS == 64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::SERIES_IDLE_S;
    use crate::shell::series::senders::{SenderName, Senders};
    use std::net::{IpAddr, Ipv4Addr};

    fn key(number: u64) -> Key {
        Key { hash: number.wrapping_mul(0x9e37_79b9_7f4a_7c15), check: number }
    }

    fn block(number: u64) -> u64 {
        (number + 1_000).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// A table, and a sender whose requests are numbered.
    struct Bench {
        table: Table,
        senders: Senders,
        sender: Arc<Sender>,
    }

    impl Bench {
        fn new() -> Self {
            let senders = Senders::default();
            let sender = senders.of(SenderName::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)));
            Self { table: Table::new(Bounds::default()), senders, sender }
        }

        fn touch(&self, (request, epoch): (u32, u32)) -> Touch<'_> {
            Touch { now_s: 1, epoch, request, sender: &self.sender, senders: &self.senders }
        }

        /// Sends series in that order; gives for each by what it was found: what was expected, its
        /// block, or its labels.
        fn send(&self, (request, epoch): (u32, u32), numbers: &[u64]) -> String {
            let touch = self.touch((request, epoch));
            let mut trail = Trail::default();
            let find = |number: &u64| {
                if self.table.follow(&mut trail, block(*number), &touch).is_some() {
                    return 'n';
                }
                if self.table.recall(&mut trail, block(*number), &touch).is_some() {
                    return 'b';
                }
                let keys = (key(*number), Some(block(*number)));
                let known = self.table.enter(keys, (&mut trail, &touch), || None, |_, _| {});
                assert_eq!(known, Known::Unmatched);
                'l'
            };
            numbers.iter().map(find).collect()
        }
    }

    #[test]
    fn the_order_of_a_sender_is_learned_and_learned_again() {
        let bench = Bench::new();
        assert_eq!(bench.send((1, 1), &[1, 2, 3, 4]), "llll");
        assert_eq!(bench.send((2, 1), &[1, 2, 3, 4]), "bnnn");
        assert_eq!(bench.send((3, 1), &[1, 3, 5, 4]), "bblb", "another order, and a new one");
        assert_eq!(bench.send((4, 1), &[1, 3, 5, 4]), "bnnn");
        assert_eq!(bench.send((5, 1), &[3, 5, 1, 1]), "bnbb");
        assert_eq!(bench.send((6, 1), &[1, 1]), "bn", "one that follows itself");
        assert_eq!(bench.table.len(), 5);
    }

    #[test]
    fn under_other_rules_labels_are_read_again() {
        let bench = Bench::new();
        assert_eq!(bench.send((1, 1), &[1, 2, 3]), "lll");
        assert_eq!(bench.send((2, 2), &[1, 2, 3]), "lll");
        assert_eq!(bench.send((3, 2), &[1, 2, 3]), "bnn");
        assert_eq!(bench.table.len(), 3);
    }

    #[test]
    fn a_place_that_another_series_has_taken_is_not_mistaken() {
        let bench = Bench::new();
        assert_eq!(bench.send((1, 1), &[1, 2]), "ll");
        let senders = bench.senders.list();
        assert_eq!(bench.table.sweep(1 + SERIES_IDLE_S, &senders, |_, _, _| {}), 2);
        assert_eq!((bench.table.len(), bench.sender.series()), (0, 0));
        // Requests 64 apart put their series into one part, where the places are free.
        let both_again = 1 + u32::try_from(SHARDS).expect("few");
        assert_eq!(bench.send((both_again, 1), &[2, 3, 1]), "lll");
        assert_eq!(bench.send((2, 1), &[1, 2, 3]), "bbn");
    }

    #[test]
    fn a_block_that_changes_leads_to_the_same_series() {
        let bench = Bench::new();
        assert_eq!(bench.send((1, 1), &[1]), "l");
        let touch = bench.touch((2, 1));
        let mut trail = Trail::default();
        let other = block(77);
        let keys = (key(1), Some(other));
        let known = bench.table.enter(keys, (&mut trail, &touch), || None, |_, _| {});
        assert_eq!((known, bench.table.len()), (Known::Unmatched, 1));
        let mut trail = Trail::default();
        assert_eq!(bench.table.recall(&mut trail, other, &touch), Some(Known::Unmatched));
        assert_eq!(bench.table.recall(&mut trail, block(1), &touch), None);
    }
}
