//! A journal with a hole in it is repaired: what can be read goes on, and what is lost is named.

use crate::support::daemon::{Home, is_active};
use crate::support::sender::{device, link_down};
use std::path::PathBuf;

fn said(home: &Home, arguments: &[&str]) -> (bool, String) {
    let output = home.run(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn segments(home: &Home) -> Vec<PathBuf> {
    let journal = std::fs::read_dir(home.state_dir().join("journal")).expect("a journal");
    let mut paths: Vec<PathBuf> = journal.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "seg"));
    paths.sort();
    paths
}

#[test]
fn a_damaged_journal_goes_on_as_a_sound_one_under_a_new_identity() {
    let home = Home::new();
    let daemon = home.start();
    link_down(home.traps, 1);
    daemon.alarm("interface-down", &device(1).to_string(), is_active);
    let (is_repaired, refusal) = said(&home, &["journal", "repair"]);
    assert!(!is_repaired && refusal.contains("in use by process"), "{refusal}");
    assert!(daemon.terminate().success());
    let (_, untouched) = said(&home, &["journal", "repair"]);
    assert!(untouched.contains("nothing is wrong"), "{untouched}");

    let first = segments(&home).remove(0);
    let mut bytes = std::fs::read(&first).expect("a segment");
    let place = bytes.len() / 2;
    *bytes.get_mut(place).expect("long enough") ^= 0x55;
    std::fs::write(&first, bytes).expect("written");
    // Without the snapshots, the state is what the journal says.
    std::fs::remove_dir_all(home.state_dir().join("snapshots")).expect("snapshots");
    assert!(!said(&home, &["journal", "verify"]).0, "verify finds it");

    let (is_repaired, report) = said(&home, &["journal", "repair"]);
    assert!(is_repaired, "{report}");
    assert!(report.contains("lost: ") && report.contains("the old one is in"), "{report}");
    let (is_sound, verified) = said(&home, &["journal", "verify"]);
    assert!(is_sound, "{verified}");
    assert!(said(&home, &["replay"]).0, "a replay has no hole");

    let daemon = home.start();
    link_down(home.traps, 2);
    daemon.alarm("interface-down", &device(2).to_string(), is_active);
    assert!(daemon.terminate().success());
    let (is_whole, replayed) = said(&home, &["replay"]);
    assert!(is_whole, "{replayed}");
    assert!(replayed.contains(&format!("digest={}", home.live_digest())), "{replayed}");
}

#[test]
fn a_segment_of_another_journal_is_set_aside() {
    let home = Home::new();
    let daemon = home.start();
    link_down(home.traps, 1);
    daemon.alarm("interface-down", &device(1).to_string(), is_active);
    assert!(daemon.terminate().success());
    let other = Home::new();
    assert!(other.start().terminate().success());
    let foreign = home.state_dir().join("journal/00000000000000900000.seg");
    let mut bytes = std::fs::read(segments(&other).remove(0)).expect("a segment");
    rename_first(&mut bytes, 900_000);
    std::fs::write(foreign, bytes).expect("written");
    let mut refused = home.spawn();
    assert!(!refused.wait(crate::support::eventually::PATIENCE).success());
    let (is_repaired, report) = said(&home, &["journal", "repair"]);
    assert!(is_repaired && report.contains("another journal"), "{report}");
    let daemon = home.start();
    daemon.alarm("interface-down", &device(1).to_string(), is_active);
}

/// Gives both headers of a segment another first position.
fn rename_first(bytes: &mut [u8], first: u64) {
    for start in [0_usize, 128] {
        let header = bytes.get_mut(start..start + 128).expect("a header");
        header[48..56].copy_from_slice(&first.to_le_bytes());
        let sum = crc32c::crc32c(&header[..124]).to_le_bytes();
        header[124..].copy_from_slice(&sum);
    }
}
