//! The configuration: what an operator wrote, checked, as typed values.
//!
//! In: a configuration file (or the defaults that are built in), `--set` arguments, and the
//! inventory files that it names. Out: [`Config`], [`Supervised`], and a [`Diagnostic`] with place
//! and remedy for *every* mistake. It decides nothing about rules: those it only reads.
//!
//! Reading order: `findings` (mistakes and their places), `document` (text to tree), `fields` (tree
//! to values), `file` (the sections), `listeners`, `access` (who may do what over HTTP), `sources`,
//! `kafka`, `secret`, `check` (what must hold between them), `texts` (files and patterns),
//! [`inventory`].

mod access;
mod check;
mod document;
mod fields;
mod file;
mod findings;
mod kafka;
mod listeners;
mod secret;
mod sources;
mod suggest;
mod texts;

pub mod inventory;

pub use crate::shell::config::access::{Client, HttpAccess, Proof, Role, TlsFiles};
pub use crate::shell::config::findings::FINDINGS_MAX;
pub use crate::shell::config::inventory::Supervised;
pub use crate::shell::config::listeners::{Listener, Transport};
pub use crate::shell::config::secret::{Origin, Readers, Secret, SecretSource, Unready, read_file};
pub use crate::shell::config::sources::{Begin, Encoding, KafkaSource};
pub use crate::shell::config::texts::Text;

use crate::model::diagnostic::Diagnostic;
use crate::model::settings::{CorrelationSettings, TicketSettings};
use crate::shell::config::findings::Findings;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The configuration that is built in: everything on loopback, no privileges needed.
pub const MINIMAL: &str = include_str!("../../../config/minimal.toml");

/// Name of the built-in configuration in messages.
pub const MINIMAL_NAME: &str = "built-in defaults (config/minimal.toml)";

/// What a load gives: a value unless there are errors, and what the operator should know.
#[derive(Clone, Debug)]
pub struct Checked<T> {
    /// The result; none exactly when there are errors.
    pub value: Option<T>,
    /// What loads and is probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// What does not load. At most [`FINDINGS_MAX`] and one line that counts the rest.
    pub errors: Vec<Diagnostic>,
}

impl<T> Checked<T> {
    /// The value, or every mistake. Warnings are lost: show them first.
    ///
    /// # Errors
    /// The mistakes.
    pub fn into_result(self) -> Result<T, Vec<Diagnostic>> {
        self.value.ok_or(self.errors)
    }

    fn new(findings: Findings, value: Option<T>) -> Self {
        let fits = !findings.has_errors();
        let (warnings, errors) = findings.into_diagnostics();
        Self { value: value.filter(|_| fits), warnings, errors }
    }
}

/// Everything that the configuration file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// File that it was read from, or [`MINIMAL_NAME`].
    pub origin: String,
    /// Where messages come in and questions are answered, in name order.
    pub listeners: Vec<Listener>,
    /// Topics that samples are fetched from, in name order.
    pub sources: Vec<KafkaSource>,
    /// Where the state is kept.
    pub state: State,
    /// The journal.
    pub journal: Journal,
    /// How alarms become incidents.
    pub correlation: CorrelationSettings,
    /// How incidents become tickets.
    pub tickets: TicketSettings,
    /// Alerts that others post.
    pub alerts: Alerts,
    /// Which rules.
    pub rules: Rules,
    /// Inventory files: paths whose last part may hold `*` and `?`.
    pub inventory: Vec<PathBuf>,
    /// The Kafka sink; none is off.
    pub kafka: Option<Kafka>,
    /// Whether a wall clock that is not synchronised is an alarm.
    pub clock_alarm: bool,
    /// The SQLite file of the history.
    pub store_path: PathBuf,
    /// How samples of metrics are taken.
    pub metrics: Metrics,
    /// How long the history goes back.
    pub history: History,
    /// What is logged.
    pub log: Log,
}

/// How samples of metrics are taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metrics {
    /// Largest body, before and after inflation, bytes.
    pub body_bytes_max: usize,
    /// Samples older than this move no alarm.
    pub backfill_after: Duration,
}

/// Where the state is kept and how often it is condensed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// Folder of journal, snapshots and history.
    pub dir: PathBuf,
    /// A snapshot at least this often while anything changes.
    pub snapshot_every: Duration,
    /// A snapshot after this much journal, bytes.
    pub snapshot_every_bytes: u64,
}

/// The journal's sizes and its promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Journal {
    /// Size at which a segment is closed, bytes.
    pub segment_bytes: u64,
    /// Journal kept beyond what snapshots and sinks need, bytes.
    pub retain_bytes: u64,
    /// When a commit counts as durable.
    pub sync: Sync,
}

/// When a commit counts as durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sync {
    /// Once the disk has it: survives a loss of power.
    Disk,
    /// Once the kernel has it: survives the death of the process, not that of the host.
    Kernel,
}

/// How long the history goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct History {
    /// Days for which cleared alarms, closed incidents and internal tickets are kept.
    pub keep_days: u32,
    /// Days for which tickets of contracts are kept, from their closure.
    pub keep_tickets_days: u32,
}

/// Alerts that others post.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alerts {
    /// How long an alert holds that does not say until when it is to be believed.
    pub resolve_timeout: Duration,
}

/// Which rules classify.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Whether the library that is built in is used, before the files.
    pub builtin: bool,
    /// Rule files: paths whose last part may hold `*` and `?`.
    pub files: Vec<PathBuf>,
}

