//! InfluxDB line protocol over UDP: a thread per socket, one datagram after the other.
//!
//! In: datagrams of lines, timestamps in nanoseconds. Out: what their series tell, through
//! [`crate::shell::series`]. There is nobody to answer: while the lanes are full or the disk is
//! slow, datagrams wait in the receive buffer of the kernel, and what the kernel drops is counted
//! (`vigie_kernel_dropped_total`); what is not durable in time counts as rejected.

use crate::decode::metrics::line_protocol::{self, Precision};
use crate::model::limits::DATAGRAM_BYTES_MAX;
use crate::shell::clock;
use crate::shell::intake::udp::{KernelDrops, UdpListener};
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::series::{Protocol, SeriesIntake};
use socket2::Socket;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use tokio::runtime::Handle;

/// How often the drops of the kernel are asked for, ns.
const DROPS_EVERY_NS: u64 = 1_000_000_000;

/// A listener at work. Ends after a stop was requested.
pub struct SamplesUdp {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl SamplesUdp {
    /// Starts the thread of a socket.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(
        listener: UdpListener,
        counters: Arc<ListenerCounters>,
        series: Arc<SeriesIntake>,
        runtime: Handle,
    ) -> io::Result<Self> {
        let address = listener.local_address();
        let drops = listener.kernel_drops();
        let socket = listener.into_socket();
        let lines = UdpSocket::from(socket.try_clone()?);
        let mut reader = Reader { drops, counters, series, runtime, asked_at: 0 };
        let thread = std::thread::Builder::new()
            .name("samples-udp".to_owned())
            .spawn(move || reader.run(&socket, &lines))?;
        Ok(Self { address, thread })
    }

    /// Address and port in use.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the thread to end.
    pub fn join(self) {
        // A thread that panicked has aborted the process already.
        let _ = self.thread.join();
    }
}

struct Reader {
    drops: KernelDrops,
    counters: Arc<ListenerCounters>,
    series: Arc<SeriesIntake>,
    runtime: Handle,
    asked_at: u64,
}

impl Reader {
    fn run(&mut self, socket: &Socket, lines: &UdpSocket) {
        let mut buffer = vec![0_u8; DATAGRAM_BYTES_MAX];
        while !self.series.is_stopping() {
            let now = clock::boot_ns();
            if now.saturating_sub(self.asked_at) >= DROPS_EVERY_NS {
                self.asked_at = now;
                self.drops.observe(socket, &self.counters);
            }
            match lines.recv_from(&mut buffer) {
                Ok((length, peer)) => self.take(buffer.get(..length).unwrap_or_default(), peer),
                Err(error) => match error.kind() {
                    // Nothing came for a while, or a signal did.
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted => {}
                    _ => {
                        self.counters.receive_errors.fetch_add(1, Ordering::Relaxed);
                    }
                },
            }
        }
    }

    fn take(&self, datagram: &[u8], peer: SocketAddr) {
        let told = self.series.take(Protocol::InfluxUdp, peer.ip(), |visit| {
            line_protocol::decode(datagram, Precision::Nanosecond, visit)
        });
        self.runtime.block_on(told.settle(&self.series));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::series::testing::Bench;
    use std::time::Duration;

    #[test]
    fn lines_in_datagrams_are_told_like_any_others() {
        let bench = Bench::default();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let address = "127.0.0.1:0".parse().expect("an address");
        let listener = UdpListener::bind(address, 1 << 20).expect("loopback");
        let series = Arc::clone(&bench.intake);
        let handle = runtime.handle().clone();
        let thread = SamplesUdp::start(listener, Arc::default(), series, handle);
        let thread = thread.expect("a thread");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let lines: [&[u8]; 3] = [b"temp,host=pe1 c=95\ntemp,host=pe2 c=20", b"no lines", b""];
        for datagram in lines {
            sender.send_to(datagram, thread.local_address()).expect("loopback takes it");
        }
        let mut seen = Vec::new();
        while bench.account(Protocol::InfluxUdp)[0] < 3 {
            seen.extend(bench.journal(true).into_iter().filter_map(|event| event.value));
            std::thread::park_timeout(Duration::from_millis(1));
        }
        assert_eq!(seen, [95.0, 20.0]);
        assert_eq!(bench.account(Protocol::InfluxUdp), [3, 2, 0, 1]);
        bench.stop.request(crate::model::time::EngineTime(1));
        thread.join();
    }
}
