//! Real sockets on loopback, from the kernel to the place of the sequencer.

use super::*;
use crate::model::event::Lane;
use crate::model::fault::Fault;
use crate::model::limits::{DATAGRAM_GAP_BYTES, RECV_BATCH};
use crate::model::time::Timestamp;
use crate::shell::clock::wall;
use crate::shell::intake::feed::Feed;
use crate::shell::intake::testing::{
    LISTENER, Sequencer, assert_ledger, feed, fill, stop_within, wait_for,
};
use crate::shell::observe::counters::{IgnoreReason, ShedReason};
use crate::shell::turns::Turns;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(5);

fn listener(address: &str) -> UdpListener {
    UdpListener::bind(address.parse().unwrap(), RECEIVE_BUFFER_BYTES).unwrap()
}

fn sender(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn receiver(address: &str) -> (Receiver, SocketAddr) {
    let listener = listener(address);
    let target = listener.local_address();
    (Receiver::new(listener.into_socket()), target)
}

fn end(thread: UdpThread, feed: &Feed, sequencer: &mut Sequencer) {
    stop_within(feed, GRACE);
    thread.join().unwrap();
    sequencer.take(feed);
    assert_ledger(feed);
}

#[test]
fn datagrams_come_with_peer_local_address_and_a_stamp_of_the_past() {
    // On a socket for all addresses of the host it is told to which of them the datagram went.
    for (address, bound) in [("127.0.0.1:0", "0.0.0.0:0"), ("[::1]:0", "[::]:0")] {
        let (mut receiver, bound) = receiver(bound);
        let sender = sender(address);
        let target = SocketAddr::new(sender.local_addr().unwrap().ip(), bound.port());
        let before = wall();
        sender.send_to(b"one", target).unwrap();
        sender.send_to(b"", target).unwrap();
        sender.send_to(b"three", target).unwrap();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            for datagram in receiver.receive().unwrap() {
                assert_eq!(datagram.peer, sender.local_addr().unwrap());
                assert_eq!(datagram.local, Some(target.ip()));
                let stamp = datagram.stamp.unwrap();
                assert!(before <= stamp && stamp <= wall(), "{before} {stamp}");
                assert!(!datagram.is_truncated);
                seen.push(datagram.bytes.to_vec());
            }
        }
        assert_eq!(seen, [&b"one"[..], b"", b"three"]);
        let error = receiver.receive().err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn a_socket_of_one_address_is_not_told_that_address() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (mut receiver, target) = receiver(address);
        sender(address).send_to(b"one", target).unwrap();
        let local: Vec<_> = receiver.receive().unwrap().map(|datagram| datagram.local).collect();
        assert_eq!(local, [None]);
    }
}

#[test]
fn a_call_takes_at_most_a_batch_and_leaves_the_rest_in_order() {
    let (mut receiver, target) = receiver("127.0.0.1:0");
    let sender = sender("127.0.0.1:0");
    let total = RECV_BATCH * 2 + 5;
    for index in 0..total {
        sender.send_to(&u64::try_from(index).unwrap().to_be_bytes(), target).unwrap();
    }
    let mut sizes = Vec::new();
    let mut next = 0_u64;
    while sizes.iter().sum::<usize>() < total {
        let datagrams = receiver.receive().unwrap();
        sizes.push(datagrams.len());
        for datagram in datagrams {
            assert_eq!(datagram.bytes, next.to_be_bytes());
            next += 1;
        }
    }
    assert_eq!(sizes, [RECV_BATCH, RECV_BATCH, 5]);
}

#[test]
fn long_datagrams_are_whole() {
    for (address, longest) in [("127.0.0.1:0", 65_507), ("[::1]:0", 65_527)] {
        let (mut receiver, target) = receiver(address);
        let sender = sender(address);
        for length in [DATAGRAM_GAP_BYTES, DATAGRAM_GAP_BYTES + 1, 60 * 1024, longest] {
            let sent: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[0]).collect();
            sender.send_to(&sent, target).unwrap();
            let datagrams = receiver.receive().unwrap();
            for datagram in datagrams {
                assert!(datagram.bytes == sent && !datagram.is_truncated, "{length}");
            }
        }
    }
}

