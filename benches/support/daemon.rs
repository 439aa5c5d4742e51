//! The real daemon as a process of its own, with a state folder and ports that nobody else uses.

use crate::support::fleet::{Fleet, Inventory, Kind};
use crate::support::process;
use crate::support::sender::pause;
use anyhow::{Context as _, bail, ensure};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use vigie::shell::clock::boot_ns;

const VIGIE: &str = env!("CARGO_BIN_EXE_vigie");
/// Who hears the messages of the bench.
const LISTENERS: [&str; 2] = ["listener=\"snmp-trap\"", "listener=\"syslog-udp\""];

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    dir: PathBuf,
    trap: SocketAddr,
    syslog: SocketAddr,
    http: SocketAddr,
    /// From the start of the process to readiness, ns.
    pub(crate) ready_after_ns: u64,
}

/// Messages by what became of them, over all listeners.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ledger {
    /// Received.
    pub(crate) received: u64,
    /// Dropped by the kernel.
    pub(crate) kernel_dropped: u64,
    /// Journaled.
    pub(crate) journaled: u64,
    /// Ignored, for any reason.
    pub(crate) ignored: u64,
    /// Shed, for any reason.
    pub(crate) shed: u64,
}

impl Daemon {
    /// Starts one in an empty folder `dir`, with the fleet as its inventory.
    pub(crate) fn start(dir: &Path, fleet: Fleet) -> anyhow::Result<Self> {
        Self::start_on(dir, &fleet.inventory(), None)
    }

    /// Starts one with these rules, or with those that are built in.
    pub(crate) fn start_with(
        dir: &Path,
        fleet: Fleet,
        rules: Option<&str>,
    ) -> anyhow::Result<Self> {
        Self::start_on(dir, &fleet.inventory(), rules)
    }

    /// Starts one with this inventory.
    pub(crate) fn start_on(
        dir: &Path,
        inventory: &Inventory,
        rules: Option<&str>,
    ) -> anyhow::Result<Self> {
        if dir.exists() {
            std::fs::remove_dir_all(dir).context("emptying the folder")?;
        }
        std::fs::create_dir_all(dir).context("making the folder")?;
        std::fs::write(dir.join("devices.csv"), &inventory.devices)?;
        std::fs::write(dir.join("services.toml"), &inventory.services)?;
        if let Some(rules) = rules {
            std::fs::write(dir.join("rules.toml"), rules)?;
        }
        let rules = rules.map_or("builtin = true", |_| "builtin = false\nfiles = [\"rules.toml\"]");
        let [trap, syslog, http] = free_ports()?;
        std::fs::write(
            dir.join("vigie.toml"),
            format!(
                "[listeners.snmp-trap]\nkind = \"snmp-trap\"\naddresses = [\"{trap}\"]\n\
                 [listeners.syslog-udp]\nkind = \"syslog-udp\"\naddresses = [\"{syslog}\"]\n\
                 [listeners.http]\nkind = \"http\"\naddresses = [\"{http}\"]\n\
                 [correlation]\nhold_off_ms = 2000\n\
                 [rules]\n{rules}\n[inventory]\nfiles = [\"devices.csv\", \
                 \"services.toml\"]\n"
            ),
        )?;
        Self::start_again(dir, [trap, syslog, http])
    }

    fn start_again(dir: &Path, [trap, syslog, http]: [SocketAddr; 3]) -> anyhow::Result<Self> {
        let log = std::fs::File::create(dir.join("log"))?;
        let mut command = Command::new(VIGIE);
        command.arg("run").arg("--config").arg(dir.join("vigie.toml"));
        command.arg("--state-dir").arg(dir.join("state"));
        let started = boot_ns();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().context("starting vigie")?;
        let mut daemon = Self { child, dir: dir.to_owned(), trap, syslog, http, ready_after_ns: 0 };
        while daemon.get("/readyz").is_err() {
            if let Some(status) = daemon.child.try_wait()? {
                let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
                bail!("vigie ended with {status}: {log}");
            }
            ensure!(boot_ns() - started < 60_000_000_000, "vigie is not ready after a minute");
            pause(Duration::from_millis(5));
        }
        daemon.ready_after_ns = boot_ns() - started;
        Ok(daemon)
    }

    /// Stops it and starts it again on the same state.
    pub(crate) fn restart(self) -> anyhow::Result<Self> {
        let addresses = [self.trap, self.syslog, self.http];
        let dir = self.stop()?;
        Self::start_again(&dir, addresses)
    }

