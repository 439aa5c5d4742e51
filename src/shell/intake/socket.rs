//! What can go wrong when a listener gets its socket, said so that an operator can act on it.

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

/// Transport of a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// Why a listener has no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process holds the port.
    #[error(
        "{transport} {address} is in use by another process{suspect}; find it with `ss -lnp 'sport \
         = :{port}'` and stop it, or choose another port",
        suspect = usual_owner(.address.port()), port = .address.port()
    )]
    InUse {
        /// Transport asked for.
        transport: Transport,
        /// Address asked for.
        address: SocketAddr,
    },
    /// The kernel does not let this process have the port.
    #[error(
        "{transport} {address} is not permitted: ports below 1024 need CAP_NET_BIND_SERVICE, or a \
         systemd .socket unit that hands the socket over"
    )]
    NotPermitted {
        /// Transport asked for.
        transport: Transport,
        /// Address asked for.
        address: SocketAddr,
    },
    /// No interface has the address.
    #[error(
        "{transport} {address}: no interface of this host has that address; give one that `ip \
         address` shows, or 0.0.0.0 or [::] for all"
    )]
    NoSuchAddress {
        /// Transport asked for.
        transport: Transport,
        /// Address asked for.
        address: SocketAddr,
    },
    /// A socket that was handed over is of another kind.
    #[error("the socket handed over is {found}, not {transport} over IP: correct the .socket unit")]
    Unfit {
        /// Transport expected.
        transport: Transport,
        /// What it is.
        found: String,
    },
    /// The kernel refused something else.
    #[error("{transport} socket: {action} failed")]
    Refused {
        /// Transport asked for.
        transport: Transport,
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl SocketError {
    /// For `map_err`: the kernel refused `action`.
    pub(super) fn refused(
        transport: Transport,
        action: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Refused { transport, action, source }
    }
}

/// A bound socket. IPv6 sockets take IPv6 only, so that `0.0.0.0` and `[::]` can both be bound.
pub(super) fn bind(transport: Transport, address: SocketAddr) -> Result<Socket, SocketError> {
    let (kind, protocol) = match transport {
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))
        .map_err(SocketError::refused(transport, "socket"))?;
    if address.is_ipv6() {
        socket.set_only_v6(true).map_err(SocketError::refused(transport, "setting IPV6_V6ONLY"))?;
    }
    if transport == Transport::Tcp {
        // Otherwise connections of a daemon that just ended keep the port for a minute.
        socket
            .set_reuse_address(true)
            .map_err(SocketError::refused(transport, "setting SO_REUSEADDR"))?;
    }
    socket.bind(&address.into()).map_err(|error| bind_error(transport, address, error))?;
    Ok(socket)
}

/// Checks that a socket handed over is what a listener needs.
pub(super) fn check_adopted(transport: Transport, socket: &Socket) -> Result<(), SocketError> {
    let unfit = |found: String| SocketError::Unfit { transport, found };
    let domain = socket.domain().map_err(|error| unfit(format!("no socket at all ({error})")))?;
    let kind = socket.r#type().map_err(|error| unfit(format!("of no known type ({error})")))?;
    let wanted = match transport {
        Transport::Udp => Type::DGRAM,
        Transport::Tcp => Type::STREAM,
    };
    if (domain != Domain::IPV4 && domain != Domain::IPV6) || kind != wanted {
        return Err(unfit(format!("{domain:?} {kind:?}")));
    }
    Ok(())
}

/// Address of a socket that a listener of this transport could take over.
///
/// # Errors
/// When it is none.
pub fn address_of(transport: Transport, socket: BorrowedFd<'_>) -> Result<SocketAddr, SocketError> {
    let socket = SockRef::from(&socket);
    check_adopted(transport, &socket)?;
    if transport == Transport::Tcp && !socket.is_listener().unwrap_or(false) {
        let found = "a connection (Accept=no is needed)".to_owned();
        return Err(SocketError::Unfit { transport, found });
    }
    local_address(transport, &socket)
}

/// Address to which a socket is bound.
pub(super) fn local_address(
    transport: Transport,
    socket: &Socket,
) -> Result<SocketAddr, SocketError> {
    let address =
        socket.local_addr().map_err(SocketError::refused(transport, "reading its address"))?;
    address
        .as_socket()
        .ok_or_else(|| SocketError::Unfit { transport, found: format!("{address:?}") })
}

/// Who is most often found on a port.
const fn usual_owner(port: u16) -> &'static str {
    match port {
        162 => " (often snmptrapd)",
        514 => " (often a syslog daemon)",
        4317 => " (often an OpenTelemetry collector)",
        _ => "",
    }
}

pub(super) fn bind_error(
    transport: Transport,
    address: SocketAddr,
    source: io::Error,
) -> SocketError {
    if source.kind() == io::ErrorKind::AddrInUse {
        SocketError::InUse { transport, address }
    } else if source.kind() == io::ErrorKind::PermissionDenied {
        SocketError::NotPermitted { transport, address }
    } else if source.kind() == io::ErrorKind::AddrNotAvailable {
        SocketError::NoSuchAddress { transport, address }
    } else {
        SocketError::Refused { transport, action: "bind", source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_in_use_names_address_port_and_remedy() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let first = bind(Transport::Udp, address.parse().unwrap()).unwrap();
            let taken = local_address(Transport::Udp, &first).unwrap();
            let error = bind(Transport::Udp, taken).unwrap_err();
            assert!(matches!(error, SocketError::InUse { .. }), "{error:?}");
            let said = error.to_string();
            assert!(said.contains(&taken.to_string()), "{said}");
            assert!(said.contains(&format!("sport = :{}", taken.port())), "{said}");
        }
    }

    #[test]
    fn both_wildcards_can_have_one_port() {
        let four = bind(Transport::Udp, "0.0.0.0:0".parse().unwrap()).unwrap();
        let port = local_address(Transport::Udp, &four).unwrap().port();
        bind(Transport::Udp, SocketAddr::new("::".parse().unwrap(), port)).unwrap();
    }

    #[test]
    fn missing_permission_and_foreign_address_name_their_remedy() {
        let address: SocketAddr = "0.0.0.0:162".parse().unwrap();
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let said = bind_error(Transport::Udp, address, denied).to_string();
        assert!(said.contains("CAP_NET_BIND_SERVICE") && said.contains(".socket unit"), "{said}");
        let taken = io::Error::from(io::ErrorKind::AddrInUse);
        let said = bind_error(Transport::Udp, address, taken).to_string();
        assert!(said.contains("another process (often snmptrapd); find it"), "{said}");
        // 192.0.2.0/24 is reserved for documentation; no host has it.
        let error = bind(Transport::Tcp, "192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(matches!(error, SocketError::NoSuchAddress { .. }), "{error:?}");
    }

    #[test]
    fn socket_of_another_kind_is_not_adopted() {
        let stream = bind(Transport::Tcp, "127.0.0.1:0".parse().unwrap()).unwrap();
        let error = check_adopted(Transport::Udp, &stream).unwrap_err();
        assert!(error.to_string().contains("SOCK_STREAM"), "{error}");
    }
}
