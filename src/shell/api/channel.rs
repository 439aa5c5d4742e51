//! The bytes of a connection, plain or through TLS.
//!
//! The handshake of TLS is made by the first reads, not by the accept, so that a client that is
//! slow at it holds up nobody but itself; whoever guards the reads bounds it in time.

use crate::shell::api::access::certificate;
use crate::shell::api::access::gate::Gate;
use crate::shell::api::connection::Peer;
use crate::shell::observe::counters::HttpRefusal;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

/// A connection's bytes.
pub struct Channel {
    state: State,
    gate: Arc<Gate>,
    peer: Peer,
}

enum State {
    Plain(TcpStream),
    Handshake(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
    Failed,
}

impl Channel {
    /// Through TLS if the gate says so now.
    #[must_use]
    pub fn new(stream: TcpStream, gate: &Arc<Gate>, peer: Peer) -> Self {
        let state = match &gate.access().tls {
            None => State::Plain(stream),
            Some(config) => {
                State::Handshake(Box::new(TlsAcceptor::from(Arc::clone(config)).accept(stream)))
            }
        };
        Self { state, gate: Arc::clone(gate), peer }
    }

    /// Ready once bytes can pass.
    fn shake_hands(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Handshake(accept) = &mut self.state else { return Poll::Ready(Ok(())) };
        match ready!(Pin::new(accept.as_mut()).poll(context)) {
            Ok(stream) => {
                let shown = stream.get_ref().1.peer_certificates();
                if let Some(shown) = shown.and_then(<[_]>::first) {
                    self.has_shown(shown);
                }
                self.state = State::Tls(Box::new(stream));
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                self.state = State::Failed;
                // Who only looks whether the port is open goes without a word.
                if error.kind() != io::ErrorKind::UnexpectedEof {
                    self.gate.refused(HttpRefusal::Tls, self.peer.address, &cause(&error));
                }
                Poll::Ready(Err(error))
            }
        }
    }

    fn has_shown(&self, der: &[u8]) {
        let mut names = certificate::names(der);
        if names.is_empty() {
            names.push("a certificate without a name".to_owned());
        }
        let client = names.first().map_or("", String::as_str);
        let listener = self.gate.listener();
        tracing::debug!(listener, client, peer = %self.peer.address, "client certificate accepted");
        self.peer.has_shown(names);
    }

    fn inner(&mut self) -> Inner<'_> {
        match &mut self.state {
            State::Plain(stream) => Inner::Plain(stream),
            State::Tls(stream) => Inner::Tls(stream),
            State::Handshake(_) | State::Failed => Inner::None,
        }
    }
}

/// Why there is no handshake, in words that help whoever made the certificate.
pub(super) fn cause(error: &io::Error) -> String {
    let said = error.to_string();
    // TLS has no word of its own for this one and shows what it wraps.
    if said.contains("UnsupportedCertVersion") {
        return "the client's certificate is of X.509 version 1; make it with extensions, \
                which makes it version 3"
            .to_owned();
    }
    said
}

/// What bytes go through now.
enum Inner<'a> {
    Plain(&'a mut TcpStream),
    Tls(&'a mut TlsStream<TcpStream>),
    None,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.shake_hands(context))?;
        match self.inner() {
            Inner::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Inner::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Inner::None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.shake_hands(context))?;
        match self.inner() {
            Inner::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Inner::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Inner::None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.shake_hands(context))?;
        match self.inner() {
            Inner::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Inner::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Inner::None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.state {
            State::Plain(stream) => stream.is_write_vectored(),
            State::Tls(stream) => stream.is_write_vectored(),
            // TLS takes parts as it takes one; asked once, before the handshake is over.
            State::Handshake(_) | State::Failed => true,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.inner() {
            Inner::Plain(stream) => Pin::new(stream).poll_flush(context),
            Inner::Tls(stream) => Pin::new(stream).poll_flush(context),
            Inner::None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.inner() {
            Inner::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Inner::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Inner::None => Poll::Ready(Ok(())),
        }
    }
}
