//! Who was heard: one entry per sending address, for the list of unknown senders and for adopting
//! them into the inventory. Cold: receive threads tally by themselves ([`SourceTally`]) and bring
//! their tallies here about once a second.
//!
//! It decides nothing, and it is lost with the process: what must survive is in the journal.

use crate::model::limits::{NAME_BYTES_MAX, SOURCE_NAMES_MAX, SOURCES_MAX};
use crate::model::time::{EngineTime, Timestamp};
use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What is known about one sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Arrival of its first message in this run.
    pub first_heard: Timestamp,
    /// Arrival of its latest message.
    pub last_heard: Timestamp,
    /// Messages received from it.
    pub messages: u64,
    /// Names by which it called itself (syslog HOSTNAME, sysName), in the order in which they came
    /// up, at most [`SOURCE_NAMES_MAX`].
    pub names: Vec<String>,
}

/// Every sender heard in this run, at most [`SOURCES_MAX`].
#[derive(Debug, Default)]
pub struct SourceRegistry {
    sources: DashMap<IpAddr, Source>,
    count: AtomicUsize,
    unlisted_messages: AtomicU64,
}

impl SourceRegistry {
    /// Adds messages of one sender, heard from `first` to `last`. When the registry is full, those
    /// of new senders are counted as [`SourceRegistry::unlisted_messages`].
    pub fn add(&self, peer: IpAddr, messages: u64, first: Timestamp, last: Timestamp) {
        if let Some(mut source) = self.sources.get_mut(&peer) {
            source.messages = source.messages.saturating_add(messages);
            source.first_heard = source.first_heard.min(first);
            source.last_heard = source.last_heard.max(last);
            return;
        }
        // A few more than the limit may slip in when threads add at once; that does no harm.
        if self.count.load(Ordering::Relaxed) >= SOURCES_MAX {
            self.unlisted_messages.fetch_add(messages, Ordering::Relaxed);
            return;
        }
        let mut is_new = false;
        let mut source = self.sources.entry(peer).or_insert_with(|| {
            is_new = true;
            Source { first_heard: first, last_heard: last, messages: 0, names: Vec::new() }
        });
        source.messages = source.messages.saturating_add(messages);
        source.last_heard = source.last_heard.max(last);
        drop(source);
        if is_new {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes note of a name by which a listed sender calls itself; cut at [`NAME_BYTES_MAX`].
    /// Meant for senders that the inventory does not know.
    pub fn add_name(&self, peer: IpAddr, name: &str) {
        let name = cut(name, NAME_BYTES_MAX);
        let is_news = |source: &Source| {
            !name.is_empty()
                && source.names.len() < SOURCE_NAMES_MAX
                && !source.names.iter().any(|known| known == name)
        };
        if !self.sources.get(&peer).is_some_and(|source| is_news(&source)) {
            return;
        }
        if let Some(mut source) = self.sources.get_mut(&peer)
            && is_news(&source)
        {
            source.names.push(name.to_owned());
        }
    }

    /// What is known about one sender.
    #[must_use]
    pub fn get(&self, peer: IpAddr) -> Option<Source> {
        self.sources.get(&peer).map(|source| source.clone())
    }

    /// Every sender, by address. Copies; meant for a person who asks, not for a loop.
    #[must_use]
    pub fn list(&self) -> Vec<(IpAddr, Source)> {
        let mut list: Vec<_> =
            self.sources.iter().map(|entry| (*entry.key(), entry.value().clone())).collect();
        list.sort_by_key(|(peer, _)| *peer);
        list
    }

    /// Messages of senders for which there was no room.
    #[must_use]
    pub fn unlisted_messages(&self) -> u64 {
        self.unlisted_messages.load(Ordering::Relaxed)
    }
}

const TALLY_SLOTS: usize = 4_096;
const TALLY_BITS: u32 = TALLY_SLOTS.trailing_zeros();
const FLUSH_EVERY_NS: u64 = 1_000_000_000;

/// Counts the messages of each sender on one thread. A slot per address by hash; a sender whose
/// slot is taken sends the other's tally on its way.
#[derive(Debug)]
pub(super) struct SourceTally {
    slots: Vec<Tally>,
    flushed_at: EngineTime,
    is_clean: bool,
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    peer: IpAddr,
    messages: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Default for SourceTally {
    fn default() -> Self {
        let empty = Tally {
            peer: crate::shell::batch::NO_PEER,
            messages: 0,
            first: Timestamp(0),
            last: Timestamp(0),
        };
        Self { slots: vec![empty; TALLY_SLOTS], flushed_at: EngineTime(0), is_clean: true }
    }
}

impl SourceTally {
    /// One message.
    pub(super) fn count(&mut self, peer: IpAddr, at: Timestamp, registry: &SourceRegistry) {
        let Some(slot) = self.slots.get_mut(slot_of(peer)) else { return };
        if slot.messages == 0 || slot.peer != peer {
            slot.flush(registry);
            *slot = Tally { peer, messages: 0, first: at, last: at };
        }
        slot.messages = slot.messages.saturating_add(1);
        slot.last = at;
        self.is_clean = false;
    }

    /// Brings the tallies to the registry, if it is about time.
    pub(super) fn flush_when_due(&mut self, now: EngineTime, registry: &SourceRegistry) {
        if now.ns_since(self.flushed_at) >= FLUSH_EVERY_NS {
            self.flush(registry);
            self.flushed_at = now;
        }
    }

    /// Brings all tallies to the registry.
    pub(super) fn flush(&mut self, registry: &SourceRegistry) {
        if !self.is_clean {
            self.slots.iter_mut().for_each(|slot| slot.flush(registry));
            self.is_clean = true;
        }
    }
}

impl Tally {
    fn flush(&mut self, registry: &SourceRegistry) {
        if self.messages > 0 {
            registry.add(self.peer, self.messages, self.first, self.last);
            self.messages = 0;
        }
    }
}

/// The longest beginning of whole characters that has at most so many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or(text)
}

/// Multiplicative hash of the address; the upper bits are the well mixed ones.
fn slot_of(peer: IpAddr) -> usize {
    let folded = match peer {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let low = u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
            let high = u64::try_from(bits >> u64::BITS).unwrap_or(0);
            high ^ low.rotate_left(1)
        }
    };
    let hash = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - TALLY_BITS);
    usize::try_from(hash).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn peer(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
    }

