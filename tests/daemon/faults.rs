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
