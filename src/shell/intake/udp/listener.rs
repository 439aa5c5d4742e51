//! A UDP listener: its socket with the options that intake needs, and the thread that reads it.

use crate::shell::intake::feed::Feed;
use crate::shell::intake::socket::{SocketError, Transport, bind, check_adopted, local_address};
use crate::shell::intake::udp::answer::Answerer;
use crate::shell::intake::udp::drops::DropCount;
use crate::shell::intake::udp::reader::Reader;
use crate::shell::intake::udp::recvmmsg::{drops_now, set_option};
use crate::shell::observe::counters::ListenerCounters;
use socket2::Socket;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Receive buffer that listeners ask for: some 30,000 short datagrams.
pub const RECEIVE_BUFFER_BYTES: usize = 32 * 1024 * 1024;
/// How long a read waits at most, so that the word to stop is heard.
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// A socket that is ready to be read.
#[derive(Debug)]
pub struct UdpListener {
    socket: Arc<Socket>,
    address: SocketAddr,
    receive_buffer_bytes: usize,
    drops_at_start: u32,
}

impl UdpListener {
    /// Binds a socket. Datagrams queue from here on.
    ///
    /// # Errors
    /// Says what the operator can do about it.
    pub fn bind(address: SocketAddr, receive_buffer_bytes: usize) -> Result<Self, SocketError> {
        Self::prepare(bind(Transport::Udp, address)?, receive_buffer_bytes)
    }

    /// Takes over a socket that systemd holds.
    ///
    /// # Errors
    /// When it is no UDP socket, or the kernel refuses an option.
    pub fn from_fd(fd: OwnedFd, receive_buffer_bytes: usize) -> Result<Self, SocketError> {
        let socket = Socket::from(fd);
        check_adopted(Transport::Udp, &socket)?;
        socket
            .set_nonblocking(false)
            .map_err(SocketError::refused(Transport::Udp, "clearing O_NONBLOCK"))?;
        Self::prepare(socket, receive_buffer_bytes)
    }

    fn prepare(socket: Socket, receive_buffer_bytes: usize) -> Result<Self, SocketError> {
        let refused = |action| SocketError::refused(Transport::Udp, action);
        let address = local_address(Transport::Udp, &socket)?;
        let (level, packet_info) = match address {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        };
        set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
            .map_err(refused("setting SO_TIMESTAMPNS"))?;
        set_option(&socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)
            .map_err(refused("setting SO_RXQ_OVFL"))?;
        let is_asked = libc::c_int::from(!is_unicast(address.ip()));
        set_option(&socket, level, packet_info, is_asked)
            .map_err(refused("asking for packet info"))?;
        socket.set_read_timeout(Some(READ_TIMEOUT)).map_err(refused("setting SO_RCVTIMEO"))?;
        let receive_buffer_bytes = set_receive_buffer(&socket, receive_buffer_bytes)
            .map_err(refused("setting SO_RCVBUF"))?;
        let drops_at_start = drops_now(&socket).unwrap_or(0);
        Ok(Self { socket: Arc::new(socket), address, receive_buffer_bytes, drops_at_start })
    }

    /// Address and port in use (the port is chosen by the kernel when 0 was asked for).
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Receive buffer in effect, bytes, in the measure in which it is asked for. Less than asked
    /// for when neither CAP_NET_ADMIN nor `net.core.rmem_max` allows more.
    #[must_use]
    pub fn receive_buffer_bytes(&self) -> usize {
        self.receive_buffer_bytes
    }

    /// Datagrams that the kernel had already dropped when this process got the socket (from
    /// systemd, over a restart); not part of the listener's counters.
    #[must_use]
    pub fn drops_at_start(&self) -> u32 {
        self.drops_at_start
    }

    /// Follows the drops of the kernel for whoever takes the socket.
    #[must_use]
    pub fn kernel_drops(&self) -> KernelDrops {
        KernelDrops(DropCount::starting_at(self.drops_at_start))
    }

    /// The socket with its options, for a [`crate::shell::intake::udp::Receiver`] without a thread.
    #[must_use]
    pub fn into_socket(self) -> Arc<Socket> {
        self.socket
    }

