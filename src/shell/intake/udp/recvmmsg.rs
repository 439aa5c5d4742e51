//! `recvmmsg` and the socket options around it, behind a safe struct. The only unsafe code of
//! intake.
//!
//! Each datagram has a buffer of the largest size that UDP allows. The pages of a buffer cost
//! memory only once a datagram was long enough to touch them, so 64 of them are as cheap as short
//! slots, and a long datagram is whole and contiguous without being copied together.

use crate::model::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_GAP_BYTES, RECV_BATCH};
use crate::model::time::Timestamp;
use socket2::Socket;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// Buffers lie a little more than their size apart: at a power of two the first lines of all of
/// them would fall into the same few sets of the processor's caches.
const STRIDE: usize = DATAGRAM_BYTES_MAX + DATAGRAM_GAP_BYTES;
/// Room for the address of a sender: the larger of the two kinds.
const NAME_BYTES: usize = size_of::<libc::sockaddr_in6>();
/// Room for stamp, drop count and packet info, and for what else an adopted socket may have on.
const CONTROL_BYTES: usize = 256;
/// Place of the drop count in what `SO_MEMINFO` gives.
const MEMINFO_DROPS: usize = 8;
const MEMINFO_FIELDS: usize = 9;

/// One received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its payload.
    pub bytes: &'a [u8],
    /// Who sent it, as the socket names him (IPv4-mapped on a socket for both families).
    pub peer: SocketAddr,
    /// Address of this host that it was sent to; none on a socket of one address, which is it.
    pub local: Option<IpAddr>,
    /// When the kernel received it.
    pub stamp: Option<Timestamp>,
    /// The socket's drop count when it was queued; wraps. The kernel leaves it out while it is 0.
    pub drops: Option<u32>,
    /// Whether its end is missing.
    pub is_truncated: bool,
}

/// Receives many datagrams per call, into memory that is laid out once.
pub struct Receiver {
    socket: Arc<Socket>,
    data: Vec<u8>,
    names: Vec<[u8; NAME_BYTES]>,
    controls: Vec<[u8; CONTROL_BYTES]>,
    filled: [Filled; RECV_BATCH],
}

/// What the kernel said about one buffer.
#[derive(Clone, Copy, Default)]
struct Filled {
    data: usize,
    name: usize,
    control: usize,
    is_truncated: bool,
}

impl Receiver {
    /// A receiver on a bound socket.
    #[must_use]
    pub fn new(socket: Arc<Socket>) -> Self {
        Self {
            socket,
            data: vec![0; RECV_BATCH * STRIDE],
            names: vec![[0; NAME_BYTES]; RECV_BATCH],
            controls: vec![[0; CONTROL_BYTES]; RECV_BATCH],
            filled: [Filled::default(); RECV_BATCH],
        }
    }

    /// Takes what the kernel has queued, up to [`RECV_BATCH`] datagrams, in order of arrival. Waits
    /// for the first until the socket's read timeout passes.
    ///
    /// # Errors
    /// What `recvmmsg` says; `WouldBlock` when nothing came in time, `Interrupted` on a signal.
    pub fn receive(&mut self) -> io::Result<impl ExactSizeIterator<Item = Datagram<'_>>> {
        let count = self.fill()?;
        let Self { data, names, controls, filled, .. } = self;
        let buffers = data.chunks_exact(STRIDE).zip(names.iter()).zip(controls.iter());
        Ok(buffers
            .zip(filled.iter())
            .take(count)
            .map(|(((data, name), control), filled)| datagram(*filled, data, name, control)))
    }

    #[expect(unsafe_code, reason = "recvmmsg has no safe wrapper")]
    fn fill(&mut self) -> io::Result<usize> {
        let mut vectors = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; RECV_BATCH];
        // SAFETY: mmsghdr is plain data of the C library, for which all bits zero is a value: null
        // pointers with lengths of zero.
        let mut headers: [libc::mmsghdr; RECV_BATCH] = unsafe { std::mem::zeroed() };
        let buffers = self.data.chunks_exact_mut(STRIDE).zip(&mut self.names);
        let buffers = buffers.zip(&mut self.controls).zip(&mut vectors);
        for (header, (((data, name), control), vector)) in headers.iter_mut().zip(buffers) {
            vector.iov_base = data.as_mut_ptr().cast();
            vector.iov_len = DATAGRAM_BYTES_MAX.min(data.len());
            let header = &mut header.msg_hdr;
            header.msg_name = name.as_mut_ptr().cast();
            header.msg_namelen = libc::socklen_t::try_from(NAME_BYTES).unwrap_or(0);
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES;
        }
        let room = libc::c_uint::try_from(headers.len()).unwrap_or(0);
        // SAFETY: `headers` holds `room` headers. Each points to one vector in `vectors` and to a
        // name, a control buffer and a data buffer of its own, with their true lengths. All of
        // them live, unmoved and otherwise unused, until the call returns; the kernel keeps none
        // of the pointers. A null timeout means that the socket's own applies.
        let status = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                room,
                libc::MSG_WAITFORONE,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(status).map_err(|_| io::Error::last_os_error())?;
        for (filled, header) in self.filled.iter_mut().zip(&headers).take(count) {
            *filled = Filled {
                data: usize::try_from(header.msg_len).unwrap_or(0),
                name: usize::try_from(header.msg_hdr.msg_namelen).unwrap_or(0),
                control: header.msg_hdr.msg_controllen,
                is_truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            };
        }
        Ok(count)
    }
}