#[test]
fn kernel_drops_are_counted_without_a_further_datagram() {
    let feed = feed();
    // The reader cannot go on: its lane is full.
    fill(&feed, Lane::Urgent);
    let listener = UdpListener::bind("127.0.0.1:0".parse().unwrap(), 4_096).unwrap();
    assert!(listener.receive_buffer_bytes() < 16_384, "{}", listener.receive_buffer_bytes());
    let target = listener.local_address();
    let thread = listener.start(feed.clone()).unwrap();
    let sender = sender("127.0.0.1:0");
    let mut sent = 0_u64;
    wait_for("a drop", || {
        sender.send_to(&[b'x'; 1_000], target).unwrap();
        sent += 1;
        thread.watch().kernel_drops() > 0
    });
    // The reader lives, and says so, although it waits.
    let progress = thread.watch().progress();
    wait_for("progress", || thread.watch().progress() > progress);
    let mut sequencer = Sequencer::default();
    wait_for("all that was not dropped", || {
        sequencer.take(&feed);
        u64::try_from(sequencer.events.len()).unwrap() + thread.watch().kernel_drops() == sent
    });
    end(thread, &feed, &mut sequencer);
    let lost = feed.counters.kernel_dropped.load(Ordering::Relaxed);
    assert_eq!(feed.counters.received.load(Ordering::Relaxed) + lost, sent);
}

#[test]
fn events_carry_arrival_peer_and_listener() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let feed = feed();
        let before = feed.clock.at();
        let listener = listener(address);
        let target = listener.local_address();
        let thread = listener.start(feed.clone()).unwrap();
        let sender = sender(address);
        sender.send_to(b"hello", target).unwrap();
        let mut sequencer = Sequencer::default();
        sequencer.take_until(&feed, 1);
        let after = feed.clock.at();
        let seen = sequencer.events.first().unwrap();
        assert_eq!(seen.peer, sender.local_addr().unwrap().ip());
        assert_eq!((seen.listener, seen.raw.as_slice()), (LISTENER, &b"hello"[..]));
        assert!(before.wall <= seen.arrived.wall && seen.arrived.wall <= after.wall);
        // The two clocks are not read at one instant; a little slack is left for that.
        let slack_ns = 50_000_000;
        assert!(before.engine <= seen.arrived.engine.plus_ns(slack_ns));
        assert!(seen.arrived.engine <= after.engine.plus_ns(slack_ns));
        end(thread, &feed, &mut sequencer);
    }
}

fn seen_peer(sequencer: &Sequencer) -> IpAddr {
    sequencer.events.first().unwrap().peer
}

#[test]
fn socket_for_both_families_gives_plain_ipv4_peers() {
    let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None).unwrap();
    socket.set_only_v6(false).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.bind(&"[::]:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let feed = feed();
    let listener = UdpListener::from_fd(socket.into(), RECEIVE_BUFFER_BYTES).unwrap();
    let target = SocketAddr::new("127.0.0.1".parse().unwrap(), listener.local_address().port());
    let thread = listener.start(feed.clone()).unwrap();
    let sender = sender("127.0.0.1:0");
    sender.send_to(b"inform 1", target).unwrap();
    let mut sequencer = Sequencer::default();
    sequencer.take_until(&feed, 1);
    assert_eq!(seen_peer(&sequencer), target.ip());
    // The answer finds its way back through the mapped address.
    thread.answerer().send(&sequencer.answers.first().unwrap().answer()).unwrap();
    let mut buffer = [0; 64];
    let (length, from) = sender.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from), (&b"answer to inform 1"[..], target));
    end(thread, &feed, &mut sequencer);
}