    /// Starts the thread `udp-rx-N`, where N is the listener's index.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(self, feed: Feed) -> Result<UdpThread, SocketError> {
        let Self { socket, address, receive_buffer_bytes, drops_at_start } = self;
        let drops = Arc::new(DropCount::starting_at(drops_at_start));
        let progress = Arc::new(AtomicU64::new(0));
        let counters = Arc::clone(&feed.counters);
        let answerer = Answerer::new(Arc::clone(&socket), Arc::clone(&counters));
        let listener = feed.listener;
        let reader = Reader::new(feed, answerer.clone(), &drops, &progress);
        let of_thread = Arc::clone(&socket);
        let handle = std::thread::Builder::new()
            .name(format!("udp-rx-{listener}"))
            .spawn(move || reader.run(&of_thread))
            .map_err(SocketError::refused(Transport::Udp, "starting its thread"))?;
        let watch = Arc::new(UdpWatch { socket, drops, progress, counters });
        Ok(UdpThread { handle, watch, address, receive_buffer_bytes, answerer })
    }
}

impl AsFd for UdpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The drops of the kernel on a socket that somebody else reads.
#[derive(Debug)]
pub struct KernelDrops(DropCount);

impl KernelDrops {
    /// Brings the counter up to what the kernel says now.
    pub fn observe(&self, socket: &Socket, counters: &ListenerCounters) {
        if let Ok(reading) = drops_now(socket) {
            self.0.observe(reading, &counters.kernel_dropped);
        }
    }
}

/// A listener at work. Ends after a stop was requested through its feed. Whoever has it can wait
/// for that; others are given a [`UdpWatch`].
#[derive(Debug)]
pub struct UdpThread {
    handle: JoinHandle<()>,
    watch: Arc<UdpWatch>,
    address: SocketAddr,
    receive_buffer_bytes: usize,
    answerer: Answerer,
}

impl UdpThread {
    /// Address and port in use.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// See [`UdpListener::receive_buffer_bytes`].
    #[must_use]
    pub fn receive_buffer_bytes(&self) -> usize {
        self.receive_buffer_bytes
    }

    /// What can be seen of it from outside.
    #[must_use]
    pub fn watch(&self) -> &Arc<UdpWatch> {
        &self.watch
    }

    /// What sends the answers of this listener.
    #[must_use]
    pub fn answerer(&self) -> Answerer {
        self.answerer.clone()
    }

    /// Waits for the thread to end.
    ///
    /// # Errors
    /// The panic with which it ended.
    pub fn join(self) -> std::thread::Result<()> {
        self.handle.join()
    }
}

/// What can be seen of a receive thread from outside.
#[derive(Debug)]
pub struct UdpWatch {
    socket: Arc<Socket>,
    drops: Arc<DropCount>,
    progress: Arc<AtomicU64>,
    counters: Arc<ListenerCounters>,
}

impl UdpWatch {
    /// Grows at least ten times a second as long as the thread is alive, for the watchdog.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Asks the kernel for the drops up to now and gives the total, which is also the counter
    /// `kernel_dropped`: with a full buffer and no further datagram nothing else would tell.
    pub fn kernel_drops(&self) -> u64 {
        if let Ok(reading) = drops_now(&self.socket) {
            self.drops.observe(reading, &self.counters.kernel_dropped);
        }
        self.counters.kernel_dropped.load(Ordering::Relaxed)
    }
}

/// Whether a socket bound to that address answers from it by itself. Any other has to be told.
fn is_unicast(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    }
}

/// Asks for a receive buffer, with privilege if there is any; gives what is in effect. Linux keeps
/// twice the number asked for, to account for its own overhead, and reports that.
fn set_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<usize> {
    let wanted = libc::c_int::try_from(bytes / 2).map_or(libc::c_int::MAX, |half| half * 2);
    let in_effect = |socket: &Socket| socket.recv_buffer_size().map(|reported| reported / 2);
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wanted).is_err()
        && in_effect(socket)? < bytes
    {
        set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, wanted)?;
    }
    in_effect(socket)
}
