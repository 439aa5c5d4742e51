//! Who sends samples: when each was heard last, how many series it has, and whether it fell silent
//! as a whole. One entry per address or name; beyond [`SENDERS_MAX`] further ones share one.

use crate::classify::LAST_DEVICE_LABEL;
use crate::shell::batch::NO_PEER;
use dashmap::DashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Senders told apart at most.
const SENDERS_MAX: usize = 4_096;
/// The alarm about many series is raised again after so many seconds.
const BLAMED_EVERY_S: u32 = 60;

/// By what a sender is told from others.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SenderName {
    /// The address that its samples come from.
    Address(IpAddr),
    /// A name, where samples come through others.
    Name(Arc<str>),
}

impl From<IpAddr> for SenderName {
    fn from(peer: IpAddr) -> Self {
        Self::Address(peer.to_canonical())
    }
}

impl fmt::Display for SenderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(peer) => peer.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// One sender.
#[derive(Debug)]
pub(super) struct Sender {
    /// Who it is.
    pub(super) name: SenderName,
    /// Its place among the senders.
    pub(super) place: u32,
    /// Second of its last request.
    heard_s: AtomicU32,
    /// Second since which it is heard again, after it was silent.
    back_s: AtomicU32,
    /// Its series in the table.
    series: AtomicU32,
    /// Whether the engine was told that it is silent.
    is_silent: AtomicBool,
    /// Whether a series of it was refused since the last sweep.
    is_refused: AtomicBool,
    /// Second in which the alarm about its many series was raised last, 0 for never.
    alarmed_s: AtomicU32,
}

impl Sender {
    fn new(name: SenderName, place: u32) -> Self {
        Self {
            name,
            place,
            heard_s: AtomicU32::new(0),
            back_s: AtomicU32::new(0),
            series: AtomicU32::new(0),
            is_silent: AtomicBool::new(true),
            is_refused: AtomicBool::new(false),
            alarmed_s: AtomicU32::new(0),
        }
    }

    /// Its address; nobody's when it has a name.
    pub(super) fn peer(&self) -> IpAddr {
        match &self.name {
            SenderName::Address(peer) => *peer,
            SenderName::Name(_) => NO_PEER,
        }
    }

    /// The device that it is itself, when it is known by a name: for who asks labels.
    pub(super) fn device_label(&self, label: &str) -> Option<&str> {
        match &self.name {
            SenderName::Name(name) if label == LAST_DEVICE_LABEL => Some(name),
            SenderName::Name(_) | SenderName::Address(_) => None,
        }
    }

    /// A request of it came; whether the engine is to be told that the sender is back. Of one that
    /// is heard for the first time in this run, the engine may have been told that it is silent.
    pub(super) fn hear(&self, now_s: u32) -> bool {
        self.heard_s.fetch_max(now_s, Ordering::Relaxed);
        let was_silent = self.is_silent.swap(false, Ordering::AcqRel);
        if was_silent {
            self.back_s.store(now_s, Ordering::Release);
        }
        was_silent
    }

    /// Second of its last request.
    pub(super) fn heard_s(&self) -> u32 {
        self.heard_s.load(Ordering::Relaxed)
    }

    /// Second since which it is heard again, 0 if it never was silent.
    pub(super) fn back_s(&self) -> u32 {
        self.back_s.load(Ordering::Acquire)
    }

    /// Nobody was listening: what it did not say meanwhile counts for nothing.
    fn excuse(&self, now_s: u32) {
        if !self.is_silent.load(Ordering::Acquire) {
            self.heard_s.fetch_max(now_s, Ordering::Relaxed);
            self.back_s.store(now_s, Ordering::Release);
        }
    }

    /// The engine is told that it is silent; `false` if it was told already.
    pub(super) fn has_fallen_silent(&self) -> bool {
        !self.is_silent.swap(true, Ordering::AcqRel)
    }

    /// What was told of its silence was not durable.
    pub(super) fn unsay_silence(&self) {
        self.is_silent.store(false, Ordering::Release);
    }

    /// What was told of its return was not durable.
    pub(super) fn unsay_return(&self) {
        self.is_silent.store(true, Ordering::Release);
    }

