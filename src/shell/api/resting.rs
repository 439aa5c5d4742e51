//! Connections between two requests, as clients keep them: the first to go when somebody else finds
//! no place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Those of a listener, the one that rests longest first.
#[derive(Debug, Default)]
pub(super) struct Resting {
    all: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    by_age: BTreeMap<u64, (IpAddr, Arc<End>)>,
}

/// How a connection learns that it is to end.
#[derive(Debug, Default)]
pub(super) struct End {
    is_asked: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Resting {
    /// A connection of that peer rests; gives what it is known by.
    pub(super) fn begin(&self, peer: IpAddr, end: &Arc<End>) -> u64 {
        let mut all = self.lock();
        let key = all.next;
        all.next = key.wrapping_add(1);
        all.by_age.insert(key, (peer, Arc::clone(end)));
        key
    }

    /// It does no more.
    pub(super) fn end(&self, key: u64) {
        self.lock().by_age.remove(&key);
    }

    /// Ends the one that rests longest, of that peer if one is given. Says whether there was any.
    pub(super) fn oust(&self, peer: Option<IpAddr>) -> bool {
        let mut all = self.lock();
        let fits = |(_, (known, _)): &(&u64, &(IpAddr, _))| peer.is_none_or(|peer| *known == peer);
        let key = all.by_age.iter().find(fits).map(|(key, _)| *key);
        let ousted = key.and_then(|key| all.by_age.remove(&key));
        drop(all);
        ousted.map(|(_, end)| end.ask()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    /// Whether the connection is to end; wakes the task once it is.
    pub(super) fn is_asked(&self, waker: &Waker) -> bool {
        let mut known = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
        drop(known);
        self.is_asked.load(Ordering::Acquire)
    }

    fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
