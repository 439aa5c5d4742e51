//! A service manager as systemd is one for its services: it hears what they notify, stores the
//! sockets that they leave with it, and hands those over to the next start.

use crate::support::daemon::Home;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::process::Process;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

type Store = Arc<Mutex<Vec<(String, OwnedFd)>>>;

/// Listens as long as the test lives.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    path: PathBuf,
    store: Store,
}

impl ServiceManager {
    /// One for the services of that home.
    pub(crate) fn of(home: &Home) -> Self {
        let path = home.folder().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket in the scratch folder");
        let store = Store::default();
        let filled = Arc::clone(&store);
        std::thread::spawn(move || {
            while let Ok((text, descriptors)) = receive(socket.as_fd()) {
                obey(&text, descriptors, &filled);
            }
        });
        Self { path, store }
    }

    /// Names of the stored sockets, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let store = self.store.lock().expect("nobody panics with the lock");
        let mut names: Vec<String> = store.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// Waits until these are the names of the stored sockets.
    pub(crate) fn expect_names(&self, names: &[&str]) {
        eventually("the store", PATIENCE, || {
            let stored = self.names();
            if stored == names { Ok(()) } else { Err(format!("{stored:?}")) }
        });
    }

    /// Starts a command as a service: it finds the stored sockets from descriptor 3 on.
    pub(crate) fn start(&self, command: &Command, log: &std::path::Path) -> Process {
        let store = self.store.lock().expect("nobody panics with the lock");
        let names: Vec<&str> = store.iter().map(|(name, _)| name.as_str()).collect();
        let descriptors: Vec<RawFd> = store.iter().map(|(_, fd)| fd.as_raw_fd()).collect();
        // Only the child knows its process id.
        let mut service = Command::new("sh");
        service.arg("-c").arg("export LISTEN_PID=$$; exec \"$0\" \"$@\"");
        service.arg(command.get_program()).args(command.get_args());
        service.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        service.env("NOTIFY_SOCKET", &self.path);
        service.env("LISTEN_FDS", names.len().to_string());
        service.env("LISTEN_FDNAMES", names.join(":"));
        hand_over(&mut service, descriptors);
        Process::start(&mut service, log)
    }
}

/// What systemd does with a message.
fn obey(text: &str, descriptors: Vec<OwnedFd>, store: &Store) {
    let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
    let mut store = store.lock().expect("nobody panics with the lock");
    for line in text.lines() {
        match line {
            "FDSTOREREMOVE=1" => store.retain(|(known, _)| known != name),
            "FDSTORE=1" => {
                for descriptor in descriptors {
                    let is_there = store.iter().any(|(_, known)| is_same(known, &descriptor));
                    if !is_there {
                        store.push((name.to_owned(), descriptor));
                    }
                }
                return;
            }
            _ => {}
        }
    }
}

/// Whether both are one socket.
fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = |fd: &OwnedFd| {
        let copy = fd.try_clone().expect("a descriptor can be copied");
        std::fs::File::from(copy).metadata().expect("a descriptor has a status").ino()
    };
    inode(one) == inode(other)
}

#[expect(unsafe_code, reason = "std cannot set the numbers of a child's descriptors")]
fn hand_over(command: &mut Command, descriptors: Vec<RawFd>) {
    let place = move || {
        // Out of the way first: a source may have the number of a target.
        let mut copies = [0; DESCRIPTORS_MAX];
        for (copy, descriptor) in copies.iter_mut().zip(&descriptors) {
            // SAFETY: plain system call on numbers.
            *copy = unsafe { libc::fcntl(*descriptor, libc::F_DUPFD_CLOEXEC, 200) };
        }
        for ((copy, target), _) in copies.iter().zip(3..).zip(&descriptors) {
            // SAFETY: plain system call on numbers.
            if unsafe { libc::dup2(*copy, target) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only and allocates nothing.
    unsafe { command.pre_exec(place) };
}

/// One message and the descriptors that came with it.
#[expect(unsafe_code, reason = "std does not receive descriptors")]
fn receive(socket: BorrowedFd<'_>) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut text = [0_u8; 4_096];
    let mut control = [0_u64; 64];
    let mut vector =
        libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: size_of_val(&text) };
    // SAFETY: msghdr is plain data, for which all bits zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    // SAFETY: the header points to buffers that outlive the call, with their sizes.
    let length =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled the control buffer; the macros stay within its length, and
    // each descriptor in it is new and belongs to nobody else.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(head) = message.as_ref() {
            if head.cmsg_level == libc::SOL_SOCKET && head.cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(message);
                let bytes = head.cmsg_len.saturating_sub(data.offset_from_unsigned(message.cast()));
                let (numbers, _) = std::slice::from_raw_parts(data, bytes).as_chunks();
                for number in numbers {
                    descriptors.push(OwnedFd::from_raw_fd(RawFd::from_ne_bytes(*number)));
                }
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
    }
    let text = text.get(..length).unwrap_or_default();
    Ok((String::from_utf8_lossy(text).into_owned(), descriptors))
}

const DESCRIPTORS_MAX: usize = 32;