    /// Counts a series in; `false` when there are so many already.
    pub(super) fn has_room(&self, series_max: u32) -> bool {
        let count = |count: u32| (count < series_max).then(|| count.saturating_add(1));
        let counted = self.series.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
        if counted.is_err() {
            self.is_refused.store(true, Ordering::Relaxed);
        }
        counted.is_ok()
    }

    /// Counts a series in that another sender had.
    pub(super) fn take_over(&self) {
        self.series.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a series out.
    pub(super) fn lose(&self) {
        let count = |count: u32| count.checked_sub(1);
        let _ = self.series.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
    }

    /// Notes that a series of it was refused, since all senders together have too many.
    pub(super) fn refuse(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    /// Whether to say now that series of it were refused: once a minute while they are.
    pub(super) fn is_to_be_blamed(&self, now_s: u32) -> bool {
        let said_s = self.alarmed_s.load(Ordering::Relaxed);
        if said_s != 0 && now_s < said_s.saturating_add(BLAMED_EVERY_S) {
            return false;
        }
        let is_refused = self.is_refused.swap(false, Ordering::Relaxed);
        if is_refused {
            self.alarmed_s.store(now_s, Ordering::Relaxed);
        }
        is_refused
    }

    /// Its series in the table.
    pub(super) fn series(&self) -> u32 {
        self.series.load(Ordering::Relaxed)
    }
}

/// All senders. The first place is that of those beyond the limit.
#[derive(Debug)]
pub(super) struct Senders {
    by_name: DashMap<SenderName, Arc<Sender>>,
    list: Mutex<Vec<Arc<Sender>>>,
}

impl Default for Senders {
    fn default() -> Self {
        let shared = Arc::new(Sender::new(NO_PEER.into(), 0));
        Self { by_name: DashMap::new(), list: Mutex::new(vec![shared]) }
    }
}

impl Senders {
    /// The sender of that name.
    pub(super) fn of(&self, name: SenderName) -> Arc<Sender> {
        if let Some(known) = self.by_name.get(&name) {
            return Arc::clone(&known);
        }
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.by_name.get(&name) {
            return Arc::clone(&known);
        }
        let place = list.len();
        if let Some(shared) = list.first().filter(|_| place >= SENDERS_MAX) {
            return Arc::clone(shared);
        }
        let sender = Arc::new(Sender::new(name.clone(), u32::try_from(place).unwrap_or(0)));
        list.push(Arc::clone(&sender));
        self.by_name.insert(name, Arc::clone(&sender));
        sender
    }

    /// Nobody was listening until now: neither senders nor series are silent for that.
    pub(super) fn excuse_all(&self, now_s: u32) {
        self.list().iter().for_each(|sender| sender.excuse(now_s));
    }

    /// All of them, by place.
    pub(super) fn list(&self) -> Vec<Arc<Sender>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sender at that place.
    pub(super) fn at(&self, place: u32) -> Option<Arc<Sender>> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.get(usize::try_from(place).ok()?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn senders_beyond_the_limit_share_a_place() {
        let senders = Senders::default();
        let peer = |number: u32| IpAddr::V4(Ipv4Addr::from(number));
        for number in 1..=u32::try_from(SENDERS_MAX).unwrap() + 3 {
            let _ = senders.of(peer(number).into());
        }
        assert_eq!(senders.list().len(), SENDERS_MAX);
        assert_eq!(senders.of(peer(99_999).into()).place, 0);
        assert_eq!(senders.of(peer(7).into()).place, 7);
        assert_eq!(senders.at(7).map(|sender| sender.peer()), Some(peer(7)));
    }

    #[test]
    fn a_silence_is_told_once_and_ends_with_the_next_request() {
        let sender = Sender::new(NO_PEER.into(), 1);
        assert!(sender.hear(4), "what the engine knows of it is not known here");
        assert!(!sender.hear(5) && sender.has_fallen_silent() && !sender.has_fallen_silent());
        assert!(sender.hear(9) && !sender.hear(10));
        assert_eq!((sender.heard_s(), sender.back_s()), (10, 9));
        assert!(sender.has_room(1) && !sender.has_room(1));
        assert!(sender.is_to_be_blamed(5) && !sender.has_room(1));
        assert!(!sender.is_to_be_blamed(64) && sender.is_to_be_blamed(65));
        assert!(!sender.is_to_be_blamed(200), "nothing was refused since");
    }
}
