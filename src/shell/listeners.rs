//! Sockets for the configured listeners: bound here, or handed over by systemd.

use crate::model::event::Channel;
use crate::shell::config::{Listener, Transport};
use crate::shell::intake::socket::SocketError;
use crate::shell::intake::tcp::TcpListener;
use crate::shell::intake::udp::UdpListener;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// What a listener's sockets take in.
pub enum Bound {
    /// Datagrams.
    Udp(Vec<UdpListener>, Channel),
    /// Syslog streams.
    Tcp(Vec<TcpListener>),
    /// Questions.
    Http(Vec<std::net::TcpListener>),
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "listener {listener}: {source}; the address is the setting --set \
     'listeners.{listener}.addresses=[\"ADDRESS:PORT\"]'"
)]
pub struct ListenError {
    /// Name of the listener.
    pub listener: String,
    /// What went wrong.
    pub source: SocketError,
}

/// Opens a listener: on the sockets that systemd handed over under its name, else on its addresses.
///
/// # Errors
/// When an address cannot be had, with the remedy.
pub fn open(
    listener: &Listener,
    adopted: &mut BTreeMap<String, Vec<OwnedFd>>,
) -> Result<Bound, ListenError> {
    let given = adopted.remove(&listener.name).unwrap_or_default();
    let failed = |source| ListenError { listener: listener.name.clone(), source };
    match &listener.transport {
        Transport::SnmpTrap { receive_buffer_bytes, .. } => {
            let sockets = udp(listener, given, *receive_buffer_bytes).map_err(failed)?;
            Ok(Bound::Udp(sockets, Channel::Trap))
        }
        Transport::SyslogUdp { receive_buffer_bytes } => {
            let sockets = udp(listener, given, *receive_buffer_bytes).map_err(failed)?;
            Ok(Bound::Udp(sockets, Channel::Syslog))
        }
        Transport::SyslogTcp { .. } => Ok(Bound::Tcp(tcp(listener, given).map_err(failed)?)),
        Transport::Http { .. } => Ok(Bound::Http(http(listener, given).map_err(failed)?)),
    }
}

fn udp(
    listener: &Listener,
    given: Vec<OwnedFd>,
    buffer: usize,
) -> Result<Vec<UdpListener>, SocketError> {
    if given.is_empty() {
        listener.addresses.iter().map(|address| UdpListener::bind(*address, buffer)).collect()
    } else {
        given.into_iter().map(|fd| UdpListener::from_fd(fd, buffer)).collect()
    }
}

fn tcp(listener: &Listener, given: Vec<OwnedFd>) -> Result<Vec<TcpListener>, SocketError> {
    if given.is_empty() {
        listener.addresses.iter().map(|address| TcpListener::bind(*address)).collect()
    } else {
        given.into_iter().map(TcpListener::from_fd).collect()
    }
}

fn http(
    listener: &Listener,
    given: Vec<OwnedFd>,
) -> Result<Vec<std::net::TcpListener>, SocketError> {
    if given.is_empty() {
        listener.addresses.iter().map(|address| TcpListener::bind_plain(*address)).collect()
    } else {
        Ok(given.into_iter().map(std::net::TcpListener::from).collect())
    }
}

/// Addresses that the sockets are really bound to.
#[must_use]
pub fn addresses(bound: &Bound) -> Vec<SocketAddr> {
    match bound {
        Bound::Udp(sockets, _) => sockets.iter().map(UdpListener::local_address).collect(),
        Bound::Tcp(sockets) => sockets.iter().map(TcpListener::local_address).collect(),
        Bound::Http(sockets) => {
            sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
        }
    }
}
