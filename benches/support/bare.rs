//! The yardstick: a process that does nothing but receive the same datagrams with `recvmmsg`, in
//! the way and with the socket options of vigie, and throws them away.

use crate::support::process;
use anyhow::Context as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;
use vigie::shell::intake::udp::{RECEIVE_BUFFER_BYTES, Receiver, UdpListener};

/// A loop at work in a process of its own.
pub(crate) struct BareLoop {
    child: Child,
    stdin: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl BareLoop {
    /// Starts this very program as the loop. `pause_us` is how long it lets datagrams gather
    /// between two calls; 0 means not at all.
    pub(crate) fn start(pause_us: u64) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program)
            .arg("--bare-loop")
            .arg(pause_us.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the bare loop")?;
        let stdin = child.stdin.take().context("its input")?;
        let mut answers = BufReader::new(child.stdout.take().context("its output")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        Ok(Self { child, stdin, answers, address: line.trim().parse()? })
    }

    /// Its CPU time so far, ns.
    pub(crate) fn cpu_ns(&self) -> anyhow::Result<u64> {
        process::cpu_ns(self.child.id())
    }

    /// How many datagrams it has received; ends it.
    pub(crate) fn end(mut self) -> anyhow::Result<u64> {
        self.stdin.write_all(b"\n")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        self.child.wait()?;
        Ok(line.trim().parse()?)
    }
}

/// The loop itself, in its own process. Prints its address, then, when told to end, its count.
#[expect(clippy::print_stdout, reason = "how it answers its parent")]
pub(crate) fn run(pause_us: u64) -> anyhow::Result<()> {
    let listener = UdpListener::bind("127.0.0.1:0".parse()?, RECEIVE_BUFFER_BYTES)?;
    println!("{}", listener.local_address());
    let mut receiver = Receiver::new(listener.into_socket());
    let told = std::thread::spawn(|| std::io::stdin().read_line(&mut String::new()));
    let mut received = 0_u64;
    let mut octets = 0_u64;
    while !told.is_finished() {
        let Ok(datagrams) = receiver.receive() else { continue };
        let count = datagrams.len();
        for datagram in datagrams {
            received += 1;
            octets += u64::from(datagram.bytes.last().copied().unwrap_or(0));
        }
        if pause_us > 0 && count < 32 {
            crate::support::sender::pause(Duration::from_micros(pause_us));
        }
    }
    std::hint::black_box(octets);
    println!("{received}");
    Ok(())
}
