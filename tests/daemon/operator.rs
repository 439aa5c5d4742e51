//! An operator's commands: carried out once they are durable, refused with a reason otherwise.

use crate::support::daemon::{Daemon, Home, text};
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::sender::link_down;

/// Waits until the ticket's field has that value.
fn await_field(daemon: &Daemon<'_>, field: &str, value: &str) {
    eventually(&format!("{field} = {value}"), PATIENCE, || {
        let tickets = daemon.list("tickets")?;
        let found = tickets.first().map(|ticket| ticket.get(field).cloned());
        let is_so = found.flatten().is_some_and(|one| one.to_string().trim_matches('"') == value);
        if is_so { Ok(()) } else { Err(format!("{tickets:?}")) }
    });
}

/// Runs a ticket command; gives whether it was carried out, and what it said.
fn ticket(home: &Home, arguments: &[&str]) -> (bool, String) {
    let output = home.run(&[&["ticket"], arguments].concat());
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_ticket_is_confirmed_taken_restored_and_closed() {
    let home = Home::new();
    let daemon = home.start();
    link_down(home.traps, 1);
    await_field(&daemon, "number", "VIG-000001");
    assert!(ticket(&home, &["confirm", "VIG-000001", "--author", "ann"]).0);
    await_field(&daemon, "confirmed", "true");
    await_field(&daemon, "confirmed_by", "ann");
    let (is_done, said) = ticket(&home, &["close", "VIG-000001"]);
    assert!(!is_done && said.contains("closed"), "not before it is restored: {said}");
    assert!(ticket(&home, &["take", "VIG-000001", "--author", "ann"]).0);
    await_field(&daemon, "state", "in-progress");
    let future = ["restore", "VIG-000001", "--reason", "x", "--at", "2199-01-01T00:00:00Z"];
    let (is_done, said) = ticket(&home, &future);
    assert!(!is_done && said.contains("future"), "{said}");
    assert!(ticket(&home, &["restore", "VIG-000001", "--reason", "seen on site"]).0);
    await_field(&daemon, "state", "resolved");
    assert!(ticket(&home, &["close", "VIG-000001", "--reason", "agreed"]).0);
    await_field(&daemon, "state", "closed");
    // What an operator said is in the journal like everything else.
    assert!(daemon.terminate().success());
    let replayed = home.run(&["replay"]);
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(said.contains(&home.live_digest()), "{said}");
}

#[test]
fn a_refuted_ticket_keeps_its_number() {
    let home = Home::new();
    let daemon = home.start();
    link_down(home.traps, 1);
    await_field(&daemon, "number", "VIG-000001");
    assert!(ticket(&home, &["refute", "VIG-000001", "--reason", "a test"]).0);
    await_field(&daemon, "state", "cancelled");
    link_down(home.traps, 2);
    eventually("the next number", PATIENCE, || {
        let tickets = daemon.list("tickets")?;
        let numbers: Vec<&str> = tickets.iter().map(|one| text(one, "number")).collect();
        if numbers == ["VIG-000001", "VIG-000002"] { Ok(()) } else { Err(format!("{numbers:?}")) }
    });
}

#[test]
fn commands_without_a_daemon_or_a_ticket_say_what_to_do() {
    let home = Home::new();
    let (is_done, said) = ticket(&home, &["confirm", "VIG-000001"]);
    assert!(!is_done && said.contains("is it running"), "{said}");
    let daemon = home.start();
    let (is_done, said) = ticket(&home, &["confirm", "VIG-000009"]);
    assert!(!is_done && said.contains("no ticket VIG-000009"), "{said}");
    assert!(daemon.terminate().success());
}

#[test]
fn state_files_are_private_and_a_reader_may_stop_early() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let daemon = home.start();
    link_down(home.traps, 1);
    await_field(&daemon, "number", "VIG-000001");
    assert!(daemon.terminate().success());
    let state = home.state_dir();
    let snapshots = std::fs::read_dir(state.join("snapshots")).expect("the stop wrote one");
    let files = snapshots.map(|entry| entry.expect("a readable folder").path());
    for file in files.chain([state.join("history.db")]) {
        let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o007, 0, "{} is for others too: {mode:o}", file.display());
    }
    // `| head`: nobody reads.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut dump = std::process::Command::new(env!("CARGO_BIN_EXE_vigie"));
    dump.args(["journal", "dump", "--state-dir"]).arg(&state).stdout(writer);
    assert!(dump.status().expect("it runs").success());
}

#[test]
fn a_state_folder_that_cannot_be_written_is_named_with_the_remedy() {
    let home = Home::new();
    // Where the folder would be, a file is.
    std::fs::write(home.state_dir(), "").expect("a file");
    let mut process = home.spawn();
    assert!(!process.wait(PATIENCE).success());
    let (said, path) = (process.log(), home.state_dir().display().to_string());
    assert!(said.contains(&path) && said.contains("--state-dir"), "{said}");
}
