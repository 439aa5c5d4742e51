//! A TCP listener: accepts connections up to a limit and looks after them until they end.

use crate::model::limits::TCP_CONNECTIONS_MAX;
use crate::shell::clock;
use crate::shell::intake::feed::Feed;
use crate::shell::intake::socket::{
    SocketError, Transport, address_of, bind, bind_error, local_address,
};
use crate::shell::intake::tcp::FrameSourceFactory;
use crate::shell::intake::tcp::connection::Connection;
use crate::shell::intake::tcp::workers::Workers;
use crate::shell::observe::limiter::Limiter;
use crate::shell::seats::{NoSeat, Seat, Seats};
use socket2::{SockRef, Socket, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Connections that wait to be accepted; a site that comes back at once should fit.
const BACKLOG: libc::c_int = 1_024;
/// How often the loop shows the watchdog that the runtime is alive.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// How long accepting pauses when the process has no file descriptor left.
const ACCEPT_ERROR_WAIT: Duration = Duration::from_millis(100);
const KEEPALIVE_AFTER: Duration = Duration::from_secs(120);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);

/// How a listener treats its connections.
#[derive(Clone)]
pub struct StreamOptions {
    /// Splits the streams.
    pub frames: FrameSourceFactory,
    /// Connections at once, of which a peer may have a quarter; further ones are closed and
    /// counted.
    pub connections_max: usize,
    /// Closes a connection on which nothing came for so long. `None`, the usual choice, leaves it
    /// open: syslog senders keep quiet connections for hours, and keepalive finds the dead ones.
    pub idle_timeout: Option<Duration>,
}

impl StreamOptions {
    /// The usual limits.
    #[must_use]
    pub fn new(frames: FrameSourceFactory) -> Self {
        Self { frames, connections_max: TCP_CONNECTIONS_MAX, idle_timeout: None }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct TcpListener {
    socket: Socket,
    address: SocketAddr,
    progress: Arc<AtomicU64>,
}

impl TcpListener {
    /// Binds and listens.
    ///
    /// # Errors
    /// Says what the operator can do about it.
    pub fn bind(address: SocketAddr) -> Result<Self, SocketError> {
        let socket = bind(Transport::Tcp, address)?;
        // Two sockets with SO_REUSEADDR may share a port until one of them listens.
        socket.listen(BACKLOG).map_err(|error| bind_error(Transport::Tcp, address, error))?;
        Self::prepare(socket)
    }

    /// Binds and listens for something else than syslog (the HTTP server).
    ///
    /// # Errors
    /// Says what the operator can do about it.
    pub fn bind_plain(address: SocketAddr) -> Result<std::net::TcpListener, SocketError> {
        Ok(Self::bind(address)?.socket.into())
    }

    /// Takes over a listening socket that systemd holds.
    ///
    /// # Errors
    /// When it is no listening TCP socket.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, SocketError> {
        address_of(Transport::Tcp, fd.as_fd())?;
        Self::prepare(Socket::from(fd))
    }

    fn prepare(socket: Socket) -> Result<Self, SocketError> {
        socket
            .set_nonblocking(true)
            .map_err(SocketError::refused(Transport::Tcp, "setting O_NONBLOCK"))?;
        let address = local_address(Transport::Tcp, &socket)?;
        Ok(Self { socket, address, progress: Arc::new(AtomicU64::new(0)) })
    }

    /// Address and port in use.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Grows at least twice a second while [`TcpListener::run`] is alive, for the watchdog.
    #[must_use]
    pub fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.progress)
    }

    /// Serves until a stop is requested through the feed; returns when every connection has ended.
    /// Runs in a tokio runtime.
    ///
    /// # Errors
    /// When the runtime cannot take the socket.
    pub async fn run(self, feed: Feed, options: StreamOptions) -> Result<(), SocketError> {
        let listener = tokio::net::TcpListener::from_std(self.socket.into())
            .map_err(SocketError::refused(Transport::Tcp, "registering with the runtime"))?;
        let stop = Arc::clone(&feed.stop);
        let workers = Arc::new(Workers::new(feed));
        let (seats, limiter) = (
            Seats::new(options.connections_max, share(options.connections_max)),
            Limiter::default(),
        );
        let mut connections = JoinSet::new();
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        loop {
            self.progress.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                biased;
                () = stop.requested() => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => match seats.take(accepted.1.ip().to_canonical()) {
                        Ok(seat) => {
                            admit(accepted, seat, (&workers, &options), &mut connections);
                        }
                        Err(why) => refuse(&workers, &limiter, accepted.1, why),
                    },
                    Err(error) => after_accept_error(&error, &workers).await,
                },
                _ = ticks.tick() => {}
            }
        }
        drop(listener);
        while !connections.is_empty() {
            self.progress.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                _ = connections.join_next() => {}
                _ = ticks.tick() => {}
            }
        }
        Ok(())
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn admit(
    (stream, peer): (TcpStream, SocketAddr),
    seat: Seat,
    (workers, options): (&Arc<Workers>, &StreamOptions),
    connections: &mut JoinSet<()>,
) {
    let counters = &workers.feed().counters;
    counters.connections_accepted.fetch_add(1, Ordering::Relaxed);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    // Without keepalive the connection works just as well; only a dead peer stays unnoticed.
    drop(SockRef::from(&stream).set_tcp_keepalive(&keepalive));
    let connection = Connection::new(peer, Arc::clone(workers), options);
    connections.spawn(async move {
        let _seat = seat;
        connection.serve(stream).await;
    });
}

/// Connections of one peer: it takes at least four to use all up.
fn share(connections_max: usize) -> usize {
    (connections_max / 4).max(1)
}

fn refuse(workers: &Workers, limiter: &Limiter, peer: SocketAddr, why: NoSeat) {
    workers.feed().counters.connections_refused.fetch_add(1, Ordering::Relaxed);
    let Some(untold) = limiter.pass(clock::boot_ns()) else { return };
    match why {
        NoSeat::All(held) => tracing::warn!(
            %peer, held, untold,
            "a connection was refused: there are as many as connections_max says"
        ),
        NoSeat::Peer(held) => tracing::warn!(
            %peer, held, untold,
            "a connection was refused: this peer has a quarter of connections_max already"
        ),
    }
}

async fn after_accept_error(error: &io::Error, workers: &Workers) {
    if error.kind() == io::ErrorKind::ConnectionAborted {
        return;
    }
    workers.feed().counters.receive_errors.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(ACCEPT_ERROR_WAIT).await;
}
