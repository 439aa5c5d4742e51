//! Real connections on loopback, from the sender to the place of the sequencer.

use super::*;
use crate::model::event::Lane;
use crate::model::fault::Fault;
use crate::shell::intake::feed::Feed;
use crate::shell::intake::testing::{Sequencer, assert_ledger, feed, fill, stop_within, wait_for};
use crate::shell::observe::counters::{IgnoreReason, ShedReason};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

const GRACE: Duration = Duration::from_secs(5);

/// Lines; what the stream ends inside of is an incomplete frame.
#[derive(Default)]
struct Lines {
    pending: Vec<u8>,
    complete: VecDeque<(Vec<u8>, Faults)>,
    current: Vec<u8>,
}

impl FrameSource for Lines {
    fn push(&mut self, bytes: &[u8]) {
        assert!(!bytes.starts_with(b"break"), "as told");
        for byte in bytes {
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.pending);
                self.complete.push_back((line, Faults::NONE));
            } else {
                self.pending.push(*byte);
            }
        }
    }

    fn next_frame(&mut self) -> Option<Frame<'_>> {
        let (line, faults) = self.complete.pop_front()?;
        self.current = line;
        Some(Frame { bytes: &self.current, faults })
    }

    fn finish(&mut self) {
        let rest = std::mem::take(&mut self.pending);
        if !rest.is_empty() {
            self.complete.push_back((rest, Faults::NONE.with(Fault::FrameIncomplete)));
        }
    }
}

struct Service {
    feed: Feed,
    address: SocketAddr,
    runtime: Runtime,
    task: JoinHandle<Result<(), crate::shell::intake::socket::SocketError>>,
}

impl Service {
    fn start(address: &str, change: impl FnOnce(&mut StreamOptions)) -> Self {
        let feed = feed();
        let listener = TcpListener::bind(address.parse().unwrap()).unwrap();
        let address = listener.local_address();
        let mut options = StreamOptions::new(Arc::new(|| Box::new(Lines::default())));
        change(&mut options);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let task = runtime.spawn(listener.run(feed.clone(), options));
        Self { feed, address, runtime, task }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn end(self, grace: Duration, sequencer: &mut Sequencer) -> Feed {
        stop_within(&self.feed, grace);
        self.runtime.block_on(self.task).unwrap().unwrap();
        sequencer.take(&self.feed);
        assert_ledger(&self.feed);
        self.feed
    }
}

fn raws(sequencer: &Sequencer) -> Vec<&[u8]> {
    sequencer.events.iter().map(|event| event.raw.as_slice()).collect()
}

#[test]
fn frames_survive_any_chunking_in_order() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let service = Service::start(address, |_| {});
        let mut stream = service.connect();
        let lines: Vec<String> = (0..300).map(|index| format!("line {index:04}")).collect();
        let text = lines.join("\n") + "\n";
        for (index, piece) in text.as_bytes().chunks(7).enumerate() {
            stream.write_all(piece).unwrap();
            if index % 50 == 0 {
                stream.flush().unwrap();
            }
        }
        let mut sequencer = Sequencer::default();
        sequencer.take_until(&service.feed, 300);
        let expected: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
        assert_eq!(raws(&sequencer), expected);
        let peer = stream.local_addr().unwrap().ip();
        assert!(sequencer.events.iter().all(|event| event.peer == peer));
        service.end(GRACE, &mut sequencer);
    }
}

#[test]
fn end_of_stream_inside_a_frame_is_a_fault_and_an_empty_frame_is_ignored() {
    let service = Service::start("127.0.0.1:0", |_| {});
    let mut stream = service.connect();
    stream.write_all(b"whole\n\nhal").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut sequencer = Sequencer::default();
    sequencer.take_until(&service.feed, 2);
    assert_eq!(raws(&sequencer), [&b"whole"[..], b"hal"]);
    assert!(sequencer.events.last().unwrap().faults.has(Fault::FrameIncomplete));
    // The daemon closes its side, too.
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    let feed = service.end(GRACE, &mut sequencer);
    assert!(feed.counters.ignored().any(|entry| entry == (IgnoreReason::Empty, 1)));
}

#[test]
fn panic_leaves_the_connection_alone() {
    let service = Service::start("127.0.0.1:0", |_| {});
    let mut stream = service.connect();
    stream.write_all(b"panic\npanic-twice\nfine\n").unwrap();
    let mut sequencer = Sequencer::default();
    sequencer.take_until(&service.feed, 3);
    let panicked = sequencer.events.iter().filter(|event| event.faults.has(Fault::DecoderPanicked));
    assert_eq!(panicked.count(), 2);
    service.end(GRACE, &mut sequencer);
}

#[test]
fn panic_of_the_splitter_closes_its_connection_only() {
    let service = Service::start("127.0.0.1:0", |_| {});
    let mut sound = service.connect();
    let mut broken = service.connect();
    sound.write_all(b"one\n").unwrap();
    let mut sequencer = Sequencer::default();
    sequencer.take_until(&service.feed, 1);
    broken.write_all(b"break\n").unwrap();
    assert_eq!(broken.read(&mut [0; 8]).unwrap(), 0);
    sound.write_all(b"two\n").unwrap();
    sequencer.take_until(&service.feed, 2);
    let feed = service.end(GRACE, &mut sequencer);
    assert_eq!(feed.counters.decoder_panics.load(Ordering::Relaxed), 1);
}

