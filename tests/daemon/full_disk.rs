//! The disk of the state folder is full, history and journal alike: vigie stays up, says so in
//! every way it has, takes clears and commands, and goes on when there is room.

use crate::support::daemon::{Daemon, Home, is_active, is_cleared, text};
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::http;
use crate::support::sender::{device, link_down, link_up};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

const HISTORY: &[(&str, &str)] = &[("sink", "history")];

/// Takes all the room that there is.
fn fill(disk: &Path) {
    let file = File::options().create(true).append(true).open(disk.join("FILLER"));
    let mut file = file.expect("a name needs no room");
    for size in [1 << 20, 1 << 12, 1] {
        let piece = vec![1; size];
        while file.write_all(&piece).is_ok() {}
    }
}

/// Sends faults of further devices until the journal refuses some; gives the number of the last.
fn until_refused(daemon: &Daemon<'_>, home: &Home) -> u16 {
    let mut last = 10;
    eventually("the journal is full", PATIENCE, || {
        for _ in 0..100 {
            last += 1;
            link_down(home.traps, last);
        }
        let metrics = daemon.quiet_after(f64::from(last - 8));
        let refused = metrics.sum("vigie_shed_total", &[("reason", "journal_full")]);
        if refused > 0.0 { Ok(()) } else { Err(format!("{last} sent, none refused")) }
    });
    last
}

/// What `vigie ticket` says about that ticket.
fn ticket(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(&[&["ticket"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{complaint}");
    said
}

/// Whether an INFORM about a fault that nobody has told yet is acknowledged within a second.
fn inform(home: &Home) -> bool {
    let target = format!("udp:127.0.0.1:{}", home.traps);
    let fault = ["", ".1.3.6.1.6.3.1.1.5.3", ".1.3.6.1.2.1.2.2.1.1.77", "i", "77"];
    let mut command = Command::new("snmpinform");
    command.args(["-M", "", "-m", "", "-v", "2c", "-c", "public", "-r", "0", "-t", "1", &target]);
    command.args(fault).status().expect("net-snmp is there").success()
}

#[test]
fn a_full_disk_is_told_outlived_and_over_when_there_is_room() {
    let home = Home::new().on_a_disk_of(24).with("journal.segment_mib=1");
    let daemon = home.start();
    let disk = home.state_dir_on_disk();
    for number in [1, 2] {
        link_down(home.traps, number);
    }
    let numbers = eventually("two tickets", PATIENCE, || {
        let tickets = daemon.list("tickets")?;
        let numbers: Vec<_> = tickets.iter().map(|one| text(one, "number").to_owned()).collect();
        if numbers.len() == 2 { Ok(numbers) } else { Err(format!("{tickets:?}")) }
    });

    fill(&disk);
    let last = until_refused(&daemon, &home);
    daemon.alarm("vigie-journal-full", "vigie", is_active);
    let ready = http::get(home.http, "/readyz").unwrap();
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("no room on the disk of the journal"), "{}", ready.body);
    assert!(daemon.metrics().unwrap().sum("vigie_journal_full", &[]) >= 1.0);

    // What is refused is not acknowledged: its sender sends it again.
    assert!(!inform(&home), "the journal did not take it");

    // Whatever becomes free is taken by somebody else; clears and people are heard all the same.
    link_up(home.traps, 1);
    daemon.alarm("interface-down", &device(1).to_string(), is_cleared);
    for (number, verb) in [(0, "confirm"), (1, "confirm"), (0, "take"), (1, "take")] {
        fill(&disk);
        assert!(ticket(&home, &[verb, &numbers[number]]).contains(&numbers[number]));
    }
    let tickets = daemon.list("tickets").unwrap();
    let found = tickets.iter().find(|one| text(one, "number") == numbers[1]).unwrap();
    assert_eq!(text(found, "state"), "in-progress");

    let metrics = daemon.metrics().unwrap();
    assert!(metrics.sum("vigie_sink_pending", HISTORY) > 0.0, "the history stands back");

    std::fs::remove_file(disk.join("FILLER")).unwrap();
    daemon.alarm("vigie-journal-full", "vigie", is_cleared);
    assert_eq!(http::get(home.http, "/readyz").unwrap().status, 200);
    assert!(inform(&home), "now it does");
    link_down(home.traps, last + 1);
    daemon.alarm("interface-down", &device(last + 1).to_string(), is_active);
    eventually("the history has caught up", PATIENCE, || {
        let waiting = daemon.metrics()?.sum("vigie_sink_pending", HISTORY);
        if waiting == 0.0 { Ok(()) } else { Err(format!("{waiting} wait")) }
    });
    daemon.metrics().unwrap().ledger().unwrap();
    assert!(home.run(&["journal", "verify"]).status.success());
    assert!(daemon.terminate().success());
}

#[test]
fn a_start_on_a_full_disk_keeps_the_history_and_what_was_told_of_it_ends_with_it() {
    let home = Home::new().on_a_disk_of(24).with("journal.segment_mib=1");
    let disk = home.state_dir_on_disk();
    let daemon = home.start();
    link_down(home.traps, 1);
    daemon.alarm("interface-down", &device(1).to_string(), is_active);
    assert!(daemon.terminate().success());
    fill(&disk);

    // The history was closed in order: to open it takes room, and there is none but the reserve.
    let mut process = home.spawn();
    eventually("it is up, and says that there is no room", PATIENCE, || {
        assert_eq!(process.exit_status(), None, "{}", process.log());
        let answer = http::get(home.http, "/readyz")?;
        let is_up = answer.status == 503 && answer.body.contains("no room on the disk");
        if is_up { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    let daemon = home.adopt(process);
    daemon.alarm("vigie-journal-full", "vigie", is_active);
    let listing = std::fs::read_dir(&disk).unwrap();
    let names: Vec<String> =
        listing.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(|name| name.ends_with(".sqlite")), "set aside: {names:?}");
    assert!(daemon.terminate().success());
    let left = std::fs::read_dir(disk.join("snapshots")).into_iter().flatten();
    let parts = left.filter(|entry| entry.as_ref().unwrap().path().ends_with(".part"));
    assert_eq!(parts.count(), 0, "a snapshot that failed leaves nothing");

    std::fs::remove_file(disk.join("FILLER")).unwrap();
    let daemon = home.start();
    daemon.alarm("vigie-journal-full", "vigie", is_cleared);
    daemon.alarm("interface-down", &device(1).to_string(), is_active);
    assert!(daemon.terminate().success());
    assert!(home.run(&["journal", "verify"]).status.success());
}
