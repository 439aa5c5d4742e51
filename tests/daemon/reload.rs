//! SIGHUP: new rules and inventory without losing state; wrong ones are refused.

use crate::support::daemon::{Home, is_active, text};
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::sender::{device, link_down, link_up};

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
