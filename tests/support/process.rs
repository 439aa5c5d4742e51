//! A program that runs beside a test: its output goes to a file, and it ends with the test.

use crate::support::eventually::eventually;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A running program. Killed when dropped; its last lines are shown when the test fails.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the command; both of its outputs are appended to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::options().create(true).append(true).open(log).expect("the log opens");
        let errors = output.try_clone().expect("a file handle can be copied");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self { name, child, log: log.to_owned() }
    }

    /// All that it has said so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or nothing while it runs.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        eventually(&what, within, || self.exit_status().ok_or_else(|| "it runs".to_owned()))
    }

    /// Asks it to end (SIGTERM), as an operator does, and waits.
    pub(crate) fn terminate(&mut self, within: Duration) -> ExitStatus {
        if self.exit_status().is_none() {
            signal(self.child.id(), libc::SIGTERM);
        }
        self.wait(within)
    }

    /// Asks it to read its rules and inventory again (SIGHUP).
    pub(crate) fn reload(&self) {
        signal(self.child.id(), libc::SIGHUP);
    }

    /// Ends it at once (SIGKILL): it gets no chance to tidy up.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "the failing test's own output is where it belongs")]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
            eprintln!("--- {} said last ({}):\n{}", self.name, self.log.display(), tail.join("\n"));
        }
    }
}

#[expect(unsafe_code, reason = "std has no way to send another signal than SIGKILL")]
fn signal(process: u32, number: i32) {
    let process = libc::pid_t::try_from(process).expect("a process id fits");
    // SAFETY: no memory is passed. The child was not waited for yet, so its id is still its own.
    let status = unsafe { libc::kill(process, number) };
    assert_eq!(status, 0, "signal {number} cannot be sent to {process}");
}
