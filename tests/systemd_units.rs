//! The units load, are hardened, and name the listeners and addresses of the packaged
//! configuration. Needs `systemd-analyze` (package systemd).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use vigie::shell::config::Config;

/// Highest exposure allowed, in tenths: below 2.0 systemd says "OK".
const EXPOSURE_TENTHS_MAX: &str = "19";

const SOCKETS: [&str; 3] = ["vigie-trap.socket", "vigie-syslog.socket", "vigie-syslog-tcp.socket"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

fn analyze(arguments: &[&str], units: &[PathBuf]) -> String {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .args(units)
        .output()
        .expect("systemd-analyze must be installed (package systemd)");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "systemd-analyze {arguments:?}: {said}");
    said
}

#[test]
fn units_verify_without_a_word() {
    // verify wants the executable to be there, so the units are read with the one just built.
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("systemd_units");
    std::fs::create_dir_all(&scratch).expect("a scratch folder");
    let mut units = Vec::new();
    for name in ["vigie.service"].iter().chain(&SOCKETS) {
        let text = std::fs::read_to_string(folder().join(name)).expect("the unit is there");
        let unit = scratch.join(name);
        std::fs::write(&unit, text.replace("/usr/bin/vigie", env!("CARGO_BIN_EXE_vigie")))
            .expect("the scratch folder takes files");
        units.push(unit);
    }
    let said = analyze(&["verify", "--man=no"], &units);
    let about_us: Vec<_> = said.lines().filter(|line| line.contains("vigie")).collect();
    assert_eq!(about_us, Vec::<&str>::new());
}

#[test]
fn service_is_hardened() {
    let threshold = format!("--threshold={EXPOSURE_TENTHS_MAX}");
    let arguments = ["security", "--offline=yes", "--no-pager", &threshold];
    let said = analyze(&arguments, &[folder().join("vigie.service")]);
    assert!(said.contains("Overall exposure level"), "{said}");
}

#[test]
fn service_keeps_the_sockets_that_it_bound_itself() {
    let text = std::fs::read_to_string(folder().join("vigie.service")).expect("the unit is there");
    let room = text.lines().find_map(|line| line.strip_prefix("FileDescriptorStoreMax="));
    let room: usize = room.and_then(|room| room.parse().ok()).expect("a number of descriptors");
    assert!(room >= 2 * 64, "{room}: two addresses for each of the listeners that there may be");
}

#[test]
fn sockets_are_those_of_the_packaged_listeners() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/vigie.toml");
    let config = Config::load(Some(&path), &[], None).into_result().expect("it loads");
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for listener in config.listeners.iter().filter(|each| each.transport.kind() != "http") {
        let listen = if listener.transport.is_stream() { "ListenStream" } else { "ListenDatagram" };
        let lines = listener.addresses.iter().map(|address| format!("{listen}={address}"));
        wanted.insert(listener.name.clone(), lines.collect());
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in SOCKETS {
        let text = std::fs::read_to_string(folder().join(name)).expect("the unit is there");
        let listener = text
            .lines()
            .find_map(|line| line.strip_prefix("FileDescriptorName="))
            .expect("a socket has a name");
        let lines = text.lines().filter(|line| line.starts_with("Listen"));
        found.insert(listener.to_owned(), lines.map(str::to_owned).collect());
    }
    assert_eq!(found, wanted);
}
