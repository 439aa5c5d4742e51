//! Sends datagrams, each from the address of its device: on Linux every 127.0.0.0/8 address is
//! this host's.

use super::packets::Packet;
use crate::model::event::Channel;
use std::io;
use std::net::{SocketAddr, UdpSocket};

/// Where the daemon listens, and what was sent there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pub(super) traps: SocketAddr,
    pub(super) syslog: SocketAddr,
    pub(super) traps_sent: u64,
    pub(super) lines_sent: u64,
}

impl Sender {
    pub(super) const fn new(traps: SocketAddr, syslog: SocketAddr) -> Self {
        Self { traps, syslog, traps_sent: 0, lines_sent: 0 }
    }

    /// Sends one. A socket per datagram: two hundred devices need not two hundred descriptors.
    pub(super) fn send(&mut self, packet: &Packet) -> io::Result<()> {
        let (to, sent) = match packet.to {
            Channel::Syslog => (self.syslog, &mut self.lines_sent),
            _ => (self.traps, &mut self.traps_sent),
        };
        UdpSocket::bind((packet.from, 0))?.send_to(&packet.bytes, to)?;
        *sent = sent.saturating_add(1);
        Ok(())
    }

    pub(super) const fn sent(&self) -> u64 {
        self.traps_sent.saturating_add(self.lines_sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn every_device_has_an_address_of_its_own() {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        receiver.set_read_timeout(Some(std::time::Duration::from_secs(5))).expect("a timeout");
        let to = receiver.local_addr().expect("bound");
        let mut sender = Sender::new(to, to);
        let from = Ipv4Addr::new(127, 20, 3, 7);
        let packet = Packet { from, to: Channel::Trap, bytes: b"x".to_vec() };
        sender.send(&packet).expect("loopback");
        let mut buffer = [0; 8];
        let (length, peer) = receiver.recv_from(&mut buffer).expect("sent");
        assert_eq!((length, peer.ip()), (1, from.into()));
        assert_eq!((sender.traps_sent, sender.lines_sent), (1, 0));
    }
}
