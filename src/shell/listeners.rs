//! The configured listeners: their sockets, bound here or handed over by systemd, and what runs on
//! them.

use crate::model::event::Channel;
use crate::shell::clock::EngineClock;
use crate::shell::config::{Config, Listener, Transport};
use crate::shell::fd_store::{self, Kept};
use crate::shell::intake::feed::Feed as IntakeFeed;
use crate::shell::intake::pipeline::PipelineFactory;
use crate::shell::intake::socket::SocketError;
use crate::shell::intake::sources::SourceRegistry;
use crate::shell::intake::stop::Stop;
use crate::shell::intake::tcp::{StreamOptions, TcpListener};
use crate::shell::intake::udp::{UdpListener, UdpThread};
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::outbox::Outbox;
use crate::shell::pipeline::{SharedClassifier, SyslogFrames, SyslogPipeline, TrapPipeline};
use crate::shell::shared::Shared;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// What a listener's sockets take in.
pub enum Bound {
    /// Datagrams.
    Udp(Vec<UdpListener>, Channel),
    /// Syslog streams.
    Tcp(Vec<TcpListener>),
    /// Datagrams of samples.
    Samples(Vec<UdpListener>),
    /// Questions, and samples, over HTTP or gRPC.
    Http(Vec<std::net::TcpListener>),
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "listener {listener}: {reason}; the address is the setting --set \
     'listeners.{listener}.addresses=[\"ADDRESS:PORT\"]'"
)]
pub struct ListenError {
    /// Name of the listener.
    pub listener: String,
    /// What went wrong.
    pub reason: SocketError,
}

/// Opens a listener: on the sockets that systemd handed over under its name, else on its addresses,
/// with the sockets that were kept over the restart.
///
/// # Errors
/// When an address cannot be had, with the remedy.
pub fn open(
    listener: &Listener,
    adopted: &mut BTreeMap<String, Vec<OwnedFd>>,
    kept: &mut Kept,
) -> Result<Bound, ListenError> {
    let given = adopted.remove(&listener.name).unwrap_or_default();
    let failed = |reason| ListenError { listener: listener.name.clone(), reason };
    let mut udp = |given, buffer| {
        let from_fd = |fd| UdpListener::from_fd(fd, buffer);
        sockets((listener, given, &mut *kept), from_fd, |at| UdpListener::bind(at, buffer))
    };
    match &listener.transport {
        Transport::SnmpTrap { receive_buffer_bytes, .. } => {
            let sockets = udp(given, *receive_buffer_bytes).map_err(failed)?;
            Ok(Bound::Udp(sockets, Channel::Trap))
        }
        Transport::SyslogUdp { receive_buffer_bytes } => {
            let sockets = udp(given, *receive_buffer_bytes).map_err(failed)?;
            Ok(Bound::Udp(sockets, Channel::Syslog))
        }
        Transport::InfluxUdp { receive_buffer_bytes } => {
            Ok(Bound::Samples(udp(given, *receive_buffer_bytes).map_err(failed)?))
        }
        Transport::SyslogTcp { .. } => {
            let from_fd = TcpListener::from_fd;
            let sockets = sockets((listener, given, kept), from_fd, TcpListener::bind);
            Ok(Bound::Tcp(sockets.map_err(failed)?))
        }
        Transport::Http { .. } | Transport::OtlpGrpc { .. } => {
            let from_fd = |fd| Ok(std::net::TcpListener::from(fd));
            let sockets = sockets((listener, given, kept), from_fd, TcpListener::bind_plain);
            Ok(Bound::Http(sockets.map_err(failed)?))
        }
    }
}

/// The sockets handed over, as they are; else one for each address, which systemd is to keep.
fn sockets<T: AsFd>(
    (listener, given, kept): (&Listener, Vec<OwnedFd>, &mut Kept),
    from_fd: impl Fn(OwnedFd) -> Result<T, SocketError>,
    bind: impl Fn(SocketAddr) -> Result<T, SocketError>,
) -> Result<Vec<T>, SocketError> {
    if !given.is_empty() {
        return given.into_iter().map(from_fd).collect();
    }
    let mut sockets = Vec::new();
    for (place, address) in listener.addresses.iter().enumerate() {
        let socket = match kept.take(&listener.name, place) {
            Some(fd) => from_fd(fd)?,
            None => bind(*address)?,
        };
        fd_store::keep(&listener.name, socket.as_fd());
        sockets.push(socket);
    }
    Ok(sockets)
}

/// Addresses that the sockets are really bound to.
#[must_use]
pub fn addresses(bound: &Bound) -> Vec<SocketAddr> {
    match bound {
        Bound::Udp(sockets, _) | Bound::Samples(sockets) => {
            sockets.iter().map(UdpListener::local_address).collect()
        }
        Bound::Tcp(sockets) => sockets.iter().map(TcpListener::local_address).collect(),
        Bound::Http(sockets) => {
            sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
        }
    }
}

