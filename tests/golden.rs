//! A journal that a released engine wrote gives the digest that it gave then. The digest changes
//! only together with `ENGINE_VERSION`, and formats of the release before stay readable.
//!
//! To add the journal of a new engine version: run the daemon (or the demo for a minute), send it
//! traps and syslog, stop it (the demo with SIGSTOP, for it removes its state folder), copy
//! `journal/` of its state folder to `tests/golden/engine-N/`, and write the digest that
//! `vigie replay` gives to `digest.txt` beside it.

use std::path::PathBuf;
use std::sync::Arc;
use vigie::engine::ENGINE_VERSION;
use vigie::shell::journal::{RealDisk, read_from, verify};
use vigie::shell::recover::Replay;

fn golden(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/engine-{version}"))
}

#[test]
fn the_golden_journal_of_this_engine_gives_its_digest() {
    let folder = golden(ENGINE_VERSION);
    let expected = std::fs::read_to_string(folder.join("digest.txt"))
        .expect("there is a golden journal for this ENGINE_VERSION");
    let mut replay = Replay::from_nothing();
    let mut reader = read_from(folder.join("journal"), Arc::new(RealDisk), 0);
    replay.run(&mut reader).expect("the golden journal can be read");
    assert_eq!(replay.differences, [], "decisions are those of the release");
    assert_eq!(replay.digest_hex(), expected.trim(), "raise ENGINE_VERSION with a new golden");
    assert!(replay.inputs > 20, "it is long enough to mean something");
}

#[test]
fn the_golden_journals_of_every_version_are_whole() {
    for version in 1..=ENGINE_VERSION {
        let folder = golden(version).join("journal");
        let report = verify(folder, Arc::new(RealDisk)).expect("it can be read");
        assert_eq!(report.problems, [], "engine version {version}");
        assert!(report.records > 20, "engine version {version}");
    }
}