    #[test]
    fn tallies_of_many_senders_all_arrive() {
        let registry = SourceRegistry::default();
        let mut tally = SourceTally::default();
        for round in 0..3 {
            for number in 0..10_000 {
                tally.count(peer(number), Timestamp(round * 10 + 1), &registry);
            }
        }
        tally.flush(&registry);
        let list = registry.list();
        assert_eq!(list.len(), 10_000);
        for (_, source) in list {
            assert_eq!((source.messages, source.first_heard.0, source.last_heard.0), (3, 1, 21));
        }
    }

    #[test]
    fn tallies_wait_for_about_a_second() {
        let registry = SourceRegistry::default();
        let mut tally = SourceTally::default();
        tally.flush_when_due(EngineTime(5_000_000_000), &registry);
        tally.count(peer(1), Timestamp(1), &registry);
        tally.flush_when_due(EngineTime(5_900_000_000), &registry);
        assert_eq!(registry.get(peer(1)), None);
        tally.flush_when_due(EngineTime(6_000_000_000), &registry);
        assert_eq!(registry.get(peer(1)).unwrap().messages, 1);
    }

    #[test]
    fn names_are_bounded_distinct_and_cut_at_a_character() {
        let registry = SourceRegistry::default();
        registry.add_name(peer(1), "too-early");
        registry.add(peer(1), 1, Timestamp(1), Timestamp(1));
        registry.add_name(peer(1), "core-1");
        registry.add_name(peer(1), "core-1");
        registry.add_name(peer(1), &"é".repeat(200));
        for number in 0..20 {
            registry.add_name(peer(1), &format!("n{number}"));
        }
        let names = registry.get(peer(1)).unwrap().names;
        assert_eq!(names.len(), SOURCE_NAMES_MAX);
        assert_eq!((names[0].as_str(), names[1].len()), ("core-1", 254));
    }

    #[test]
    fn senders_beyond_the_limit_are_counted_and_not_listed() {
        let registry = SourceRegistry::default();
        for number in 0..u32::try_from(SOURCES_MAX).unwrap() + 5 {
            registry.add(peer(number), 2, Timestamp(1), Timestamp(1));
        }
        assert_eq!(registry.list().len(), SOURCES_MAX);
        assert_eq!(registry.unlisted_messages(), 10);
        registry.add(peer(0), 1, Timestamp(2), Timestamp(2));
        assert_eq!(registry.get(peer(0)).unwrap().messages, 3);
    }
}
