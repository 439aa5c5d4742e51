//! Sends answers (responses to INFORMs) from the address that was asked: a manager that wrote to a
//! service address does not accept the answer from another one.

use crate::shell::batch::Answer;
use crate::shell::observe::counters::ListenerCounters;
use socket2::{MsgHdr, SockAddr, Socket};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const WORD: usize = size_of::<usize>();
const HEADER: usize = size_of::<libc::cmsghdr>().next_multiple_of(WORD);
const CONTROL_BYTES: usize = HEADER + 24;

/// The sending end of a listener's socket; cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Answerer {
    socket: Arc<Socket>,
    counters: Arc<ListenerCounters>,
}

impl Answerer {
    pub(super) fn new(socket: Arc<Socket>, counters: Arc<ListenerCounters>) -> Self {
        Self { socket, counters }
    }

    /// Sends and counts. Never waits: an answer for which the socket has no room is lost like any
    /// datagram, and the sender asks again.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn send(&self, answer: &Answer<'_>) -> io::Result<()> {
        let sent = self.try_send(answer);
        let counter = match sent {
            Ok(_) => &self.counters.answers_sent,
            Err(_) => &self.counters.answers_failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        sent.map(|_| ())
    }

    fn try_send(&self, answer: &Answer<'_>) -> io::Result<usize> {
        let peer = SockAddr::from(answer.peer);
        let buffers = [IoSlice::new(answer.bytes)];
        let message = MsgHdr::new().with_addr(&peer).with_buffers(&buffers);
        let Some(local) = answer.local else {
            return self.socket.sendmsg(&message, libc::MSG_DONTWAIT);
        };
        let mut control = [0_u8; CONTROL_BYTES];
        let length = write_packet_info(&mut control, local, answer.peer);
        let control = control.get(..length).unwrap_or(&[]);
        self.socket.sendmsg(&message.with_control(control), libc::MSG_DONTWAIT)
    }
}

/// Writes the control message that sets the source address; gives its length.
fn write_packet_info(control: &mut [u8; CONTROL_BYTES], local: IpAddr, peer: SocketAddr) -> usize {
    let mut payload = [0_u8; 20];
    let (level, kind, length) = match local {
        // in_pktinfo: interface (any), source address, unused.
        IpAddr::V4(address) => {
            put(&mut payload, 4, &address.octets());
            (libc::IPPROTO_IP, libc::IP_PKTINFO, 12)
        }
        // in6_pktinfo: source address, interface, which a link-local address needs.
        IpAddr::V6(address) => {
            put(&mut payload, 0, &address.octets());
            if let SocketAddr::V6(peer) = peer {
                put(&mut payload, 16, &peer.scope_id().to_ne_bytes());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, 20)
        }
    };
    put(control, 0, &HEADER.saturating_add(length).to_ne_bytes());
    put(control, WORD, &level.to_ne_bytes());
    put(control, WORD + size_of::<libc::c_int>(), &kind.to_ne_bytes());
    put(control, HEADER, payload.get(..length).unwrap_or(&payload));
    HEADER.saturating_add(length.next_multiple_of(WORD))
}

fn put(target: &mut [u8], start: usize, bytes: &[u8]) {
    for (place, byte) in target.iter_mut().skip(start).zip(bytes) {
        *place = *byte;
    }
}
