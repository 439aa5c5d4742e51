//! Connections of clients that may mean harm: a place for each, bounds for what HTTP/2 makes the
//! server keep, and a time for everything.
//!
//! A connection begins within [`Patience::request`], with the handshake of TLS, asks something
//! within [`Patience::idle`], and lives [`Patience::life`] at most. It is told to end
//! (GOAWAY), so that clients of good will lose no call, and cut when it does not: after
//! [`GOODBYE_TIME`], or [`GRACE`] with calls in progress.

use crate::shell::api::access::gate::Gate;
use crate::shell::api::channel::Channel;
use crate::shell::api::connection::{Patience, Peer};
use crate::shell::intake::grpc::call::Caller;
use crate::shell::intake::grpc::preface::{is_spoken, send_elsewhere, unread};
use crate::shell::intake::http::SampleDoor;
use crate::shell::observe::counters::HttpRefusal;
use crate::shell::seats::{NoSeat, Seat, Seats};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections of a socket at once; further ones wait in the kernel's backlog. More than over HTTP,
/// since clients keep theirs between two exports.
const CONNECTIONS_MAX: usize = 1_024;
/// Calls of a connection at once; others wait at the client.
const CALLS_OF_ONE_MAX: u32 = 64;
/// Calls of all connections of a socket at once; others are told to come again.
const CALLS_MAX: usize = 4_096;
/// How long a connection without calls may take to end once it is told to.
const GOODBYE_TIME: Duration = Duration::from_secs(3);
/// How long one with calls may take after that; longer than any call takes.
const GRACE: Duration = Duration::from_secs(30);
/// How long calls in progress may take after the stop.
const STOP_TIME: Duration = Duration::from_secs(3);

/// What a client may send before it is read, bytes, in a call and in a connection.
const WINDOW_BYTES: u32 = 256 * 1024;
/// Headers of a call, bytes, names included.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// Answers of a call that wait for the client, bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Calls that were taken back before they were looked at, and calls that broke the rules: beyond
/// these the connection ends.
const TAKEN_BACK_MAX: usize = 20;
const BROKEN_MAX: usize = 64;

/// Answers calls until `stop` becomes true (or its sender is gone); then lets those in progress end
/// for at most three seconds.
pub async fn serve(
    listener: TcpListener,
    (door, gate): (SampleDoor, Arc<Gate>),
    stop: watch::Receiver<bool>,
    patience: Patience,
) {
    let seats = Seats::new(CONNECTIONS_MAX, CONNECTIONS_MAX / 2);
    let calls = Arc::new(Semaphore::new(CALLS_MAX));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, address, seat) = accept(&listener, &seats, &gate) => {
                let (door, gate) = (door.clone(), Arc::clone(&gate));
                let (peer, message_time) = (Peer::new(address), patience.request);
                let channel = Channel::new(stream, &gate, peer.clone());
                let caller = Caller { door, gate, peer, calls: Arc::clone(&calls), message_time };
                let connection = converse(channel, caller, stop.clone(), patience);
                connections.spawn(async move {
                    connection.await;
                    drop(seat);
                });
            }
            Some(_) = connections.join_next() => {}
            () = stopped(stop.clone()) => break,
        }
    }
    let over = async { while connections.join_next().await.is_some() {} };
    // What is not over then is dropped.
    let _ = timeout(STOP_TIME, over).await;
}

