//! Sockets that outlive the daemon: those that it bound itself are left with systemd (its
//! *file descriptor store*) and come back with the next start, so that what arrives in between
//! waits in the kernel. Their options stay on, so that the arrival time of what waited is its own.
//!
//! A socket that comes back is used only for an address that its listener still asks for. Any other
//! is closed at once, here and in the store: nobody would read it, and it would swallow what is
//! sent to it. Sockets of `.socket` units are no matter of this module: systemd has them anyway.

use crate::shell::config::Listener;
use crate::shell::intake::socket::{Transport, address_of};
use sd_notify::NotifyState;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Sockets that came back, by listener and place among its addresses.
#[derive(Debug, Default)]
pub struct Kept {
    sockets: BTreeMap<(String, usize), OwnedFd>,
    /// Listeners, also former ones, that have sockets in the store which nobody wants.
    unwanted: BTreeSet<String>,
}

impl Kept {
    /// Takes the sockets that come from the store out of all that were handed over, and closes
    /// those of no use. What remains in `given` comes from `.socket` units, which go before.
    #[must_use]
    pub fn sort_out(given: &mut BTreeMap<String, Vec<OwnedFd>>, listeners: &[Listener]) -> Self {
        let mut kept = Self::default();
        let (from_store, from_units): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(given).into_iter().partition(|(name, _)| name.starts_with(PREFIX));
        *given = from_units;
        for (name, sockets) in from_store {
            let name = name.strip_prefix(PREFIX).unwrap_or_default();
            let wanting = listeners
                .iter()
                .find(|listener| listener.name == name && !given.contains_key(name));
            for socket in sockets {
                let place = wanting.and_then(|listener| kept.place(listener, &socket));
                if let Some(place) = place {
                    kept.sockets.insert((name.to_owned(), place), socket);
                } else {
                    kept.unwanted.insert(name.to_owned());
                }
            }
        }
        kept
    }

    /// Which of the listener's addresses the socket is for, if none has come back for it yet.
    fn place(&self, listener: &Listener, socket: &OwnedFd) -> Option<usize> {
        let is_stream = listener.transport.is_stream();
        let transport = if is_stream { Transport::Tcp } else { Transport::Udp };
        let bound = address_of(transport, socket.as_fd()).ok()?;
        let any_port = SocketAddr::new(bound.ip(), 0);
        [bound, any_port].into_iter().find_map(|address| {
            listener.addresses.iter().enumerate().find_map(|(place, wanted)| {
                let is_free = !self.sockets.contains_key(&(listener.name.clone(), place));
                (*wanted == address && is_free).then_some(place)
            })
        })
    }

    /// Has systemd close what nobody wants, and waits until it has: its copy of a socket would hold
    /// the port that a listener may be about to bind.
    pub fn forget_unwanted(&self) {
        if self.unwanted.is_empty() {
            return;
        }
        for listener in &self.unwanted {
            tracing::info!(listener, "sockets kept over the restart are not asked for any more");
            let name = name_in_store(listener);
            warn(&sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(&name)]));
        }
        warn(&wait_for_systemd());
    }

    /// The socket that came back for the listener's address at that place.
    pub fn take(&mut self, listener: &str, place: usize) -> Option<OwnedFd> {
        self.sockets.remove(&(listener.to_owned(), place))
    }
}

/// Leaves a copy of the socket with systemd; one that it has already is not kept twice.
pub fn keep(listener: &str, socket: BorrowedFd<'_>) {
    let name = name_in_store(listener);
    // An error on a socket does not end its life there: it is the listener's to deal with.
    let unwatched = NotifyState::Custom("FDPOLL=0");
    let states = [NotifyState::FdStore, NotifyState::FdName(&name), unwatched];
    warn(&sd_notify::notify_with_fds(&states, &[socket]));
}

/// No listener can have such a name, so that the sockets of a `.socket` unit are told apart.
fn name_in_store(listener: &str) -> String {
    format!("{PREFIX}{listener}")
}