/// The Kafka sink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kafka {
    /// How the brokers are reached.
    pub link: KafkaLink,
    /// Topic of incident and ticket events.
    pub event_topic: String,
    /// Compacted topic of the newest state of each incident.
    pub state_topic: String,
}

/// How Kafka brokers are reached. Names files and credentials and holds no secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaLink {
    /// Bootstrap brokers, `host:port`.
    pub brokers: Vec<String>,
    /// TLS; none is plain TCP.
    pub tls: Option<KafkaTls>,
    /// Who vigie is for the brokers; none says nothing.
    pub sasl: Option<KafkaSasl>,
    /// Further librdkafka properties, in name order.
    pub properties: Vec<(String, String)>,
}

/// TLS towards brokers; the files hold PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaTls {
    /// The authorities of the brokers' certificates; none are those of the system.
    pub authority: Option<(PathBuf, Origin)>,
    /// The certificate that vigie shows, and its private key.
    pub identity: Option<((PathBuf, Origin), Secret)>,
}

/// User name and password towards brokers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaSasl {
    /// How they are shown.
    pub mechanism: SaslMechanism,
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// How user name and password are shown to brokers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaslMechanism {
    /// As they are.
    Plain,
    /// By a proof with SHA-256.
    ScramSha256,
    /// By a proof with SHA-512.
    ScramSha512,
}

impl SaslMechanism {
    /// Its registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// What is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Log {
    /// Least urgent level that is shown.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// Least urgent level that is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    /// What needs a human.
    Error,
    /// Degraded service.
    Warn,
    /// Life cycle.
    Info,
    /// Everything but the innermost.
    Debug,
    /// Everything.
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// [`LogFormat::Journald`] when `JOURNAL_STREAM` is set, else [`LogFormat::Text`].
    Auto,
    /// With date and level; colours on a terminal.
    Text,
    /// Without date, with the `<N>` prefix of sd-daemon, since journald adds its own date.
    Journald,
}

impl Config {
    /// Reads a configuration file, or the built-in defaults when there is none, and lays the
    /// `--set` arguments over it.
    ///
    /// `state_dir` goes before what the file says. Relative paths of a file start at its folder;
    /// those of the defaults and of the command line at the working folder.
    #[must_use]
    pub fn load(
        path: Option<&Path>,
        overrides: &[String],
        state_dir: Option<&Path>,
    ) -> Checked<Self> {
        let mut findings = Findings::default();
        let read = match path {
            None => Some((MINIMAL_NAME.to_owned(), Arc::from(MINIMAL), PathBuf::new())),
            Some(path) => {
                let folder = path.parent().unwrap_or(Path::new("")).to_owned();
                let name = path.display().to_string();
                texts::read(path, texts::CONFIG_BYTES_MAX, &mut findings)
                    .map(|text| (name, text, folder))
            }
        };
        let Some((name, text, folder)) = read else { return Checked::new(findings, None) };
        let whole = findings.add_source(&name, Arc::clone(&text));
        let mut tree = document::parse(whole, &text, &mut findings);
        if findings.has_errors() {
            return Checked::new(findings, None);
        }
        for argument in overrides {
            document::lay_over(&mut tree, argument, &mut findings);
        }
        let mut written = file::read(whole, tree, &folder, &mut findings);
        if let Some(dir) = state_dir {
            written.state_dir = Some(dir.to_owned());
        }
        let config = check::check(written, whole, &mut findings);
        Checked::new(findings, Some(Self { origin: name, ..config }))
    }

    /// The built-in defaults.
    #[must_use]
    pub fn embedded() -> Checked<Self> {
        Self::load(None, &[], None)
    }

    /// Reads the inventory files that the configuration names.
    #[must_use]
    pub fn load_inventory(&self) -> Checked<Supervised> {
        inventory::load(&self.inventory)
    }

    /// Reads the rule files that the configuration names, in name order within each pattern. The
    /// built-in library is not among them.
    #[must_use]
    pub fn read_rules(&self) -> Checked<Vec<Text>> {
        let mut findings = Findings::default();
        let texts = texts::read_all(&self.rules.files, texts::RULES_BYTES_MAX, &mut findings);
        Checked::new(findings, Some(texts))
    }

    /// Addresses of every listener of a transport.
    pub fn addresses(&self, kind: &str) -> impl Iterator<Item = SocketAddr> {
        self.listeners
            .iter()
            .filter(move |listener| listener.transport.kind() == kind)
            .flat_map(|listener| listener.addresses.iter().copied())
    }
}

/// The state folder when neither file nor command line names one: that of systemd
/// (`STATE_DIRECTORY`), else `$XDG_STATE_HOME/vigie`, else `~/.local/state/vigie`, else
/// `vigie-state` in the working folder.
#[must_use]
pub fn default_state_dir() -> PathBuf {
    state_dir_from(|name| std::env::var_os(name).map(PathBuf::from))
}

fn state_dir_from(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    absolute("STATE_DIRECTORY")
        .or_else(|| absolute("XDG_STATE_HOME").map(|path| path.join("vigie")))
        .or_else(|| absolute("HOME").map(|path| path.join(".local/state/vigie")))
        .unwrap_or_else(|| PathBuf::from("vigie-state"))
}

#[cfg(test)]
mod tests;
