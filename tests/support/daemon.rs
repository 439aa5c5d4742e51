//! The daemon under test, run as an operator runs it: its program, its command line, its ports.

use crate::support::eventually::{PATIENCE, eventually};
use crate::support::http;
use crate::support::metrics::Metrics;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use crate::support::service_manager::ServiceManager;
use crate::support::small_disk::SmallDisk;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::rc::Rc;

/// Where a daemon lives: its state directory, its ports and what its configuration says. It
/// outlives the daemon, so that one can be started again on what the one before has left.
#[derive(Debug)]
pub(crate) struct Home {
    /// Traps, UDP.
    pub(crate) traps: u16,
    /// Syslog, UDP and TCP.
    pub(crate) syslog: u16,
    /// API and metrics.
    pub(crate) http: u16,
    scratch: Rc<Scratch>,
    settings: Vec<String>,
    variables: Vec<(&'static str, String)>,
    disk: Option<Rc<SmallDisk>>,
}

impl Home {
    /// An empty one, on ports that nobody uses.
    pub(crate) fn new() -> Self {
        let [traps, syslog, http] = std::array::from_fn(|_| free_port());
        Self {
            traps,
            syslog,
            http,
            scratch: Rc::new(Scratch::new("vigie")),
            settings: Vec::new(),
            variables: Vec::new(),
            disk: None,
        }
    }

    /// With one more `--set`, in the form `section.key=value`.
    pub(crate) fn with(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// On a disk of its own of that size, MiB, which goes with this home.
    pub(crate) fn on_a_disk_of(mut self, mib: u32) -> Self {
        self.disk = Some(Rc::new(SmallDisk::new(mib, &self.state_dir())));
        self
    }

    /// The state directory as the test reaches it.
    pub(crate) fn state_dir_on_disk(&self) -> PathBuf {
        let Some(disk) = &self.disk else { return self.state_dir() };
        disk.root().join(self.state_dir().strip_prefix("/").expect("it is absolute"))
    }

    /// With one more variable in its environment.
    pub(crate) fn with_variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Publishing to that Kafka broker.
    pub(crate) fn with_kafka(self, broker: &str) -> Self {
        self.with(&format!("kafka.brokers=[\"{broker}\"]"))
    }

    /// With an inventory, in TOML.
    pub(crate) fn with_inventory(self, toml: &str) -> Self {
        let file = self.scratch.write("inventory.toml", toml);
        self.with(&format!("inventory.files=[\"{}\"]", file.display()))
    }

    /// With rules of its own beside the built-in ones, in TOML.
    pub(crate) fn with_rules(self, toml: &str) -> Self {
        let file = self.scratch.write("rules.toml", toml);
        self.with(&format!("rules.files=[\"{}\"]", file.display()))
    }

    /// Writes another inventory over the one that [`Home::with_inventory`] wrote.
    pub(crate) fn rewrite_inventory(&self, toml: &str) {
        self.scratch.write("inventory.toml", toml);
    }

    /// The folder of everything here.
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The state directory.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.scratch.path().join("state")
    }

    /// The same state directory and settings on other ports.
    pub(crate) fn on_other_ports(&self) -> Self {
        let [traps, syslog, http] = std::array::from_fn(|_| free_port());
        let (settings, variables) = (self.settings.clone(), self.variables.clone());
        let (scratch, disk) = (Rc::clone(&self.scratch), self.disk.clone());
        Self { traps, syslog, http, scratch, settings, variables, disk }
    }

    /// The digest with which the last daemon here ended, as it said when it stopped.
    pub(crate) fn live_digest(&self) -> String {
        let log = std::fs::read_to_string(self.log()).expect("the daemon's log");
        let digest = log.rsplit("digest=").next().and_then(|rest| rest.split_whitespace().next());
        let digest = digest.map(|word| word.trim_matches('"')).unwrap_or_default();
        assert!(digest.len() >= 16, "the daemon named no digest when it stopped:\n{log}");
        digest.to_owned()
    }

    /// Starts a daemon and waits until it says that it is ready.
    pub(crate) fn start(&self) -> Daemon<'_> {
        self.ready(self.spawn())
    }