#[test]
fn a_peer_that_holds_its_share_in_silence_keeps_no_other_out() {
    let service = Service::start("127.0.0.1:0", |options| options.connections_max = 8);
    let mut held: Vec<TcpStream> = (0..2).map(|_| service.connect()).collect();
    for stream in &mut held {
        stream.write_all(b"hel").unwrap();
    }
    assert_eq!(service.connect().read(&mut [0; 8]).unwrap(), 0, "it has its share");
    assert_eq!(service.feed.counters.connections_refused.load(Ordering::Relaxed), 1);
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    other.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    other.connect(&service.address.into()).unwrap();
    TcpStream::from(other).write_all(b"one\n").unwrap();
    let mut sequencer = Sequencer::default();
    sequencer.take_until(&service.feed, 1);
    drop(held);
    service.end(GRACE, &mut sequencer);
}

#[test]
fn connections_beyond_the_limit_are_closed_and_counted() {
    let service = Service::start("127.0.0.1:0", |options| options.connections_max = 1);
    let mut first = service.connect();
    first.write_all(b"one\n").unwrap();
    let mut sequencer = Sequencer::default();
    sequencer.take_until(&service.feed, 1);
    let mut second = service.connect();
    assert_eq!(second.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(service.feed.counters.connections_refused.load(Ordering::Relaxed), 1);
    // When the first has gone there is room again.
    drop(first);
    let mut admitted = None;
    wait_for("room for a connection", || {
        let mut stream = service.connect();
        // A refused connection may be reset under the write.
        drop(stream.write_all(b"two\n"));
        sequencer.take(&service.feed);
        admitted = Some(stream);
        sequencer.events.len() == 2
    });
    drop(admitted);
    service.end(GRACE, &mut sequencer);
}

#[test]
fn full_lane_stops_the_reading_and_loses_nothing() {
    let service = Service::start("127.0.0.1:0", |_| {});
    fill(&service.feed, Lane::Low);
    let stream = service.connect();
    stream.set_nonblocking(true).unwrap();
    // The sender writes until the connection takes no more: nobody reads it.
    let line = [b"low ".as_slice(), &[b'x'; 1_019], b"\n"].concat();
    let mut written = 0_usize;
    let mut refused = 0_u32;
    wait_for("the sender to be held back", || {
        match (&stream).write(line.get(written % line.len()..).unwrap()) {
            Ok(count) => {
                written += count;
                refused = 0;
            }
            Err(_) => refused += 1,
        }
        refused > 200
    });
    assert_eq!(service.feed.counters.shed().map(|(_, _, count)| count).sum::<u64>(), 0);
    let mut sequencer = Sequencer::default();
    sequencer.take_until_at_least(&service.feed, written / line.len());
    drop(stream);
    let feed = service.end(GRACE, &mut sequencer);
    let complete = sequencer.events.iter().filter(|event| event.raw.len() == line.len() - 1);
    assert_eq!(complete.count(), written / line.len());
    assert_eq!(feed.counters.shed().map(|(_, _, count)| count).sum::<u64>(), 0);
}

#[test]
fn stop_takes_what_has_arrived_and_ends_although_the_sender_stays() {
    let service = Service::start("127.0.0.1:0", |_| {});
    let mut streams: Vec<TcpStream> = (0..5).map(|_| service.connect()).collect();
    wait_for("the connections", || {
        service.feed.counters.connections_accepted.load(Ordering::Relaxed) == 5
    });
    for stream in &mut streams {
        stream.write_all(b"one\ntwo\nthree\n").unwrap();
    }
    let mut sequencer = Sequencer::default();
    let feed = service.end(GRACE, &mut sequencer);
    assert_eq!(sequencer.events.len(), 15);
    assert_eq!(feed.counters.received.load(Ordering::Relaxed), 15);
}

#[test]
fn stop_with_a_full_lane_ends_and_counts_what_it_loses() {
    let service = Service::start("127.0.0.1:0", |_| {});
    fill(&service.feed, Lane::Urgent);
    let mut stream = service.connect();
    stream.write_all(b"one\ntwo\n").unwrap();
    wait_for("the frames", || service.feed.counters.received.load(Ordering::Relaxed) == 2);
    let feed = service.end(Duration::from_millis(50), &mut Sequencer::default());
    let shed: Vec<_> = feed.counters.shed().filter(|(_, _, count)| *count > 0).collect();
    assert_eq!(shed, [(ShedReason::Stopping, Lane::Urgent, 2)]);
}

#[test]
fn quiet_connection_is_closed_only_when_a_timeout_is_set() {
    let service = Service::start("127.0.0.1:0", |options| {
        options.idle_timeout = Some(Duration::from_millis(50));
    });
    let mut stream = service.connect();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    service.end(GRACE, &mut Sequencer::default());
}

#[test]
fn many_connections_share_few_pipelines() {
    let service = Service::start("127.0.0.1:0", |_| {});
    let mut streams: Vec<TcpStream> = (0..100).map(|_| service.connect()).collect();
    for round in 0..10 {
        for (index, stream) in streams.iter_mut().enumerate() {
            stream.write_all(format!("{index:03} {round}\n").as_bytes()).unwrap();
        }
    }
    let mut sequencer = Sequencer::default();
    sequencer.take_until(&service.feed, 1_000);
    for index in 0..100 {
        let prefix = format!("{index:03} ");
        let rounds: Vec<_> = raws(&sequencer)
            .into_iter()
            .filter(|raw| raw.starts_with(prefix.as_bytes()))
            .filter_map(|raw| raw.last().copied())
            .collect();
        assert_eq!(rounds, b"0123456789");
    }
    service.end(GRACE, &mut sequencer);
}

#[test]
fn port_that_listens_already_is_in_use() {
    let first = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = TcpListener::bind(first.local_address()).unwrap_err();
    assert!(error.to_string().contains("is in use"), "{error}");
}