#[test]
fn panic_costs_one_message_and_not_even_that() {
    let feed = feed();
    let listener = listener("127.0.0.1:0");
    let target = listener.local_address();
    let thread = listener.start(feed.clone()).unwrap();
    let sender = sender("127.0.0.1:0");
    for message in ["panic", "panic-late", "panic-twice", "fine"] {
        sender.send_to(message.as_bytes(), target).unwrap();
    }
    let mut sequencer = Sequencer::default();
    sequencer.take_until(&feed, 4);
    end(thread, &feed, &mut sequencer);
    let event = |raw: &str| {
        sequencer.events.iter().find(|event| event.raw == raw.as_bytes()).unwrap().clone()
    };
    assert!(event("panic").faults.has(Fault::DecoderPanicked));
    assert_eq!(event("panic").rule, "obedient");
    // The event was there before the panic: it is neither doubled nor lost.
    assert!(event("panic-late").faults.is_empty());
    let alone = event("panic-twice");
    assert_eq!((alone.lane, alone.rule.as_str()), (Lane::Low, "decoder-panicked"));
    assert!(alone.faults.has(Fault::DecoderPanicked) && alone.faults.has(Fault::Undecodable));
    assert!(event("fine").faults.is_empty());
    assert_eq!(feed.counters.decoder_panics.load(Ordering::Relaxed), 4);
    assert!(!crate::shell::intake::guard::is_guarded());
}

#[test]
fn full_low_lane_sheds_and_the_others_wait() {
    let feed = feed();
    fill(&feed, Lane::Low);
    fill(&feed, Lane::Normal);
    let listener = listener("127.0.0.1:0");
    let target = listener.local_address();
    let thread = listener.start(feed.clone()).unwrap();
    let sender = sender("127.0.0.1:0");
    sender.send_to(b"urgent", target).unwrap();
    sender.send_to(b"", target).unwrap();
    sender.send_to(b"ignore", target).unwrap();
    sender.send_to(b"low", target).unwrap();
    wait_for("the shedding", || shed(&feed, ShedReason::LaneFull, Lane::Low) == 1);
    sender.send_to(b"normal", target).unwrap();
    sender.send_to(b"urgent", target).unwrap();
    let mut sequencer = Sequencer::default();
    sequencer.take_until(&feed, 3);
    end(thread, &feed, &mut sequencer);
    let ignored: Vec<_> = feed.counters.ignored().filter(|(_, count)| *count > 0).collect();
    assert_eq!(ignored, [(IgnoreReason::NoRule, 1), (IgnoreReason::Empty, 1)]);
    assert_eq!(feed.counters.received.load(Ordering::Relaxed), 6);
    assert_eq!(feed.counters.journaled.load(Ordering::Relaxed), 3);
}

fn shed(feed: &Feed, reason: ShedReason, lane: Lane) -> u64 {
    feed.counters
        .shed()
        .filter(|(known, of, _)| (*known, *of) == (reason, lane))
        .map(|(_, _, count)| count)
        .sum()
}

#[test]
fn stop_takes_what_the_kernel_has_queued() {
    let feed = feed();
    let listener = listener("127.0.0.1:0");
    let target = listener.local_address();
    let sender = sender("127.0.0.1:0");
    // Queued before the thread exists, and the stop comes before it reads for the first time.
    for _ in 0..500 {
        sender.send_to(b"queued", target).unwrap();
    }
    stop_within(&feed, GRACE);
    let thread = listener.start(feed.clone()).unwrap();
    thread.join().unwrap();
    let mut sequencer = Sequencer::default();
    sequencer.take(&feed);
    assert_eq!(sequencer.events.len(), 500);
    assert_ledger(&feed);
}

#[test]
fn stop_with_a_full_lane_ends_and_counts_what_it_loses() {
    let feed = feed();
    fill(&feed, Lane::Urgent);
    let listener = listener("127.0.0.1:0");
    let target = listener.local_address();
    let sender = sender("127.0.0.1:0");
    for _ in 0..10 {
        sender.send_to(b"too late", target).unwrap();
    }
    let thread = listener.start(feed.clone()).unwrap();
    stop_within(&feed, Duration::from_millis(50));
    thread.join().unwrap();
    assert_eq!(shed(&feed, ShedReason::Stopping, Lane::Urgent), 10);
    assert_ledger(&feed);
}

#[test]
fn answer_leaves_from_the_address_that_was_asked() {
    for (bound, asked) in [("0.0.0.0:0", "127.0.0.5"), ("[::]:0", "::1")] {
        let feed = feed();
        let listener = listener(bound);
        let target = SocketAddr::new(asked.parse().unwrap(), listener.local_address().port());
        let thread = listener.start(feed.clone()).unwrap();
        let any = if target.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let sender = sender(any);
        let mut buffer = [0; 64];
        // An ignored one is answered at once; one that is an event, when it is durable.
        sender.send_to(b"inform-ignored", target).unwrap();
        let (length, from) = sender.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"answer to inform-ignored"[..], target));
        sender.send_to(b"inform", target).unwrap();
        let mut sequencer = Sequencer::default();
        sequencer.take_until(&feed, 1);
        thread.answerer().send(&sequencer.answers.first().unwrap().answer()).unwrap();
        let (length, from) = sender.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"answer to inform"[..], target));
        assert_eq!(feed.counters.answers_sent.load(Ordering::Relaxed), 2);
        end(thread, &feed, &mut sequencer);
    }
}

