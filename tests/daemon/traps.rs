//! net-snmp's `snmptrap` and `snmpinform` against the trap listener.

use crate::support::components::run;
use crate::support::daemon::{Home, is_active, is_cleared, text};

const LINK_DOWN: &str = ".1.3.6.1.6.3.1.1.5.3";
const LINK_UP: &str = ".1.3.6.1.6.3.1.1.5.4";
const COLD_START: &str = ".1.3.6.1.6.3.1.1.5.1";
const ENTERPRISE: &str = ".1.3.6.1.4.1.8072.3.2.10";

/// Runs a net-snmp sender without MIB files and without configuration of the machine's own.
fn send(program: &str, version: &str, target: &str, words: &[&str]) {
    let mut arguments = vec!["-M", "", "-m", "", "-v", version, "-c", "public", target];
    arguments.extend_from_slice(words);
    run(program, &arguments);
}

/// An SNMPv2c notification about interface 3, with the three varbinds of IF-MIB.
fn link(program: &str, target: &str, trap: &str, status: &str) {
    let column = |column: u8| format!(".1.3.6.1.2.1.2.2.1.{column}.3");
    let (index, admin, oper) = (column(1), column(7), column(8));
    let words = ["", trap, &index, "i", "3", &admin, "i", "1", &oper, "i", status];
    send(program, "2c", target, &words);
}

/// An SNMPv1 link trap (generic 2 is linkDown, 3 is linkUp) about interface 3.
fn link_v1(target: &str, generic: &str) {
    let words = [ENTERPRISE, "127.0.0.1", generic, "0", "", ".1.3.6.1.2.1.2.2.1.1.3", "i", "3"];
    send("snmptrap", "1", target, &words);
}

#[test]
fn v2c_link_down_raises_and_link_up_clears() {
    let home = Home::new();
    let daemon = home.start();
    let target = format!("udp:127.0.0.1:{}", home.traps);
    link("snmptrap", &target, LINK_DOWN, "2");
    let raised = daemon.alarm("interface-down", "127.0.0.1", is_active);
    assert_eq!(text(&raised, "source"), "trap");
    link("snmptrap", &target, LINK_UP, "1");
    let cleared = daemon.alarm("interface-down", "127.0.0.1", is_cleared);
    assert_eq!(raised.get("id"), cleared.get("id"));
    daemon.quiet_after(2.0);
}

#[test]
fn v1_link_down_raises_and_link_up_clears() {
    let home = Home::new();
    let daemon = home.start();
    let target = format!("udp:127.0.0.1:{}", home.traps);
    link_v1(&target, "2");
    let raised = daemon.alarm("interface-down", "127.0.0.1", is_active);
    link_v1(&target, "3");
    let cleared = daemon.alarm("interface-down", "127.0.0.1", is_cleared);
    assert_eq!(raised.get("id"), cleared.get("id"));
}

#[test]
fn both_versions_tell_one_alarm() {
    let home = Home::new();
    let daemon = home.start();
    let target = format!("udp:127.0.0.1:{}", home.traps);
    link_v1(&target, "2");
    link("snmptrap", &target, LINK_DOWN, "2");
    daemon.quiet_after(2.0);
    let twice = |alarm: &serde_json::Value| alarm.get("occurrences") == Some(&2.into());
    daemon.alarm("interface-down", "127.0.0.1", twice);
    let alarms = daemon.list("alarms").unwrap();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
}

#[test]
fn a_trap_over_ipv6_raises_on_its_sender() {
    let home = Home::new();
    let daemon = home.start();
    link("snmptrap", &format!("udp6:[::1]:{}", home.traps), LINK_DOWN, "2");
    daemon.alarm("interface-down", "::1", is_active);
}

#[test]
fn an_inform_is_answered_and_raises() {
    let home = Home::new();
    let daemon = home.start();
    // snmpinform fails by itself when no answer comes.
    link("snmpinform", &format!("udp:127.0.0.1:{}", home.traps), LINK_DOWN, "2");
    daemon.alarm("interface-down", "127.0.0.1", is_active);
    link("snmpinform", &format!("udp6:[::1]:{}", home.traps), LINK_DOWN, "2");
    daemon.alarm("interface-down", "::1", is_active);
}

#[test]
fn a_trap_that_no_rule_knows_stays_visible() {
    let home = Home::new();
    let daemon = home.start();
    let target = format!("udp:127.0.0.1:{}", home.traps);
    let unknown = format!("{ENTERPRISE}.0.4711");
    send("snmptrap", "2c", &target, &["", &unknown, &format!("{ENTERPRISE}.1"), "s", "odd"]);
    let alarm = daemon.alarm("unclassified", "127.0.0.1", |_| true);
    assert!(text(&alarm, "incident").is_empty(), "unclassified opens nothing: {alarm}");
    let metrics = daemon.quiet_after(1.0);
    assert!((metrics.sum("vigie_journaled_total", &[]) - 1.0).abs() < 0.5);
    assert!(daemon.list("tickets").unwrap().is_empty());
}

#[test]
fn a_cold_start_is_recorded_and_never_active() {
    let home = Home::new();
    let daemon = home.start();
    send("snmptrap", "2c", &format!("udp:127.0.0.1:{}", home.traps), &["", COLD_START]);
    let metrics = daemon.quiet_after(1.0);
    assert!((metrics.sum("vigie_journaled_total", &[]) - 1.0).abs() < 0.5);
    let alarms = daemon.list("alarms").unwrap();
    assert!(!alarms.iter().any(is_active), "{alarms:?}");
    assert!(daemon.list("incidents").unwrap().is_empty());
}
