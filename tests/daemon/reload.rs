//! SIGHUP: new rules and inventory without losing state; wrong ones are refused.

use crate::support::daemon::{Home, is_active, text};
use crate::support::eventually::{PATIENCE, eventually, pause};
use crate::support::sender::{device, link_down, link_up};
use std::time::Duration;

fn inventory(name: &str, number: u16) -> String {
    format!("[[device]]\nname = \"{name}\"\naddresses = [\"{}\"]\n", device(number))
}

#[test]
fn a_reload_names_a_sender_and_keeps_what_was_open() {
    let home = Home::new().with_inventory("");
    let daemon = home.start();
    link_down(home.traps, 1);
    let before = daemon.alarm("interface-down", &device(1).to_string(), is_active);
    home.rewrite_inventory(&inventory("edge-1", 1));
    daemon.reload("reloaded");
    link_down(home.traps, 1);
    daemon.alarm("interface-down", "edge-1", is_active);
    let alarms = daemon.list("alarms").expect("a listing");
    let kept = alarms.iter().find(|alarm| text(alarm, "id") == text(&before, "id"));
    assert!(kept.is_some_and(is_active), "what was open before the reload stays: {alarms:?}");
}

#[test]
fn a_wrong_inventory_is_refused_and_the_old_one_stays() {
    let home = Home::new().with_inventory(&inventory("edge-1", 1));
    let daemon = home.start();
    home.rewrite_inventory("[[device]]\nname = 7\n");
    daemon.reload("reload refused");
    link_down(home.traps, 1);
    daemon.alarm("interface-down", "edge-1", is_active);
}

#[test]
fn a_device_that_leaves_the_inventory_keeps_its_alarms() {
    let home = Home::new().with_inventory(&inventory("edge-1", 1));
    let daemon = home.start();
    link_down(home.traps, 1);
    daemon.alarm("interface-down", "edge-1", is_active);
    home.rewrite_inventory("");
    daemon.reload("reloaded");
    eventually("the part of edge-1 is orphaned", PATIENCE, || {
        let resources = daemon.list("resources")?;
        let is_listed = resources.iter().any(|one| text(one, "device") == "edge-1");
        if is_listed { Ok(()) } else { Err(format!("{resources:?}")) }
    });
    daemon.alarm("interface-down", "edge-1", is_active);
    link_up(home.traps, 1);
    link_down(home.traps, 2);
    daemon.alarm("interface-down", &device(2).to_string(), is_active);
    assert!(daemon.terminate().success());
}

/// As many devices as it takes for settings of several pieces, in many slices.
fn big_inventory(devices: u16) -> String {
    (0..devices).map(|number| inventory(&format!("edge-{number:05}"), number)).collect()
}

#[test]
fn a_big_inventory_comes_into_force_while_messages_are_taken() {
    let home = Home::new().with_inventory("");
    let daemon = home.start();
    link_down(home.traps, 1);
    daemon.alarm("interface-down", &device(1).to_string(), is_active);
    home.rewrite_inventory(&big_inventory(6_000));
    daemon.ask_to_reload();
    for number in 2..=100 {
        link_down(home.traps, number);
    }
    for number in [1, 50, 100] {
        daemon.alarm("interface-down", &format!("edge-{number:05}"), is_active);
    }
    assert!(daemon.terminate().success());
    let replayed = home.run(&["replay"]);
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(replayed.status.success() && said.contains(&home.live_digest()), "{said}");
}

#[test]
fn a_reload_that_is_cut_short_never_was() {
    let home = Home::new().with_inventory("");
    for round in 0..6 {
        let daemon = home.start();
        link_down(home.traps, 1);
        home.rewrite_inventory(&big_inventory(3_000 + round));
        daemon.ask_to_reload();
        // While it reads, while it writes them down, while they come into force, and after.
        pause(Duration::from_millis(60 * u64::from(round)));
        daemon.kill();
    }
    let daemon = home.start();
    daemon.alarm("interface-down", "edge-00001", is_active);
    assert!(daemon.terminate().success());
    assert!(home.run(&["journal", "verify"]).status.success());
    let replayed = home.run(&["replay"]);
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(replayed.status.success() && said.contains(&home.live_digest()), "{said}");
}
