//! How many connections there are, in all and of each peer: one that opens hundreds and says
//! nothing must not keep the others out.

use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The connections of a listener.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    held: Arc<Held>,
    max: usize,
}

#[derive(Debug, Default)]
struct Held {
    all: AtomicUsize,
    by_peer: DashMap<IpAddr, usize>,
}

/// The place of one connection; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    held: Arc<Held>,
    peer: IpAddr,
}

/// Why there is no place for a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoSeat {
    /// There are as many as the listener takes.
    All(usize),
    /// This peer has as many as one peer may have.
    Peer(usize),
}

impl Seats {
    /// So many in all; a peer may have a quarter of them.
    pub(super) fn new(max: usize) -> Self {
        Self { held: Arc::default(), max }
    }

    /// A place for a connection of that peer. Called by the one task that accepts.
    pub(super) fn take(&self, peer: IpAddr) -> Result<Seat, NoSeat> {
        let all = self.held.all.load(Ordering::Relaxed);
        if all >= self.max {
            return Err(NoSeat::All(all));
        }
        let mut of_peer = self.held.by_peer.entry(peer).or_default();
        if *of_peer >= (self.max / PEERS_MIN).max(1) {
            return Err(NoSeat::Peer(*of_peer));
        }
        *of_peer = of_peer.saturating_add(1);
        self.held.all.fetch_add(1, Ordering::Relaxed);
        Ok(Seat { held: Arc::clone(&self.held), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(mut of_peer) = self.held.by_peer.get_mut(&self.peer) {
            *of_peer = of_peer.saturating_sub(1);
        }
        self.held.by_peer.remove_if(&self.peer, |_, of_peer| *of_peer == 0);
        self.held.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// It takes at least so many peers to use up the connections.
const PEERS_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_may_have_a_quarter_and_gives_back_what_it_had() {
        let seats = Seats::new(8);
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