    /// Where messages of that kind go.
    pub(crate) fn address(&self, kind: Kind) -> SocketAddr {
        match kind {
            Kind::Trap => self.trap,
            Kind::Syslog => self.syslog,
        }
    }

    /// Where it speaks HTTP.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its CPU time so far, ns.
    pub(crate) fn cpu_ns(&self) -> anyhow::Result<u64> {
        process::cpu_ns(self.pid())
    }

    /// The body of a page.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<String> {
        get(self.http, path)
    }

    /// Sum of a metric over its labels.
    pub(crate) fn metric(&self, name: &str) -> anyhow::Result<u64> {
        Ok(sum(&self.get("/metrics")?, name))
    }

    /// The value of one sample, as text.
    pub(crate) fn sample(&self, name: &str) -> anyhow::Result<String> {
        let text = self.get("/metrics")?;
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(found.with_context(|| format!("no {name}"))?.trim().to_owned())
    }

    /// What became of the messages so far, those apart that vigie writes about itself.
    pub(crate) fn ledger(&self) -> anyhow::Result<Ledger> {
        let text = self.get("/metrics")?;
        let of_others = |line: &&str| LISTENERS.iter().any(|listener| line.contains(listener));
        let text = text.lines().filter(of_others).collect::<Vec<_>>().join("\n");
        Ok(Ledger {
            received: sum(&text, "vigie_received_total"),
            kernel_dropped: sum(&text, "vigie_kernel_dropped_total"),
            journaled: sum(&text, "vigie_journaled_total"),
            ignored: sum(&text, "vigie_ignored_total"),
            shed: sum(&text, "vigie_shed_total"),
        })
    }

    /// Waits until as many messages are settled as were sent, or nothing moves any more.
    pub(crate) fn settled(&self, sent: u64) -> anyhow::Result<Ledger> {
        let mut before = 0;
        loop {
            let ledger = self.ledger()?;
            let settled = ledger.journaled + ledger.ignored + ledger.shed;
            if settled + ledger.kernel_dropped >= sent || settled == before {
                return Ok(ledger);
            }
            before = settled;
            pause(Duration::from_millis(300));
        }
    }

    /// Takes a snapshot as the daemon's child does: how long that took, ms, and the memory of the
    /// child at most, KiB.
    pub(crate) fn snapshot(&self) -> anyhow::Result<(u64, u64)> {
        let started = boot_ns();
        let mut child = Command::new(VIGIE)
            .arg("snapshot")
            .arg("--state-dir")
            .arg(self.dir.join("state"))
            .stdout(Stdio::null())
            .spawn()?;
        let mut most = 0;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            // Gone already when the line is missing.
            most = most.max(process::memory_kib(child.id(), "VmHWM").unwrap_or(0));
            pause(Duration::from_millis(2));
        };
        ensure!(status.success(), "the snapshot ended with {status}");
        Ok(((boot_ns() - started) / 1_000_000, most))
    }

    /// Ends it as systemd would; gives its folder.
    pub(crate) fn stop(mut self) -> anyhow::Result<PathBuf> {
        let pid = self.pid().to_string();
        Command::new("kill").arg("-TERM").arg(pid).status().context("kill")?;
        let status = self.child.wait()?;
        ensure!(status.success(), "vigie ended with {status}");
        Ok(self.dir.clone())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already gone after a stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sum of the samples of a metric in the text format.
pub(crate) fn sum(text: &str, name: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with([' ', '{']))
        .filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum()
}

/// What `vigie replay` prints.
pub(crate) fn replay(dir: &Path) -> anyhow::Result<String> {
    let output =
        Command::new(VIGIE).arg("replay").arg("--state-dir").arg(dir.join("state")).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The body of a page.
pub(crate) fn get(from: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(from)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    // Version 1.0: the page comes in one piece, and the connection ends with it.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("a head and a body")?;
    ensure!(head.split(' ').nth(1) == Some("200"), "{path}: {head}");
    Ok(body.to_owned())
}

/// Ports that nobody uses now.
pub(crate) fn free_ports() -> anyhow::Result<[SocketAddr; 3]> {
    let sockets = [(); 3].map(|()| UdpSocket::bind("127.0.0.1:0"));
    let [one, two, three] = sockets;
    Ok([one?.local_addr()?, two?.local_addr()?, three?.local_addr()?])
}
