//! A real Prometheus that receives by remote write and does nothing else.

use crate::support::daemon::{free_ports, get};
use crate::support::sender::pause;
use anyhow::{Context as _, bail, ensure};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use vigie::shell::clock::boot_ns;

/// A running Prometheus.
pub(crate) struct Prometheus {
    child: Child,
    /// Where it speaks HTTP.
    pub(crate) http: SocketAddr,
}

impl Prometheus {
    /// Starts `program` in an empty folder `dir`, with its own defaults.
    pub(crate) fn start(program: &Path, dir: &Path) -> anyhow::Result<Self> {
        if dir.exists() {
            std::fs::remove_dir_all(dir).context("emptying the folder")?;
        }
        std::fs::create_dir_all(dir).context("making the folder")?;
        std::fs::write(dir.join("prometheus.yml"), "global: {}\n")?;
        let [http, _, _] = free_ports()?;
        let log = std::fs::File::create(dir.join("log"))?;
        let child = Command::new(program)
            .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address={http}"))
            .arg("--web.enable-remote-write-receiver")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut prometheus = Self { child, http };
        let started = boot_ns();
        while get(http, "/-/ready").is_err() {
            if let Some(status) = prometheus.child.try_wait()? {
                let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
                bail!("Prometheus ended with {status}: {log}");
            }
            ensure!(boot_ns() - started < 60_000_000_000, "Prometheus is not ready");
            pause(Duration::from_millis(20));
        }
        Ok(prometheus)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Samples that it has stored.
    pub(crate) fn samples(&self) -> anyhow::Result<u64> {
        let text = get(self.http, "/metrics")?;
        let name = "prometheus_tsdb_head_samples_appended_total";
        let lines = text.lines().filter(|line| line.starts_with(name));
        // Go writes large numbers with an exponent.
        let numbers = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        format!("{:.0}", numbers.sum::<f64>()).parse().context("a number")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Already gone if it ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
