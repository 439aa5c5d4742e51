//! How many connections there are, in all and of each peer: one that opens hundreds and says
//! nothing must not keep the others out.

use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The connections of a listener.
#[derive(Clone, Debug)]
pub struct Seats {
    held: Arc<Held>,
    max: usize,
    peer_max: usize,
}

#[derive(Debug, Default)]
struct Held {
    all: AtomicUsize,
    by_peer: DashMap<IpAddr, usize>,
    freed: Notify,
}

/// The place of one connection; given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    held: Arc<Held>,
    peer: IpAddr,
}

/// Why there is no place for a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoSeat {
    /// There are as many as the listener takes.
    All(usize),
    /// This peer has as many as one peer may have.
    Peer(usize),
}

impl Seats {
    /// So many in all, and so many of one peer.
    #[must_use]
    pub fn new(max: usize, peer_max: usize) -> Self {
        Self { held: Arc::default(), max, peer_max }
    }

    /// A place for a connection of that peer. Called by the one task that accepts.
    ///
    /// # Errors
    /// Why there is none.
    pub fn take(&self, peer: IpAddr) -> Result<Seat, NoSeat> {
        let of_peer = self.held.by_peer.get(&peer).map_or(0, |held| *held);
        if of_peer >= self.peer_max {
            return Err(NoSeat::Peer(of_peer));
        }
        if self.are_taken() {
            return Err(NoSeat::All(self.max));
        }
        let mut of_peer = self.held.by_peer.entry(peer).or_default();
        *of_peer = of_peer.saturating_add(1);
        self.held.all.fetch_add(1, Ordering::Relaxed);
        Ok(Seat { held: Arc::clone(&self.held), peer })
    }

    /// How many places are taken.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.all.load(Ordering::Relaxed)
    }

    /// Whether there is no place for anybody.
    #[must_use]
    pub fn are_taken(&self) -> bool {
        self.held() >= self.max
    }

    /// Waits until fewer places are taken.
    pub async fn fewer_than(&self, held: usize) {
        while self.held() >= held {
            self.held.freed.notified().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(mut of_peer) = self.held.by_peer.get_mut(&self.peer) {
            *of_peer = of_peer.saturating_sub(1);
        }
        self.held.by_peer.remove_if(&self.peer, |_, of_peer| *of_peer == 0);
        self.held.all.fetch_sub(1, Ordering::Relaxed);
        self.held.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_may_have_its_share_and_gives_back_what_it_had() {
        let seats = Seats::new(8, 2);
        let peer = |last| IpAddr::from([192, 0, 2, last]);
        let first = seats.take(peer(1)).expect("free");
        let second = seats.take(peer(1)).expect("free");
        assert_eq!(seats.take(peer(1)).expect_err("its share"), NoSeat::Peer(2));
        let others: Vec<Seat> =
            [2, 2, 3, 3, 4, 4].map(|last| seats.take(peer(last)).expect("free")).into();
        assert_eq!(seats.take(peer(5)).expect_err("all taken"), NoSeat::All(8));
        drop(first);
        let again = seats.take(peer(5)).expect("free");
        drop((second, others, again));
        assert!(seats.held.by_peer.is_empty(), "nothing is kept of who is gone");
        assert_eq!(seats.held.all.load(Ordering::Relaxed), 0);
    }
}
