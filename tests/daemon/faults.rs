//! Misuse and mishaps at the command line: each is refused or survived, and says what to do.

use crate::support::daemon::Home;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::sender::link_down;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// Starts a daemon that must refuse to run; gives what it says, in small letters.
fn refusal(home: &Home) -> String {
    let mut process = home.spawn();
    let status = process.wait(PATIENCE);
    let said = process.log();
    assert!(!status.success(), "it ran, though it should not: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said.to_lowercase()
}

#[test]
fn a_udp_port_in_use_is_named_with_the_remedy() {
    let home = Home::new();
    let _taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, home.traps)).unwrap();
    assert_names_port_and_remedy(&refusal(&home), home.traps);
}

#[test]
fn a_tcp_port_in_use_is_named_with_the_remedy() {
    let home = Home::new();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, home.syslog)).unwrap();
    assert_names_port_and_remedy(&refusal(&home), home.syslog);
}

#[test]
fn an_http_port_in_use_is_named_with_the_remedy() {
    let home = Home::new();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, home.http)).unwrap();
    assert_names_port_and_remedy(&refusal(&home), home.http);
}

/// The port, that it is taken, and the setting that chooses another.
fn assert_names_port_and_remedy(said: &str, port: u16) {
    assert!(said.contains(&port.to_string()), "the port is not named: {said}");
    assert!(said.contains("in use"), "what is wrong is not said: {said}");
    assert!(said.contains("--set"), "no remedy: {said}");
}

#[test]
fn a_second_daemon_on_the_same_state_directory_is_refused() {
    let home = Home::new();
    let daemon = home.start();
    link_down(home.traps, 1);
    let second = home.on_other_ports();
    let said = refusal(&second);
    let folder = home.state_dir().display().to_string().to_lowercase();
    assert!(said.contains(&folder), "the directory is not named: {said}");
    // The first one goes on, and its journal has taken no harm.
    link_down(home.traps, 2);
    daemon.quiet_after(2.0);
    assert!(daemon.terminate().success());
    assert!(home.run(&["journal", "verify"]).status.success());
}

#[test]
fn a_graceful_stop_loses_nothing_that_was_received() {
    let home = Home::new();
    let daemon = home.start();
    // Few enough for the smallest receive buffer: what is sent is received.
    for number in 0..150 {
        link_down(home.traps, number);
    }
    assert!(daemon.terminate().success());
    let daemon = home.start();
    eventually("every alarm is there", PATIENCE, || {
        let count = daemon.list("alarms")?.len();
        if count == 150 { Ok(()) } else { Err(format!("{count} of 150")) }
    });
}

/// The only segment of a small journal.
fn segment(home: &Home) -> std::path::PathBuf {
    let entries = std::fs::read_dir(home.state_dir().join("journal")).expect("a journal");
    let mut segments: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .collect();
    segments.sort();
    segments.pop().expect("a segment")
}

#[test]
fn a_flipped_bit_costs_one_commit_and_is_named() {
    let home = Home::new();
    let daemon = home.start();
    // Two commits at least: what a later one proves to have been durable is damage, not a tear.
    for numbers in [1..=15, 16..=30] {
        let last = *numbers.end();
        for number in numbers {
            link_down(home.traps, number);
        }
        daemon.quiet_after(f64::from(last));
        // The API shows it when it is durable.
        let address = crate::support::sender::device(last).to_string();
        daemon.alarm("interface-down", &address, crate::support::daemon::is_active);
    }
    daemon.kill();
    let path = segment(&home);
    let mut bytes = std::fs::read(&path).expect("the segment");
    let name = crate::support::sender::device(5).to_string();
    let place = bytes.windows(name.len()).position(|window| window == name.as_bytes());
    bytes[place.expect("the event of device 5")] ^= 4;
    std::fs::write(&path, bytes).expect("written back");
    let daemon = home.start();
    link_down(home.traps, 31);
    let address = crate::support::sender::device(31).to_string();
    daemon.alarm("interface-down", &address, crate::support::daemon::is_active);
    let alarms = daemon.list("alarms").expect("a listing");
    assert!(alarms.len() >= 16, "what is behind the damage counts: {}", alarms.len());
    assert!(daemon.terminate().success());
    let replayed = home.run(&["replay"]);
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(!replayed.status.success() && said.contains("hole"), "{said}");
    assert!(said.contains(&home.live_digest()), "the same engine reads the same hole: {said}");
}

#[test]
fn a_history_of_garbage_is_set_aside() {
    let home = Home::new();
    std::fs::create_dir_all(home.state_dir()).expect("a folder");
    std::fs::write(home.state_dir().join("history.db"), [7_u8; 5_000]).expect("garbage");
    let daemon = home.start();
    link_down(home.traps, 1);
    daemon.quiet_after(1.0);
    assert!(daemon.terminate().success());
}

#[test]
fn snapshots_of_a_journal_that_is_gone_are_passed_over() {
    let home = Home::new();
    let daemon = home.start();
    link_down(home.traps, 1);
    daemon.quiet_after(1.0);
    assert!(daemon.terminate().success());
    std::fs::remove_file(segment(&home)).expect("the segment is removed");
    let daemon = home.start();
    link_down(home.traps, 2);
    let address = crate::support::sender::device(2).to_string();
    daemon.alarm("interface-down", &address, crate::support::daemon::is_active);
    assert!(daemon.terminate().success());
}
