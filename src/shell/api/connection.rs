//! Connections of clients that may mean harm: a place for each, and a time for everything.
//!
//! In: a bound listener and its gate. Out: streams that fail by themselves when the client is too
//! slow: a whole request within [`REQUEST_TIME`] of its first byte (or of the connection, with the
//! handshake of TLS), an answer taken on without a pause longer than that, [`IDLE_TIME`] between
//! requests, [`LIFE_TIME`] in all. The server above needs no timers of its own.

use crate::shell::api::access::gate::Gate;
use crate::shell::api::channel::Channel;
use crate::shell::api::resting::{End, Resting};
use crate::shell::seats::{NoSeat, Seat, Seats};
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Connections at once. When they are all taken, the one that rests longest between two requests
/// makes room; if none rests, the next client waits, and others in the kernel's backlog.
pub const CONNECTIONS_MAX: usize = 256;
/// Connections of one client at once, as many as the shards of a busy collector or a proxy have.
pub const CLIENT_CONNECTIONS_MAX: usize = CONNECTIONS_MAX / 2;
/// From the first byte of a request to its last, and between two steps of an answer.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Between an answer and the next request, where the listener does not say otherwise.
pub const IDLE_TIME: Duration = Duration::from_secs(60);
/// From accept to close, whatever happens.
pub const LIFE_TIME: Duration = Duration::from_secs(600);

/// How long a client waits for a place before it is looked again whether one rests.
const SEAT_TIME: Duration = Duration::from_millis(100);
/// How long for the place of one that was told to go.
const OUST_TIME: Duration = Duration::from_secs(2);

/// Times of a connection; the constants above, but for tests.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// See [`REQUEST_TIME`].
    pub request: Duration,
    /// See [`IDLE_TIME`].
    pub idle: Duration,
    /// See [`LIFE_TIME`].
    pub life: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { request: REQUEST_TIME, idle: IDLE_TIME, life: LIFE_TIME }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    names: Arc<OnceLock<Vec<String>>>,
}

impl Peer {
    /// Who connects from there and has shown nothing yet.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, names: Arc::default() }
    }

    /// The names in the certificate that it has shown; none if it showed none.
    #[must_use]
    pub fn names(&self) -> &[String] {
        self.names.get().map_or(&[], Vec::as_slice)
    }

    /// Takes down the names in its certificate.
    pub(super) fn has_shown(&self, names: Vec<String>) {
        // A connection has one handshake.
        let _ = self.names.set(names);
    }
}

impl Connected<IncomingStream<'_, GuardedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, GuardedListener>) -> Self {
        stream.io().peer.clone()
    }
}

/// A listener that hands out guarded connections.
#[derive(Debug)]
pub struct GuardedListener {
    listener: TcpListener,
    gate: Arc<Gate>,
    seats: Seats,
    resting: Arc<Resting>,
    patience: Patience,
}

impl GuardedListener {
    /// Guards a bound listener.
    #[must_use]
    pub fn new(listener: TcpListener, gate: Arc<Gate>, patience: Patience) -> Self {
        let seats = Seats::new(CONNECTIONS_MAX, CLIENT_CONNECTIONS_MAX);
        Self { listener, gate, seats, resting: Arc::default(), patience }
    }

    /// A place for a client that has connected; none if it has as many as one may have, and none
    /// of them rests.
    async fn seat(&self, address: SocketAddr) -> Option<Seat> {
        let client = address.ip().to_canonical();
        loop {
            let held = self.seats.held();
            let is_ousted = match self.seats.take(client) {
                Ok(seat) => return Some(seat),
                Err(NoSeat::All(_)) => self.resting.oust(None),
                Err(NoSeat::Peer(held)) => {
                    if !self.resting.oust(Some(client)) {
                        self.gate.refused_by_share(address, held);
                        return None;
                    }
                    true
                }
            };
            // One that was told to go does so in a moment; else one may begin to rest.
            let patience = if is_ousted { OUST_TIME } else { SEAT_TIME };
            let _ = timeout(patience, self.seats.fewer_than(held)).await;
        }
    }
}

impl Listener for GuardedListener {
    type Io = GuardedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let Some(seat) = self.seat(address).await else { continue };
                    let peer = Peer::new(address);
                    // Answers are written whole; waiting to fill a segment only delays them.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "api connection without TCP_NODELAY");
                    }
                    let channel = Channel::new(stream, &self.gate, peer.clone());
                    let place = Place::new(seat, &self.resting);
                    return (GuardedStream::new(channel, place, self.patience, peer), address);
                }
                Err(error) => {
                    // Out of descriptors, or the client went away: neither ends the API.
                    tracing::debug!(%error, "api connection not accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// The place of a connection: it is in use, or it may be had by somebody else.
#[derive(Debug)]
struct Place {
    _seat: Seat,
    resting: Arc<Resting>,
    rests_as: Option<u64>,
    end: Arc<End>,
}

impl Place {
    fn new(seat: Seat, resting: &Arc<Resting>) -> Self {
        Self { _seat: seat, resting: Arc::clone(resting), rests_as: None, end: Arc::default() }
    }

    fn rest(&mut self, peer: &Peer) {
        if self.rests_as.is_none() {
            let client = peer.address.ip().to_canonical();
            self.rests_as = Some(self.resting.begin(client, &self.end));
        }
    }

    fn is_in_use(&mut self) {
        if let Some(key) = self.rests_as.take() {
            self.resting.end(key);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.is_in_use();
    }
}

/// A connection with its place and its times.
#[derive(Debug)]
pub struct GuardedStream {
    stream: Channel,
    place: Place,
    peer: Peer,
    patience: Patience,
    deadline: Pin<Box<Sleep>>,
    ends_at: Instant,
    is_between_requests: bool,
}

impl GuardedStream {
    fn new(stream: Channel, place: Place, patience: Patience, peer: Peer) -> Self {
        let deadline = Box::pin(sleep(patience.request));
        let ends_at = deadline.deadline() + patience.life.saturating_sub(patience.request);
        let is_between_requests = false;
        Self { stream, place, peer, patience, deadline, ends_at, is_between_requests }
    }

    fn expire(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn wait_at_most(&mut self, patience: Duration) {
        let until = (Instant::now() + patience).min(self.ends_at);
        self.deadline.as_mut().reset(until);
    }

    fn has_written(&mut self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(bytes)) if *bytes > 0) {
            self.is_between_requests = true;
            self.wait_at_most(self.patience.idle);
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.expire(context)?;
        if self.place.end.is_asked(context.waker()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let filled = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.is_between_requests && buffer.filled().len() > filled {
            // The deadline of a request is set once, so that a byte now and then moves nothing.
            self.is_between_requests = false;
            self.place.is_in_use();
            let patience = self.patience.request;
            self.wait_at_most(patience);
            self.expire(context)?;
        }
        polled
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.expire(context)?;
        self.place.is_in_use();
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.has_written(&written);
        self.expire(context)?;
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.expire(context)?;
        self.place.is_in_use();
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.has_written(&written);
        self.expire(context)?;
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        match &flushed {
            Poll::Pending => self.expire(context)?,
            Poll::Ready(_) if self.is_between_requests => {
                let Self { place, peer, .. } = &mut *self;
                place.rest(peer);
            }
            Poll::Ready(_) => {}
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        if closed.is_pending() {
            self.expire(context)?;
        }
        closed
    }
}