/// What every listener is given.
pub struct Intake<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The way to the sequencer.
    pub shared: &'a Arc<Shared>,
    /// Ledgers, in the order of the listeners.
    pub ledger: &'a [(String, Arc<ListenerCounters>)],
    /// The classifier in force.
    pub classifier: &'a SharedClassifier,
    /// When to end.
    pub stop: &'a Arc<Stop>,
    /// Who was heard.
    pub sources: &'a Arc<SourceRegistry>,
    /// Engine time of this run.
    pub clock: EngineClock,
}

/// What is open.
#[derive(Default)]
pub struct Opened {
    /// Addresses by listener.
    pub addresses: Vec<(String, SocketAddr)>,
    /// Receive threads by listener.
    pub udp: Vec<(u16, UdpThread)>,
    /// Stream listeners.
    pub streams: Vec<tokio::task::JoinHandle<()>>,
    /// Sockets of samples by listener.
    pub samples: Vec<(u16, UdpListener)>,
    /// HTTP and gRPC sockets by listener.
    pub http: Vec<(u16, std::net::TcpListener)>,
}

impl Intake<'_> {
    /// Starts receiving on what is bound.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub fn start(
        &self,
        bound: Vec<Bound>,
        runtime: &Runtime,
        out: &mut Outbox,
    ) -> Result<Opened, ListenError> {
        let mut opened = Opened::default();
        for (index, (sockets, listener)) in
            (0_u16..).zip(bound.into_iter().zip(&self.config.listeners))
        {
            let name = listener.name.as_str();
            opened
                .addresses
                .extend(addresses(&sockets).into_iter().map(|at| (name.to_owned(), at)));
            match sockets {
                Bound::Udp(sockets, channel) => {
                    for socket in sockets {
                        let feed = self.feed(index, channel, &listener.transport);
                        let is_ipv4 = socket.local_address().is_ipv4();
                        let thread = socket
                            .start(feed)
                            .map_err(|reason| ListenError { listener: name.to_owned(), reason })?;
                        warn_of_small_buffer(name, thread.receive_buffer_bytes());
                        out.answerers.push((index, is_ipv4, thread.answerer()));
                        opened.udp.push((index, thread));
                    }
                }
                Bound::Tcp(sockets) => {
                    for socket in sockets {
                        opened.streams.push(self.stream(index, listener, socket, runtime));
                    }
                }
                Bound::Samples(sockets) => {
                    for socket in sockets {
                        warn_of_small_buffer(name, socket.receive_buffer_bytes());
                        opened.samples.push((index, socket));
                    }
                }
                Bound::Http(sockets) => {
                    opened.http.extend(sockets.into_iter().map(|socket| (index, socket)));
                }
            }
        }
        Ok(opened)
    }

    fn stream(
        &self,
        index: u16,
        listener: &Listener,
        socket: TcpListener,
        runtime: &Runtime,
    ) -> tokio::task::JoinHandle<()> {
        let channel = Channel::Syslog;
        let feed = self.feed(index, channel, &listener.transport);
        let mut options = StreamOptions::new(Arc::new(|| Box::new(SyslogFrames::default())));
        if let Transport::SyslogTcp { idle_timeout, connections_max } = &listener.transport {
            options.idle_timeout = *idle_timeout;
            options.connections_max = *connections_max;
        }
        let name = listener.name.clone();
        runtime.spawn(async move {
            if let Err(error) = socket.run(feed, options).await {
                tracing::error!(listener = name, %error, "the listener ended");
            }
        })
    }

    fn feed(&self, listener: u16, channel: Channel, transport: &Transport) -> IntakeFeed {
        let counters = self
            .ledger
            .get(usize::from(listener))
            .map_or_else(Arc::default, |(_, counters)| Arc::clone(counters));
        IntakeFeed {
            listener,
            channel,
            counters,
            lanes: Arc::clone(&self.shared.lanes),
            clock: self.clock,
            sources: Arc::clone(self.sources),
            pipelines: self.pipelines(transport),
            stop: Arc::clone(self.stop),
        }
    }

    fn pipelines(&self, transport: &Transport) -> PipelineFactory {
        let classifier = Arc::clone(self.classifier);
        if let Transport::SnmpTrap { communities, .. } = transport {
            let communities: Arc<[String]> = communities.clone().into();
            return Arc::new(move || {
                Box::new(TrapPipeline::new(&classifier, Arc::clone(&communities)))
            });
        }
        Arc::new(move || Box::new(SyslogPipeline::new(&classifier)))
    }
}

fn warn_of_small_buffer(listener: &str, bytes: usize) {
    if bytes < RECEIVE_BUFFER_BYTES_MIN {
        tracing::warn!(
            listener,
            bytes,
            "the receive buffer is small: bursts will be dropped by the kernel; raise \
             net.core.rmem_max or give vigie CAP_NET_ADMIN"
        );
    }
}

/// A receive buffer in effect below this is worth a warning, bytes.
const RECEIVE_BUFFER_BYTES_MIN: usize = 4 * 1024 * 1024;
