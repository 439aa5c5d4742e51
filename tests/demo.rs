//! `vigie demo` as a newcomer runs it: the program, from a folder that has nothing to do with it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A folder for temporary files of its own, so that what is left behind shows.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let folder = format!("vigie-demo-test-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn demo(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_vigie"))
            .arg("demo")
            .args(arguments)
            .current_dir("/")
            .env("TMPDIR", &self.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    fn left(&self) -> usize {
        std::fs::read_dir(&self.0).expect("it is there").count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ended(mut child: Child) -> (ExitStatus, String) {
    let mut text = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut text).expect("UTF-8");
    (child.wait().expect("it ends"), text)
}

#[test]
fn it_ends_by_itself_with_every_root_right_and_nothing_lost() {
    let place = Place::new("whole");
    let (status, text) = ended(place.demo(&["--for", "20s", "--seed", "3"]));
    assert!(status.success(), "{text}");
    for wanted in ["BREAK", "INCIDENT", "why: ", "TICKET", "RESTORED", "/api/v1/incidents"] {
        assert!(text.contains(wanted), "no {wanted} in:\n{text}");
    }
    assert!(text.contains("faults staged 1, roots right 1, wrong 0"), "{text}");
    assert!(text.contains("nothing was lost"), "{text}");
    for wanted in ["samples/s", "every one acknowledged", " = applied "] {
        assert!(text.contains(wanted), "no {wanted} in:\n{text}");
    }
    for protocol in ["remote-write-1", "influx"] {
        let line = text.lines().find(|line| line.trim_start().starts_with(protocol));
        let line = line.unwrap_or_else(|| panic!("no {protocol} in:\n{text}"));
        assert!(line.ends_with("+ rejected 0"), "{text}");
    }
    assert!(!text.contains('\x1b'), "colours without a terminal:\n{text}");
    assert_eq!(place.left(), 0, "its folder stays behind");
}

#[test]
fn a_minute_has_a_fault_that_samples_show_first() {
    let place = Place::new("minute");
    let (status, text) = ended(place.demo(&["--for", "60s", "--seed", "11"]));
    assert!(status.success(), "{text}");
    let order =
        [" fades: ", " dBm of light", "TICKET", "now total outage of app-", "a sample showed it "];
    let mut rest = text.as_str();
    for wanted in order {
        let place = rest.find(wanted).unwrap_or_else(|| panic!("no {wanted} in:\n{text}"));
        rest = rest.get(place..).unwrap_or_default();
    }
    assert_eq!(place.left(), 0, "its folder stays behind");
}

#[test]
#[expect(unsafe_code, reason = "kill has no std function")]
fn two_at_once_and_ctrl_c() {
    let place = Place::new("interrupted");
    let other = place.demo(&["--for", "3s"]);
    // An end of its own, so that it is not left behind when this test fails.
    let mut child = place.demo(&["--for", "60s"]);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let broken = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("BREAK")));
    assert!(broken.is_some(), "it stages a fault");
    let id = i32::try_from(child.id()).expect("a process id");
    // SAFETY: plain integers; the child is ours and has not been waited for.
    assert_eq!(unsafe { libc::kill(id, libc::SIGINT) }, 0);
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(child.wait().expect("it ends").success(), "{}", rest.join("\n"));
    assert!(rest.iter().any(|line| line.contains("Summary")), "{}", rest.join("\n"));
    let (status, text) = ended(other);
    assert!(status.success(), "{text}");
    assert!(text.contains("too short"), "{text}");
    assert_eq!(place.left(), 0, "a folder stays behind");
}