    /// The same as a service.
    pub(crate) fn start_under(&self, manager: &ServiceManager) -> Daemon<'_> {
        self.ready(manager.start(&self.command(), &self.log()))
    }

    fn ready(&self, mut process: Process) -> Daemon<'_> {
        eventually("vigie is ready", PATIENCE, || {
            if let Some(status) = process.exit_status() {
                panic!("vigie ended ({status}):\n{}", process.log());
            }
            let answer = http::get(self.http, "/readyz")?;
            if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
        });
        Daemon { home: self, process }
    }

    /// A daemon that was started and is to be taken for ready.
    pub(crate) fn adopt(&self, process: Process) -> Daemon<'_> {
        Daemon { home: self, process }
    }

    /// Starts a daemon and waits for nothing.
    pub(crate) fn spawn(&self) -> Process {
        Process::start(&mut self.command(), &self.log())
    }

    fn log(&self) -> PathBuf {
        self.scratch.path().join(format!("vigie-{}.log", self.http))
    }

    /// Runs another of the program's commands on the state directory, to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.program()
            .args(arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .arg("--state-dir")
            .arg(self.state_dir())
            .output()
            .expect("vigie can be started")
    }

    fn program(&self) -> Command {
        match &self.disk {
            Some(disk) => disk.command(),
            None => Command::new(PROGRAM),
        }
    }

    /// The one place that knows how a daemon is told its ports.
    fn command(&self) -> Command {
        let (traps, syslog, http) = (self.traps, self.syslog, self.http);
        let mut command = self.program();
        command.arg("run").arg("--config").arg(CONFIG).arg("--state-dir").arg(self.state_dir());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut set = |setting: String| {
            command.arg("--set").arg(setting);
        };
        let loopback = |port: u16| format!("[\"127.0.0.1:{port}\", \"[::1]:{port}\"]");
        set(format!("listeners.snmp-trap.addresses={}", loopback(traps)));
        set(format!("listeners.syslog-udp.addresses={}", loopback(syslog)));
        set(format!("listeners.syslog-tcp.addresses={}", loopback(syslog)));
        set(format!("listeners.http.addresses=[\"127.0.0.1:{http}\"]"));
        set("correlation.hold_off_ms=200".to_owned());
        for setting in &self.settings {
            set(setting.clone());
        }
        command
    }
}

/// A daemon that was ready to work. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon<'a> {
    home: &'a Home,
    process: Process,
}

impl Daemon<'_> {
    /// Asks it to end as an operator does, and waits.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.process.terminate(PATIENCE)
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.process.wait(PATIENCE)
    }

    /// Asks it to read its rules and inventory again, and waits until the log says what came of it.
    pub(crate) fn reload(&self, outcome: &str) {
        let before = self.process.log().matches(outcome).count();
        self.process.reload();
        eventually(outcome, PATIENCE, || {
            let log = self.process.log();
            if log.matches(outcome).count() > before { Ok(()) } else { Err(log) }
        });
    }

    /// Asks it to read them again, and waits for nothing.
    pub(crate) fn ask_to_reload(&self) {
        self.process.reload();
    }

    /// Ends it at once; it gets no chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// What it says of itself.
    pub(crate) fn metrics(&self) -> Result<Metrics, String> {
        Metrics::parse(&self.metrics_text()?)
    }

    /// What it says of itself, as Prometheus reads it.
    pub(crate) fn metrics_text(&self) -> Result<String, String> {
        Ok(self.get("/metrics")?.body)
    }

    /// Every item of a listing of the API, over all of its pages.
    pub(crate) fn list(&self, listing: &str) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        let mut path = format!("/api/v1/{listing}?limit=50");
        loop {
            let mut page = self.get(&path)?.json()?;
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(more)) => items.extend(more),
                _ => return Err(format!("a page without items: {page}")),
            }
            match page.get("next") {
                Some(Value::String(cursor)) => {
                    let cursor = http::encode(cursor);
                    path = format!("/api/v1/{listing}?limit=50&cursor={cursor}");
                }
                Some(Value::Null) => return Ok(items),
                _ => return Err(format!("a page without next: {page}")),
            }
        }
    }

    /// The alarm of that type whose resource begins with `resource`, once it satisfies `is_as`.
    pub(crate) fn alarm(
        &self,
        alarm_type: &str,
        resource: &str,
        is_as: impl Fn(&Value) -> bool,
    ) -> Value {
        let what = format!("alarm {alarm_type} of {resource}");
        eventually(&what, PATIENCE, || {
            let alarms = self.list("alarms")?;
            let found = alarms.iter().find(|alarm| {
                text(alarm, "alarm_type") == alarm_type
                    && text(alarm, "resource").starts_with(resource)
                    && is_as(alarm)
            });
            found.cloned().ok_or_else(|| format!("{alarms:?}"))
        })
    }

    /// Waits until this many messages were received and each of them is accounted for.
    pub(crate) fn quiet_after(&self, received: f64) -> Metrics {
        eventually("the ledger is complete", PATIENCE, || {
            let metrics = self.metrics()?;
            let seen = metrics.sum("vigie_received_total", &[]);
            if seen < received {
                return Err(format!("{seen} received of {received}"));
            }
            metrics.ledger()?;
            Ok(metrics)
        })
    }

    fn get(&self, path: &str) -> Result<http::Response, String> {
        let answer = http::get(self.home.http, path)?;
        if answer.status == 200 { Ok(answer) } else { Err(format!("GET {path}: {answer:?}")) }
    }
}

/// A text field of an item; empty if it has none.
pub(crate) fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Whether an alarm is active.
pub(crate) fn is_active(alarm: &Value) -> bool {
    alarm.get("is_cleared") == Some(&Value::Bool(false))
}

/// Whether an alarm is cleared.
pub(crate) fn is_cleared(alarm: &Value) -> bool {
    alarm.get("is_cleared") == Some(&Value::Bool(true))
}

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vigie");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/minimal.toml");