async fn accept(
    listener: &TcpListener,
    seats: &Seats,
    gate: &Gate,
) -> (TcpStream, SocketAddr, Seat) {
    loop {
        // Before a client is accepted: what is accepted here must not be given up on the way.
        seats.fewer_than(CONNECTIONS_MAX).await;
        match listener.accept().await {
            Ok((stream, address)) => {
                let Some(seat) = seat(address, seats, gate) else { continue };
                // Answers are written whole; waiting to fill a segment only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "gRPC connection without TCP_NODELAY");
                }
                return (stream, address, seat);
            }
            Err(error) => {
                // Out of descriptors, or the client went away: neither ends the listener.
                tracing::debug!(%error, "gRPC connection not accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// A place for a client that has connected; none if it has half of all.
fn seat(address: SocketAddr, seats: &Seats, gate: &Gate) -> Option<Seat> {
    let taken = seats.take(address.ip().to_canonical());
    if let Err(NoSeat::Peer(held)) = taken {
        gate.refused_by_share(address, held);
    }
    taken.ok()
}

/// Calls of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    begun: u64,
    open: u64,
}

/// One connection, to its end.
async fn converse(
    mut channel: Channel,
    caller: Caller,
    stop: watch::Receiver<bool>,
    patience: Patience,
) {
    let begun = tokio::select! {
        begun = timeout(patience.request, is_spoken(&mut channel)) => begun,
        () = stopped(stop.clone()) => return,
    };
    match begun {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            caller.gate.refused(HttpRefusal::Protocol, caller.peer.address, "it is not HTTP/2");
            return send_elsewhere(channel).await;
        }
        // It said too little to be told anything. What TLS says was told already.
        Ok(Err(_)) | Err(_) => return,
    }
    let caller = Arc::new(caller);
    let calls = Arc::new(watch::Sender::new(Calls::default()));
    let service = {
        let (caller, calls) = (Arc::clone(&caller), Arc::clone(&calls));
        service_fn(move |request| {
            let (caller, open) = (Arc::clone(&caller), Open::new(&calls));
            async move {
                let response = caller.answer(request).await;
                drop(open);
                Ok::<_, Infallible>(response)
            }
        })
    };
    let mut connection = pin!(settings().serve_connection(TokioIo::new(unread(channel)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped(stop) => None,
        () = over(calls.subscribe(), patience) => None,
    };
    let ended = if ended.is_some() {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        match timeout(GOODBYE_TIME, connection.as_mut()).await {
            Err(_) if calls.borrow().open > 0 => timeout(GRACE, connection).await.ok(),
            ended => ended.ok(),
        }
    };
    if let Some(Err(error)) = ended {
        tell(&caller, &error);
    }
}

fn settings() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .max_concurrent_streams(CALLS_OF_ONE_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_send_buf_size(ANSWER_BYTES_MAX)
        .max_pending_accept_reset_streams(TAKEN_BACK_MAX)
        .max_local_error_reset_streams(BROKEN_MAX)
        .auto_date_header(false);
    builder
}

/// A call that is being answered; over when this is dropped, whatever becomes of it.
struct Open {
    calls: Arc<watch::Sender<Calls>>,
}

impl Open {
    fn new(calls: &Arc<watch::Sender<Calls>>) -> Self {
        calls.send_modify(|calls| {
            calls.begun = calls.begun.saturating_add(1);
            calls.open = calls.open.saturating_add(1);
        });
        Self { calls: Arc::clone(calls) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.calls.send_modify(|calls| calls.open = calls.open.saturating_sub(1));
    }
}

/// Returns when a connection has asked nothing for too long, or has lived long enough.
async fn over(mut calls: watch::Receiver<Calls>, patience: Patience) {
    let idle = async {
        loop {
            let Ok(begun) = calls.wait_for(|calls| calls.open == 0).await.map(|now| now.begun)
            else {
                return;
            };
            if timeout(patience.idle, calls.wait_for(|calls| calls.begun != begun)).await.is_err() {
                return;
            }
        }
    };
    // Either way it is time.
    let _ = timeout(patience.life, idle).await;
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Counts a client that breaks the rules; one that only went away is nothing to tell.
fn tell(caller: &Caller, error: &hyper::Error) {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref::<h2::Error>() {
            if found.is_library() {
                let detail = found.to_string();
                caller.gate.refused(HttpRefusal::Protocol, caller.peer.address, &detail);
            }
            return;
        }
        source = inner.source();
    }
    tracing::debug!(%error, peer = %caller.peer.address, "gRPC connection ended");
}
