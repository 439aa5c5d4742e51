//! Which series mean one alarm by one rule.
//!
//! Nearly every alarm is meant by one series alone, which then keeps by itself where the alarm
//! stands, and only its place is kept here. When a second one comes, what the first one keeps moves
//! into what both share from then on ([`Peers`]), also after one of them is gone.
//!
//! In: series that have taken their places, and those that have left them. Out: what a series
//! shares. A place is only a hint: whether the series there still means the alarm, alone, is asked
//! of the series itself.

use crate::model::index::HashIndex;
use crate::shell::series::key::Keys;
use crate::shell::series::matched::Matched;
use crate::shell::series::peers::Peers;
use crate::shell::series::shard::Place;
use crate::shell::series::shares::Shared;
use crate::shell::series::table::{SHARDS, part_of};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// All alarms that rules mean by series.
pub(super) struct Alarms {
    keys: Keys,
    parts: Box<[Mutex<Part>]>,
}

#[derive(Default)]
struct Part {
    /// Places of series that mean an alarm alone.
    alone: HashIndex,
    /// What several series share.
    shared: BTreeMap<u64, Weak<Mutex<Peers>>>,
}

impl Default for Alarms {
    fn default() -> Self {
        let parts = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { keys: Keys::default(), parts }
    }
}

impl Alarms {
    /// The alarms that a series means, alone as far as it knows, by the place of its track.
    pub(super) fn meant_by(&self, matched: Option<&Matched>) -> Vec<(u8, u64)> {
        matched.map_or_else(Vec::new, |matched| matched.alone(&self.keys).collect())
    }

    /// A series at that place means an alarm; gives what it shares with others, if there are any.
    /// `share` makes the series at another place share, if it is one that means the alarm alone.
    pub(super) fn join(
        &self,
        alarm: u64,
        place: Place,
        share: impl Fn(Place, &Keys) -> Option<Shared<Peers>>,
    ) -> Option<Shared<Peers>> {
        let mut part = self.part(alarm)?;
        if let Some(known) = part.shared.get(&alarm).and_then(Weak::upgrade) {
            return Some(known);
        }
        let mut shared = None;
        let met = part.alone.find(alarm, |other| {
            shared = share(Place::numbered(other), &self.keys);
            shared.is_some()
        });
        match (met, &shared) {
            (Some(met), Some(peers)) => {
                part.alone.remove(alarm, met);
                part.shared.insert(alarm, Arc::downgrade(peers));
            }
            _ => part.alone.insert(alarm, place.number()),
        }
        shared
    }

    /// That series has left that place.
    pub(super) fn leave(&self, place: Place, matched: Option<&Matched>) {
        for (_, alarm) in self.meant_by(matched) {
            if let Some(mut part) = self.part(alarm) {
                part.alone.remove(alarm, place.number());
            }
        }
    }

    /// Lets go of what no series shares any more.
    pub(super) fn sweep(&self) {
        for part in &self.parts {
            locked(part).shared.retain(|_, shared| shared.strong_count() > 0);
        }
    }

    /// Alarms that one series means, and those that several share.
    #[cfg(test)]
    pub(super) fn known(&self) -> [usize; 2] {
        self.parts.iter().map(locked).fold([0, 0], |[alone, shared], part| {
            [alone + part.alone.len(), shared + part.shared.len()]
        })
    }

    fn part(&self, alarm: u64) -> Option<MutexGuard<'_, Part>> {
        self.parts.get(part_of(alarm)).map(locked)
    }
}

fn locked(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