#[test]
fn flood_adds_up_and_keeps_its_order() {
    let feed = feed();
    let listener = listener("127.0.0.1:0");
    let target = listener.local_address();
    let thread = listener.start(feed.clone()).unwrap();
    let total = 20_000_u32;
    let flood = std::thread::spawn(move || {
        let sender = sender("127.0.0.1:0");
        for index in 0..total {
            sender.send_to(format!("{index:08}").as_bytes(), target).unwrap();
        }
    });
    let mut sequencer = Sequencer::default();
    wait_for("the flood", || {
        sequencer.take(&feed);
        u64::try_from(sequencer.events.len()).unwrap() + thread.watch().kernel_drops()
            >= total.into()
    });
    flood.join().unwrap();
    end(thread, &feed, &mut sequencer);
    assert!(sequencer.events.is_sorted_by(|one, next| one.raw < next.raw));
    assert!(sequencer.events.is_sorted_by_key(|event| event.arrived.wall));
    let lost = feed.counters.kernel_dropped.load(Ordering::Relaxed);
    assert_eq!(u64::try_from(sequencer.events.len()).unwrap() + lost, u64::from(total));
}

#[test]
fn under_overload_a_flood_about_one_device_goes_on_in_the_low_lane_in_its_order() {
    let feed = feed();
    feed.lanes.set_overloaded(true);
    let listener = listener("127.0.0.1:0");
    let target = listener.local_address();
    let thread = listener.start(feed.clone()).unwrap();
    let total = 20_000_u32;
    let flood = std::thread::spawn(move || {
        let sender = sender("127.0.0.1:0");
        for index in 0..total {
            sender.send_to(format!("{index:08}").as_bytes(), target).unwrap();
        }
    });
    let mut turns = Turns::new(Arc::clone(&feed.lanes));
    let mut seen: Vec<(Vec<u8>, Lane)> = Vec::new();
    wait_for("the flood", || {
        for lane in Lane::ALL {
            while let Some(mut batch) = turns.next(lane) {
                seen.extend(batch.events().map(|event| (event.raw.to_vec(), lane)));
                batch.pass();
                feed.lanes.give_back(batch);
            }
        }
        let shed: u64 = feed.counters.shed().map(|(_, _, count)| count).sum();
        let taken = u64::try_from(seen.len()).unwrap();
        taken + shed + thread.watch().kernel_drops() >= total.into()
    });
    flood.join().unwrap();
    assert!(seen.is_sorted_by(|one, next| one.0 < next.0));
    assert!(matches!(seen.first(), Some((_, Lane::Urgent))), "until it was too much");
    assert!(seen.iter().any(|(_, lane)| *lane == Lane::Low));
    assert!(feed.counters.demotions.load(Ordering::Relaxed) >= 1);
    stop_within(&feed, GRACE);
    thread.join().unwrap();
    assert_eq!(feed.counters.sources_demoted.load(Ordering::Relaxed), 0, "gone with its thread");
}

#[test]
fn adopted_socket_keeps_what_it_had_queued() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = socket.local_addr().unwrap();
    sender("127.0.0.1:0").send_to(b"early", target).unwrap();
    let feed = feed();
    let listener = UdpListener::from_fd(socket.into(), RECEIVE_BUFFER_BYTES).unwrap();
    assert_eq!((listener.local_address(), listener.drops_at_start()), (target, 0));
    let thread = listener.start(feed.clone()).unwrap();
    let mut sequencer = Sequencer::default();
    sequencer.take_until(&feed, 1);
    assert!(sequencer.events.first().unwrap().arrived.wall > Timestamp(0));
    end(thread, &feed, &mut sequencer);
    assert_eq!(Arc::strong_count(&feed.counters), 1);
}