/// Returns once systemd has done what it was told before: then it closes the descriptor that goes
/// with the word (`sd_notify_barrier`).
fn wait_for_systemd() -> io::Result<()> {
    let (mut ours, theirs) = UnixStream::pair()?;
    sd_notify::notify_with_fds(&[NotifyState::Custom("BARRIER=1")], &[theirs.as_fd()])?;
    drop(theirs);
    ours.set_read_timeout(Some(PATIENCE))?;
    ours.read(&mut [0]).map(|_| ())
}

fn warn(told: &io::Result<()>) {
    if let Err(error) = told {
        tracing::warn!(%error, "systemd was not reached about the sockets to keep");
    }
}

const PREFIX: &str = "kept+";
/// How long systemd may take to close what it was told to.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::config::Transport as Spoken;
    use std::net::{TcpListener, UdpSocket};

    fn listener(name: &str, addresses: &[SocketAddr]) -> Listener {
        Listener {
            name: name.to_owned(),
            addresses: addresses.to_vec(),
            transport: Spoken::SyslogUdp { receive_buffer_bytes: 65_536 },
        }
    }

    fn socket() -> (SocketAddr, OwnedFd) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        (socket.local_addr().unwrap(), socket.into())
    }

    fn given<const N: usize>(sockets: [(&str, OwnedFd); N]) -> BTreeMap<String, Vec<OwnedFd>> {
        let mut given: BTreeMap<String, Vec<OwnedFd>> = BTreeMap::new();
        for (name, socket) in sockets {
            given.entry(name.to_owned()).or_default().push(socket);
        }
        given
    }

    fn is_bound(address: SocketAddr) -> bool {
        UdpSocket::bind(address).is_err()
    }

    #[test]
    fn a_socket_comes_back_for_its_own_address_and_else_for_a_free_port() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let ((one, one_fd), (other, other_fd)) = (socket(), socket());
        let mut given = given([("kept+s", one_fd), ("kept+s", other_fd)]);
        let mut kept = Kept::sort_out(&mut given, &[listener("s", &[any, one])]);
        assert!(given.is_empty() && kept.unwanted.is_empty());
        let mut address = |place| {
            let socket = kept.take("s", place).unwrap();
            address_of(Transport::Udp, socket.as_fd()).unwrap()
        };
        assert_eq!((address(0), address(1)), (other, one));
        assert!(kept.take("s", 0).is_none(), "once");
    }

    #[test]
    fn what_no_address_asks_for_is_closed_at_once() {
        let ((kept_at, first), (moved, second), (orphan, third)) = (socket(), socket(), socket());
        let stream = TcpListener::bind("127.0.0.1:0").unwrap();
        let no_datagrams = stream.local_addr().unwrap();
        let mut given = given([
            ("kept+s", first),
            ("kept+s", second),
            ("kept+gone", third),
            ("kept+s", stream.into()),
        ]);
        let kept = Kept::sort_out(&mut given, &[listener("s", &[kept_at, no_datagrams])]);
        let unwanted: Vec<&str> = kept.unwanted.iter().map(String::as_str).collect();
        assert_eq!(unwanted, ["gone", "s"]);
        assert_eq!(kept.sockets.len(), 1);
        assert!(is_bound(kept_at) && !is_bound(moved) && !is_bound(orphan));
        kept.forget_unwanted();
    }

    #[test]
    fn sockets_of_a_unit_go_before_kept_ones() {
        let ((from_unit, unit), (from_store, stored)) = (socket(), socket());
        let mut given = given([("s", unit), ("kept+s", stored)]);
        let kept = Kept::sort_out(&mut given, &[listener("s", &[from_store])]);
        assert!(kept.sockets.is_empty() && kept.unwanted.contains("s"));
        assert_eq!(given.keys().collect::<Vec<_>>(), ["s"]);
        assert!(is_bound(from_unit) && !is_bound(from_store));
    }
}
