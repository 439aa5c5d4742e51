//! Free ports on loopback.
//!
//! They lie below the range from which the kernel takes ports for outgoing connections, so that
//! nobody takes one between the moment it is found free and the moment it is bound.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that UDP and TCP can use on both loopback addresses; each call gives another one.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 997).unwrap_or(0).wrapping_mul(12);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        if is_free(port) {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

fn is_free(port: u16) -> bool {
    let v4 = (Ipv4Addr::LOCALHOST, port);
    let v6 = (Ipv6Addr::LOCALHOST, port);
    UdpSocket::bind(v4).is_ok()
        && UdpSocket::bind(v6).is_ok()
        && TcpListener::bind(v4).is_ok()
        && TcpListener::bind(v6).is_ok()
}
