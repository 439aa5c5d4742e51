//! What arrives while nobody runs waits in sockets that the service manager keeps.

use crate::support::daemon::{Home, is_active, text};
use crate::support::sender::{device, link_down};
use crate::support::service_manager::ServiceManager;
use std::net::UdpSocket;

const KEPT: [&str; 7] = [
    "kept+http",
    "kept+snmp-trap",
    "kept+snmp-trap",
    "kept+syslog-tcp",
    "kept+syslog-tcp",
    "kept+syslog-udp",
    "kept+syslog-udp",
];

#[test]
fn a_trap_that_arrives_between_two_lives_is_heard_with_its_own_time() {
    let home = Home::new();
    let manager = ServiceManager::of(&home);
    let daemon = home.start_under(&manager);
    manager.expect_names(&KEPT);
    daemon.kill();

    link_down(home.traps, 7);
    let refused = UdpSocket::bind(("127.0.0.1", home.traps));
    assert!(refused.is_err(), "the port is still held");
    let dead_until = jiff::Timestamp::now();

    let daemon = home.start_under(&manager);
    manager.expect_names(&KEPT);
    let alarm = daemon.alarm("interface-down", &device(7).to_string(), is_active);
    let created: jiff::Timestamp = text(&alarm, "time_created").parse().expect("an instant");
    assert!(created < dead_until, "{created} is when it was read, not when it came: {dead_until}");
    link_down(home.traps, 8);
    daemon.alarm("interface-down", &device(8).to_string(), is_active);
    assert!(daemon.terminate().success());
}

#[test]
fn a_kept_socket_whose_address_nobody_asks_for_is_closed_everywhere() {
    let before = Home::new();
    let manager = ServiceManager::of(&before);
    let daemon = before.start_under(&manager);
    manager.expect_names(&KEPT);
    assert!(daemon.terminate().success());
    manager.expect_names(&KEPT);

    let home = before.on_other_ports();
    let daemon = home.start_under(&manager);
    manager.expect_names(&KEPT);
    for port in [before.traps, before.syslog] {
        UdpSocket::bind(("127.0.0.1", port)).expect("an unread socket is gone");
    }
    link_down(home.traps, 9);
    daemon.alarm("interface-down", &device(9).to_string(), is_active);
    assert!(daemon.terminate().success());
}