/// Switches a socket option on, or gives it a number.
#[expect(unsafe_code, reason = "these options have no safe wrapper")]
pub(super) fn set_option(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    // SAFETY: the value is a local int of the length given; the kernel copies it.
    let status = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that the kernel dropped on this socket since it was made; wraps.
#[expect(unsafe_code, reason = "SO_MEMINFO has no safe wrapper")]
pub(super) fn drops_now(socket: &Socket) -> io::Result<u32> {
    let mut fields = [0_u32; MEMINFO_FIELDS];
    let mut length = libc::socklen_t::try_from(size_of_val(&fields)).unwrap_or(0);
    // SAFETY: `fields` has room for `length` bytes, and any bytes are valid numbers.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            fields.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(fields.get(MEMINFO_DROPS).copied().unwrap_or(0))
}

fn datagram<'a>(filled: Filled, data: &'a [u8], name: &[u8], control: &[u8]) -> Datagram<'a> {
    let mut datagram = Datagram {
        bytes: data.get(..filled.data).unwrap_or(data),
        peer: name.get(..filled.name).and_then(address).unwrap_or(UNKNOWN_PEER),
        local: None,
        stamp: None,
        drops: None,
        is_truncated: filled.is_truncated,
    };
    let mut rest = control.get(..filled.control).unwrap_or(control);
    while let Some((level, kind, payload, next)) = control_message(rest) {
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => datagram.stamp = stamp(payload),
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                datagram.drops = payload.first_chunk().copied().map(u32::from_ne_bytes);
            }
            // in_pktinfo: interface, the local address of the packet, the address in its header.
            // The second is ours even when the packet was sent to a broadcast address.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                datagram.local =
                    chunk::<4>(payload, 4).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                datagram.local =
                    chunk::<16>(payload, 0).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
            }
            _ => {}
        }
        rest = next;
    }
    datagram
}

const UNKNOWN_PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The address in a `sockaddr_in` or `sockaddr_in6`.
fn address(name: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(chunk(name, 0)?));
    let port = u16::from_be_bytes(chunk(name, 2)?);
    match family {
        libc::AF_INET => {
            let octets = chunk::<4>(name, 4)?;
            Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(octets)), port))
        }
        libc::AF_INET6 => {
            let octets = chunk::<16>(name, 8)?;
            let flow = u32::from_ne_bytes(chunk(name, 4)?);
            let scope = u32::from_ne_bytes(chunk(name, 24)?);
            Some(SocketAddrV6::new(Ipv6Addr::from(octets), port, flow, scope).into())
        }
        _ => None,
    }
}

type ControlMessage<'a> = (libc::c_int, libc::c_int, &'a [u8], &'a [u8]);

/// The first message of a control buffer, as `CMSG_NXTHDR` would find it: level, kind, payload,
/// and what follows.
fn control_message(buffer: &[u8]) -> Option<ControlMessage<'_>> {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let length = usize::from_ne_bytes(chunk::<WORD>(buffer, 0)?);
    let level = libc::c_int::from_ne_bytes(chunk(buffer, WORD)?);
    let kind = libc::c_int::from_ne_bytes(chunk(buffer, WORD + size_of::<libc::c_int>())?);
    let payload = buffer.get(HEADER.next_multiple_of(WORD)..length)?;
    let next = buffer.get(length.next_multiple_of(WORD)..).unwrap_or(&[]);
    Some((level, kind, payload, next))
}

/// The instant in a `timespec`.
fn stamp(payload: &[u8]) -> Option<Timestamp> {
    const LONG: usize = size_of::<libc::c_long>();
    let seconds = libc::c_long::from_ne_bytes(chunk::<LONG>(payload, 0)?);
    let nanos = libc::c_long::from_ne_bytes(chunk::<LONG>(payload, LONG)?);
    Some(Timestamp(seconds.saturating_mul(1_000_000_000).saturating_add(nanos)))
}

fn chunk<const N: usize>(bytes: &[u8], start: usize) -> Option<[u8; N]> {
    bytes.get(start..)?.first_chunk::<N>().copied()
}
