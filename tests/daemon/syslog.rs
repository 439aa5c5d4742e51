//! util-linux `logger` and a forwarding `rsyslogd` against the syslog listeners.

use crate::support::components::run;
use crate::support::daemon::{Daemon, Home, is_active, is_cleared, text};
use crate::support::rsyslog::{Forward, Rsyslog};

const INTERFACE: &str = "GigabitEthernet0/1";

/// Sends one message as `logger` does: `tag: text` under its own header.
fn log(port: u16, options: &[&str], tag: &str, text: &str) {
    let port = port.to_string();
    let mut arguments = vec!["--server", "127.0.0.1", "--port", &port, "--priority", "local7.err"];
    arguments.extend_from_slice(options);
    arguments.extend_from_slice(&["--tag", tag, "--", text]);
    run("logger", &arguments);
}

/// What Cisco IOS says when a link changes, behind a header of `logger`: tag, date, mnemonic.
fn cisco(port: u16, options: &[&str], state: &str) {
    let text = format!(
        "*Mar  1 00:12:31.123: %LINK-3-UPDOWN: Interface {INTERFACE}, changed state to {state}"
    );
    log(port, options, "45", &text);
}

/// The link goes down and comes back; the alarm follows.
fn follows_the_link(daemon: &Daemon<'_>, port: u16, options: &[&str]) {
    cisco(port, options, "down");
    let raised = daemon.alarm("interface-down", "", is_active);
    assert!(text(&raised, "resource").ends_with(INTERFACE), "{raised}");
    assert_eq!(text(&raised, "source"), "syslog");
    cisco(port, options, "up");
    let cleared = daemon.alarm("interface-down", "", is_cleared);
    assert_eq!(raised.get("id"), cleared.get("id"));
    daemon.quiet_after(2.0);
}

#[test]
fn logger_over_udp_in_rfc3164() {
    let home = Home::new();
    follows_the_link(&home.start(), home.syslog, &["--udp", "--rfc3164"]);
}

#[test]
fn logger_over_udp_in_rfc5424() {
    let home = Home::new();
    follows_the_link(&home.start(), home.syslog, &["--udp", "--rfc5424"]);
}

#[test]
fn logger_over_tcp_in_rfc3164() {
    let home = Home::new();
    follows_the_link(&home.start(), home.syslog, &["--tcp", "--rfc3164"]);
}

#[test]
fn logger_over_tcp_in_rfc5424_with_octet_count() {
    let home = Home::new();
    follows_the_link(&home.start(), home.syslog, &["--tcp", "--rfc5424", "--octet-count"]);
}

#[test]
fn rsyslogd_forwards_with_octet_count() {
    let home = Home::new();
    let daemon = home.start();
    let relay = Rsyslog::forwarding_to(home.syslog, Forward::OctetCounted);
    follows_the_link(&daemon, relay.port, &["--tcp", "--rfc5424", "--octet-count"]);
}

#[test]
fn rsyslogd_forwards_line_by_line() {
    let home = Home::new();
    let daemon = home.start();
    let relay = Rsyslog::forwarding_to(home.syslog, Forward::Traditional);
    follows_the_link(&daemon, relay.port, &["--tcp", "--rfc3164"]);
}

#[test]
fn a_declared_relay_names_the_device_by_its_hostname() {
    let relay_device = "[[device]]\nname = \"relay\"\naddresses = [\"127.0.0.1\"]\nrelay = true\n";
    let home = Home::new().with_inventory(relay_device);
    let daemon = home.start();
    let relay = Rsyslog::forwarding_to(home.syslog, Forward::OctetCounted);
    cisco(relay.port, &["--tcp", "--octet-count", "--rfc5424"], "down");
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let device = hostname.trim().split('.').next().unwrap_or_default();
    daemon.alarm("interface-down", device, is_active);
}

#[test]
fn many_messages_of_one_connection_arrive_in_order() {
    let home = Home::new();
    let daemon = home.start();
    let relay = Rsyslog::forwarding_to(home.syslog, Forward::OctetCounted);
    for _ in 0..10 {
        cisco(relay.port, &["--tcp", "--rfc5424", "--octet-count"], "down");
        cisco(relay.port, &["--tcp", "--rfc5424", "--octet-count"], "up");
    }
    let metrics = daemon.quiet_after(20.0);
    assert!(metrics.sum("vigie_shed_total", &[]) < 0.5);
    assert!((metrics.sum("vigie_journaled_total", &[]) - 20.0).abs() < 0.5);
}

#[test]
fn a_line_that_no_rule_knows_is_counted_and_opens_nothing() {
    let home = Home::new();
    let daemon = home.start();
    log(home.syslog, &["--udp", "--rfc3164"], "greeter", "good morning");
    let metrics = daemon.quiet_after(1.0);
    assert!((metrics.sum("vigie_ignored_total", &[("reason", "no_rule")]) - 1.0).abs() < 0.5);
    assert!(daemon.list("incidents").unwrap().is_empty());
}
