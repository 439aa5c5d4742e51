//! One part of the table of series: what is kept of each, side by side in the order in which they
//! came.
//!
//! In: new series, and places. Out: what is kept there, and what time has done to it. It knows
//! nothing of indexes and locks.

use crate::model::limits::{SERIES_IDLE_S, SERIES_KEPT_S, SERIES_MAX};
use crate::model::paged::Paged;
use crate::shell::series::key::Key;
use crate::shell::series::matched::Matched;
use crate::shell::series::senders::{Sender, Senders};
use std::mem::size_of;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Bits of a place that name the slot; those above name the part.
const SLOT_BITS: u32 = 26;

/// Where a series is; good as long as it is heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(u32);

/// Where a request comes from, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch<'a> {
    pub(super) now_s: u32,
    pub(super) epoch: u32,
    /// Number of the request: its new series lie side by side.
    pub(super) request: u32,
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

/// A part of the table.
#[derive(Default)]
pub(super) struct Shard {
    entries: Paged<Option<Entry>>,
    /// Places that series have left.
    pub(super) free: Vec<u32>,
    /// No series of it is due before this second.
    pub(super) due_s: u32,
}

/// What is kept of a series.
pub(super) struct Entry {
    /// Of its labels.
    pub(super) key: Key,
    /// Hash of its label block; zero when it has none.
    pub(super) block: u64,
    /// Place of the sender that it came from last.
    pub(super) sender: u32,
    /// Seconds are counted from 1, so that a place without a series costs nothing more.
    pub(super) seen_s: NonZeroU32,
    /// Of the rules under which it is known.
    pub(super) epoch: u32,
    /// The series that followed it in the request before.
    pub(super) next: Place,
    /// What rules look at, if any does.
    pub(super) matched: Option<Box<Matched>>,
}

impl Shard {
    /// What is kept of the series at a place of this part.
    #[inline]
    pub(super) fn entry(&mut self, place: Place) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(place.slot()).ok()?)?.as_mut()
    }

    /// Takes a series in; gives its slot.
    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        let place = usize::try_from(slot).ok().and_then(|slot| self.entries.get_mut(slot));
        if let Some(place) = place {
            *place = Some(entry);
        }
        slot
    }

    /// Sees to it that the sweep comes in time for a series.
    pub(super) fn note_due(&mut self, place: Place) -> Option<(Known, Place)> {
        let entry = self.entry(place)?;
        let (due_s, found) = (entry.due_s(), (entry.known(place), entry.next));
        self.due_s = self.due_s.min(due_s);
        Some(found)
    }

    /// Takes out those that are idle, and gives the others whose time has come to `look`.
    pub(super) fn sweep(
        &mut self,
        part: usize,
        now_s: u32,
        look: &mut impl FnMut(Place, u32, &mut Matched),
    ) -> Vec<(Place, Entry)> {
        let mut gone = Vec::new();
        let mut due_s = u32::MAX;
        for (slot, seat) in (0_u32..).zip(self.entries.iter_mut()) {
            let Some(entry) = seat else { continue };
            let place = place_of(part, slot);
            if entry.due_s() <= now_s {
                if let Some(matched) = &mut entry.matched {
                    look(place, entry.sender, matched);
                }
                if entry.is_idle(now_s) {
                    gone.extend(seat.take().map(|entry| (place, entry)));
                    continue;
                }
            }
            // What is due still waits for its sender; that is not asked every second.
            due_s = due_s.min(entry.due_s().max(now_s.saturating_add(1)));
        }
        self.due_s = due_s;
        gone
    }
}

impl Entry {
    /// It came in a request.
    #[inline]
    pub(super) fn touch(&mut self, touch: &Touch<'_>) {
        self.seen_s = second(touch.now_s).max(self.seen_s);
        if self.sender != touch.sender.place {
            self.move_to(touch);
        }
    }

    #[cold]
    fn move_to(&mut self, touch: &Touch<'_>) {
        if let Some(sender) = touch.senders.at(self.sender) {
            sender.lose();
        }
        touch.sender.take_over();
        self.sender = touch.sender.place;
    }

    /// What it is to a request.
    #[inline]
    pub(super) fn known(&self, place: Place) -> Known {
        if self.matched.is_some() { Known::Matched(place) } else { Known::Unmatched }
    }

    /// A series whose silence is not told, since its sender is silent, is kept for longer.
    fn is_idle(&self, now_s: u32) -> bool {
        let is_waited_for = self.matched.as_ref().is_some_and(|one| one.due_s().is_some());
        let kept_s = if is_waited_for { SERIES_KEPT_S } else { 0 };
        self.idle_s().saturating_add(kept_s) <= now_s
    }

    fn idle_s(&self) -> u32 {
        self.seen_s.get().saturating_add(SERIES_IDLE_S)
    }

    fn due_s(&self) -> u32 {
        let silent_s = self.matched.as_ref().and_then(|matched| matched.due_s());
        silent_s.unwrap_or_else(|| self.idle_s())
    }
}

impl Place {
    /// Tells a series from others for as long as it is known.
    #[inline]
    pub(super) fn number(self) -> u32 {
        self.0
    }

    /// The place of that number.
    pub(super) fn numbered(number: u32) -> Self {
        Self(number)
    }

    /// Of the part that it is in.
    #[inline]
    pub(super) fn part(self) -> usize {
        usize::try_from(self.0 >> SLOT_BITS).unwrap_or(usize::MAX)
    }

    /// Within its part.
    #[inline]
    pub(super) fn slot(self) -> u32 {
        self.0 & SLOT_MASK
    }
}

const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
/// No series is ever there.
pub(super) const NOWHERE: Place = Place(u32::MAX);

/// The place of that slot in that part.
pub(super) fn place_of(part: usize, slot: u32) -> Place {
    Place((u32::try_from(part).unwrap_or(0) << SLOT_BITS) | (slot & SLOT_MASK))
}

/// A second, counted from 1.
#[inline]
pub(super) fn second(now_s: u32) -> NonZeroU32 {
    NonZeroU32::new(now_s).unwrap_or(NonZeroU32::MIN)
}

const _: () = assert!(SERIES_MAX < SLOT_MASK);
// What every series costs, whether rules look at it or not.
const _: () = assert!(size_of::<Option<Entry>>() == 48);
