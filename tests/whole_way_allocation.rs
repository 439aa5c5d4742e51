//! From the socket to the durable journal, the daemon allocates nothing for a message that repeats
//! what is known: counted in the whole process, by every thread of a real daemon.

#[path = "support/counting.rs"]
mod counting;

use counting::Counting;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vigie::shell::clock::boot_ns;
use vigie::shell::config::Config;
use vigie::shell::daemon::Daemon;
use vigie::shell::observe::counters::ListenerCounters;

/// Allocations of all threads but the test's own.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_SENDER: Cell<bool> = const { Cell::new(false) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting(count);

fn count(taken: usize, _: usize) {
    if taken > 0 && !IS_SENDER.try_with(Cell::get).unwrap_or(true) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

/// linkDown of GigabitEthernet0/7 as net-snmp's `snmptrap` sends it.
const TRAP: &str = "30819b02010104067075626c6963a7818d020453ae7b56020100020100307f300f06082b060102\
    0101030043031b6c733017060a2b06010603010104010006092b0601060301010503300f060a2b0601020102020101\
    07020107300f060a2b060102010202010707020101300f060a2b0601020102020108070201023020060a2b06010201\
    020201020704124769676162697445746865726e6574302f37";
const LINE: &[u8] =
    b"<187>45: Sep  1 10:00:00.123: %LINK-3-UPDOWN: Interface GigabitEthernet0/7, changed state \
    to down";
/// The trap, then the line, from each of eight senders.
const ROUND: u64 = 16;
const WARM_ROUNDS: u64 = 300;
const ROUNDS: u64 = 2_000;

const CONFIG: &str = r#"
[listeners.trap]
kind = "snmp-trap"
addresses = ["127.0.0.1:0"]
[listeners.line]
kind = "syslog-udp"
addresses = ["127.0.0.1:0"]
[correlation]
hold_off_ms = 100
"#;

struct Sender {
    sockets: Vec<UdpSocket>,
    trap: Vec<u8>,
    targets: [SocketAddr; 2],
    counters: [Arc<ListenerCounters>; 2],
    sent: u64,
}

impl Sender {
    /// Rounds of messages, each settled before the next, so that none is dropped by the kernel.
    fn send(&mut self, rounds: u64) {
        for _ in 0..rounds {
            for socket in &self.sockets {
                socket.send_to(&self.trap, self.targets[0]).expect("room");
                socket.send_to(LINE, self.targets[1]).expect("room");
            }
            self.sent += ROUND;
            let deadline_ns = boot_ns() + 20_000_000_000;
            while self.journaled() < self.sent {
                assert!(boot_ns() < deadline_ns, "{} of {}", self.journaled(), self.sent);
                std::thread::park_timeout(Duration::from_micros(20));
            }
        }
    }

    fn journaled(&self) -> u64 {
        self.counters.iter().map(|one| one.journaled.load(Ordering::Relaxed)).sum()
    }
}

#[test]
fn a_repeat_costs_no_allocation_between_socket_and_journal() {
    let dir = std::env::temp_dir().join(format!("vigie-allocation-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder");
    std::fs::write(dir.join("vigie.toml"), CONFIG).expect("room");
    let config = Config::load(Some(&dir.join("vigie.toml")), &[], Some(&dir.join("state")));
    let daemon = Daemon::start(config.into_result().expect("no mistake"), None, BTreeMap::new())
        .expect("it starts");
    IS_SENDER.set(true);
    let mut sender = sender(&daemon);
    sender.send(WARM_ROUNDS);
    let warm = ALLOCATIONS.load(Ordering::Relaxed);
    assert!(warm > 1_000, "allocations are seen: {warm} until here");
    let begun_ns = boot_ns();
    sender.send(ROUNDS);
    let counted = ALLOCATIONS.load(Ordering::Relaxed) - warm;
    let seconds = (boot_ns() - begun_ns).div_ceil(1_000_000_000);
    // Once a second the counts of what was repeated are told, gauges are renewed and syncs noted.
    let periodic = 100 * seconds;
    assert!(
        counted < periodic && periodic < ROUNDS * ROUND / 10,
        "{counted} allocations for {} messages in {seconds} s",
        ROUNDS * ROUND
    );
    let _ = daemon.stop();
    let _ = std::fs::remove_dir_all(&dir);
}

fn sender(daemon: &Daemon) -> Sender {
    let addresses: BTreeMap<String, SocketAddr> = daemon.addresses().into_iter().collect();
    let ledger: BTreeMap<String, Arc<ListenerCounters>> = daemon.ledger().into_iter().collect();
    let bind = |last| UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).expect("a sender");
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hexadecimal");
    let octet = |pair: &[u8]| u8::try_from(16 * digit(pair[0]) + digit(pair[1])).expect("a byte");
    Sender {
        sockets: (1..=8).map(bind).collect(),
        trap: TRAP.as_bytes().chunks(2).map(octet).collect(),
        targets: ["trap", "line"].map(|name| addresses[name]),
        counters: ["trap", "line"].map(|name| Arc::clone(&ledger[name])),
        sent: 0,
    }
}
