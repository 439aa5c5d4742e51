//! The disk of the state folder is full, history and journal alike: vigie stays up, says so in
//! every way it has, takes clears and commands, and goes on when there is room.

use crate::support::daemon::{Daemon, Home, is_active, is_cleared, text};
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::http;
use crate::support::sender::{device, link_down, link_up};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

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

/// What `vigie ticket` says about that ticket, in the daemon's view of its folder.
fn ticket(home: &Home, disk: &Path, arguments: &[&str]) -> String {
    let output = home.run_in(disk, &[&["ticket"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{complaint}");
    said
}

#[test]
fn a_full_disk_is_told_outlived_and_over_when_there_is_room() {
    let home = Home::new().on_a_disk_of(24).with("journal.segment_mib=1");
    let daemon = home.start();
    let disk = daemon.state_dir_inside();
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

    // Whatever becomes free is taken by somebody else; clears and people are heard all the same.
    link_up(home.traps, 1);
    daemon.alarm("interface-down", &device(1).to_string(), is_cleared);
    for (number, verb) in [(0, "confirm"), (1, "confirm"), (0, "take"), (1, "take")] {
        fill(&disk);
        assert!(ticket(&home, &disk, &[verb, &numbers[number]]).contains(&numbers[number]));
    }
    let tickets = daemon.list("tickets").unwrap();
    let found = tickets.iter().find(|one| text(one, "number") == numbers[1]).unwrap();
    assert_eq!(text(found, "state"), "in-progress");

    let metrics = daemon.metrics().unwrap();
    assert!(metrics.sum("vigie_sink_pending", HISTORY) > 0.0, "the history stands back");

    std::fs::remove_file(disk.join("FILLER")).unwrap();
    daemon.alarm("vigie-journal-full", "vigie", is_cleared);
    assert_eq!(http::get(home.http, "/readyz").unwrap().status, 200);
    link_down(home.traps, last + 1);
    daemon.alarm("interface-down", &device(last + 1).to_string(), is_active);
    eventually("the history has caught up", PATIENCE, || {
        let waiting = daemon.metrics()?.sum("vigie_sink_pending", HISTORY);
        if waiting == 0.0 { Ok(()) } else { Err(format!("{waiting} wait")) }
    });
    daemon.metrics().unwrap().ledger().unwrap();
    assert!(home.run_in(&disk, &["journal", "verify"]).status.success());
    assert!(daemon.terminate().success());
}
