//! A small disk that can be filled, seen by those only who are let in.

use crate::support::daemon::PROGRAM;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::process::Process;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mount namespace with a file system in memory, held by a process that does nothing else.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    holder: Process,
    is_root: bool,
}

/// Goes into a namespace of its own, where the next script makes the disk and stays.
const HOLD: &str = "mkdir -p \"$2\" && exec unshare $3 sh -c \"$0\" sh \"$1\" \"$2\"";
const MAKE: &str =
    "mount -t tmpfs -o size=\"$1\"m tmpfs \"$2\" && : > \"$2/DISK\" && exec sleep 600";

impl SmallDisk {
    /// One of that size, MiB, in place of a folder.
    pub(crate) fn new(mib: u32, place: &Path) -> Self {
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
        let mut command = Command::new("sh");
        command.args(["-c", HOLD, MAKE, &mib.to_string()]).arg(place);
        command.arg(if is_root { "-m" } else { "-Urm" });
        let holder = Process::start(&mut command, &place.with_extension("disk.log"));
        let disk = Self { holder, is_root };
        let mark = disk.root().join(place.strip_prefix("/").expect("it is absolute")).join("DISK");
        eventually("the disk is there", PATIENCE, || {
            std::fs::remove_file(&mark).map_err(|error| format!("{}: {error}", mark.display()))
        });
        disk
    }

    /// Where the files are of those who see the disk.
    pub(crate) fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.holder.id()).into()
    }

    /// vigie, where it sees the disk.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("-m");
        if !self.is_root {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.args(["-t", &self.holder.id().to_string(), PROGRAM]);
        command
    }
}
