//! What is written: the sections of a configuration file, each value with its own type and range.
//! What must hold *between* values is for `check`.

use crate::model::limits::METRICS_BODY_BYTES_MAX;
use crate::model::settings::{CorrelationSettings, TicketSettings};
use crate::shell::config::document::Table;
use crate::shell::config::fields::Fields;
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use crate::shell::config::kafka;
use crate::shell::config::listeners::{self, Listener};
use crate::shell::config::sources::{self, KafkaSource};
use crate::shell::config::{
    Alerts, History, Journal, Kafka, Log, LogFormat, LogLevel, Metrics, Rules, Sync,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file's sections, defaults filled in.
#[derive(Debug)]
pub(super) struct Written {
    /// `[listeners.*]`.
    pub(super) listeners: Vec<Listener>,
    /// `[sources.*]`.
    pub(super) sources: Vec<KafkaSource>,
    /// `[state] dir`.
    pub(super) state_dir: Option<PathBuf>,
    /// `[state] snapshot_every_min`.
    pub(super) snapshot_every: Duration,
    /// `[state] snapshot_every_mib`.
    pub(super) snapshot_every_bytes: u64,
    /// `[journal]`.
    pub(super) journal: Located<Journal>,
    /// `[correlation]`.
    pub(super) correlation: CorrelationSettings,
    /// `[tickets]`.
    pub(super) tickets: Located<TicketSettings>,
    /// `[alerts]`.
    pub(super) alerts: Alerts,
    /// `[rules]`.
    pub(super) rules: Located<Rules>,
    /// `[inventory] files`.
    pub(super) inventory: Vec<PathBuf>,
    /// `[kafka]`.
    pub(super) kafka: Option<Kafka>,
    /// `[clock] alarm`.
    pub(super) clock_alarm: bool,
    /// `[store] path`.
    pub(super) store_path: Option<PathBuf>,
    /// `[metrics]`.
    pub(super) metrics: Metrics,
    /// `[history]`.
    pub(super) history: Located<History>,
    /// `[log]`.
    pub(super) log: Log,
}

/// Reads every section.
pub(super) fn read(whole: Place, tree: Table, folder: &Path, findings: &mut Findings) -> Written {
    let mut top = Fields::new("the configuration", whole, tree, findings);
    let written_listeners = top.table("listeners");
    let written_sources = top.table("sources");
    let mut section =
        |name: &'static str| Section { what: format!("[{name}]"), table: top.table(name) };
    let (state, journal, correlation) =
        (section("state"), section("journal"), section("correlation"));
    let (tickets, rules, inventory) = (section("tickets"), section("rules"), section("inventory"));
    let (kafka_sink, store, log) = (section("kafka"), section("store"), section("log"));
    let (clock, history) = (section("clock"), section("history"));
    let (alerts, metrics) = (section("alerts"), section("metrics"));
    top.finish();
    let base = Base { whole, folder };
    let (state_dir, snapshot_every, snapshot_every_bytes) = state.read(whole, findings, |fields| {
        let dir = base.path(fields, "dir");
        let minutes = fields.integer("snapshot_every_min", 1..=1_440_u64).unwrap_or(15);
        let mib = fields.integer("snapshot_every_mib", 1..=65_536_u64).unwrap_or(256);
        (dir, Duration::from_secs(minutes.saturating_mul(60)), mebibytes(mib))
    });
    Written {
        listeners: listeners::read(&base, written_listeners, findings),
        sources: sources::read(&base, written_sources, findings),
        state_dir,
        snapshot_every,
        snapshot_every_bytes,
        journal: journal.read(whole, findings, read_journal),
        correlation: correlation.read(whole, findings, read_correlation),
        tickets: tickets.read(whole, findings, read_tickets),
        alerts: alerts.read(whole, findings, |fields| {
            let seconds = fields.integer("resolve_timeout_s", 1..=86_400_u64).unwrap_or(300);
            Alerts { resolve_timeout: Duration::from_secs(seconds) }
        }),
        rules: rules.read(whole, findings, |fields| {
            let value = Rules {
                builtin: fields.boolean("builtin").unwrap_or(true),
                files: base.paths(fields, "files"),
            };
            Located { value, place: fields.place_of(&["builtin", "files"]) }
        }),
        inventory: inventory.read(whole, findings, |fields| base.paths(fields, "files")),
        kafka: kafka_sink
            .table
            .is_some()
            .then(|| kafka_sink.read(whole, findings, |fields| kafka::read(fields, &base))),
        clock_alarm: clock.read(whole, findings, |fields| fields.boolean("alarm").unwrap_or(true)),
        store_path: store.read(whole, findings, |fields| base.path(fields, "path")),
        metrics: metrics.read(whole, findings, read_metrics),
        history: history.read(whole, findings, |fields| {
            let value = History {
                keep_days: fields.integer("keep_days", 1..=36_500).unwrap_or(400),
                keep_tickets_days: fields.integer("keep_tickets_days", 1..=36_500).unwrap_or(3_650),
            };
            Located { value, place: fields.place_of(&["keep_days", "keep_tickets_days"]) }
        }),
        log: log.read(whole, findings, read_log),
    }
}

/// A section that may be absent; then every key has its default.
struct Section {
    what: String,
    table: Option<Located<Table>>,
}

impl Section {
    fn read<T>(
        self,
        whole: Place,
        findings: &mut Findings,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> T {
        let (place, table) = match self.table {
            Some(found) => (found.place, found.value),
            None => (whole, Table::new()),
        };
        let mut fields = Fields::new(&self.what, place, table, findings);
        let value = read(&mut fields);
        fields.finish();
        value
    }
}

/// Where relative paths start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base<'a> {
    /// The configuration file.
    pub(super) whole: Place,
    /// Its folder.
    pub(super) folder: &'a Path,
}

impl Base<'_> {
    fn path(&self, fields: &mut Fields<'_>, key: &'static str) -> Option<PathBuf> {
        let text = fields.text(key)?;
        self.resolve(&text, fields.findings)
    }

    fn paths(&self, fields: &mut Fields<'_>, key: &'static str) -> Vec<PathBuf> {
        let texts = fields.texts(key).unwrap_or_default();
        texts.iter().filter_map(|text| self.resolve(text, fields.findings)).collect()
    }

    /// A path of the file starts at the file's folder, one of `--set` at the working folder.
    pub(super) fn resolve(
        &self,
        text: &Located<String>,
        findings: &mut Findings,
    ) -> Option<PathBuf> {
        if text.value.trim().is_empty() || text.value.contains('\0') {
            findings.error(text.place, "not a path", "write a path, or leave the key out");
            return None;
        }
        let path = Path::new(&text.value);
        let is_written_here = text.place.is_beside(self.whole);
        Some(if is_written_here { self.folder.join(path) } else { path.to_owned() })
    }
}

fn mebibytes(count: u64) -> u64 {
    count.saturating_mul(1024 * 1024)
}

fn read_journal(fields: &mut Fields<'_>) -> Located<Journal> {
    let segment_mib = fields.integer("segment_mib", 1..=4_096_u64).unwrap_or(64);
    let retain_gib = fields.integer("retain_gib", 1..=1_048_576_u64).unwrap_or(20);
    let sync = fields.choice("sync", &[("disk", Sync::Disk), ("kernel", Sync::Kernel)]);
    let value = Journal {
        segment_bytes: mebibytes(segment_mib),
        retain_bytes: mebibytes(retain_gib.saturating_mul(1024)),
        sync: sync.unwrap_or(Sync::Disk),
    };
    Located { value, place: fields.place_of(&["segment_mib", "retain_gib"]) }
}

fn read_correlation(fields: &mut Fields<'_>) -> CorrelationSettings {
    let default = CorrelationSettings::default();
    CorrelationSettings {
        hold_off_ms: fields.integer("hold_off_ms", 0..=3_600_000).unwrap_or(default.hold_off_ms),
        flap_toggles: fields.integer("flap_toggles", 2..=1_000).unwrap_or(default.flap_toggles),
        flap_window_ms: fields
            .integer("flap_window_ms", 1_000..=86_400_000)
            .unwrap_or(default.flap_window_ms),
        flap_quiet_ms: fields
            .integer("flap_quiet_ms", 1_000..=86_400_000)
            .unwrap_or(default.flap_quiet_ms),
        simultaneous_ms: fields
            .integer("simultaneous_ms", 0..=10_000)
            .unwrap_or(default.simultaneous_ms),
        withdraw_after_h: fields
            .integer("withdraw_after_h", 2..=8_760)
            .unwrap_or(default.withdraw_after_h),
    }
}

fn read_tickets(fields: &mut Fields<'_>) -> Located<TicketSettings> {
    let default = TicketSettings::default();
    let normal = read_series(fields, "series").unwrap_or(default.series);
    let rehearsal = read_series(fields, "observe_series").unwrap_or(default.observe_series);
    let value = TicketSettings {
        series: normal,
        observe_series: rehearsal,
        unknown_senders_open: fields
            .boolean("unknown_senders_open")
            .unwrap_or(default.unknown_senders_open),
        observe: fields.boolean("observe").unwrap_or(default.observe),
        stable_min: fields.integer("stable_min", 0..=1_440).unwrap_or(default.stable_min),
        confirmation_delay_min: fields
            .integer("confirmation_delay_min", 0..=1_440)
            .unwrap_or(default.confirmation_delay_min),
    };
    Located { value, place: fields.place_of(&["series", "observe_series"]) }
}

fn read_series(fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
    let Located { value, place } = fields.text(key)?;
    let fits = (1..=16).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !fits {
        let message = format!("{} is no {key} of ticket numbers", quoted(&value));
        let remedy = "use 1 to 16 capital letters and digits: VIG gives VIG-000001";
        fields.findings.error(place, message, remedy);
    }
    Some(value)
}

fn read_metrics(fields: &mut Fields<'_>) -> Metrics {
    let bytes = fields.integer("body_bytes_max", 1_024..=METRICS_BODY_BYTES_MAX);
    let backfill_s = fields.integer("backfill_after_s", 1..=604_800_u64);
    Metrics {
        body_bytes_max: bytes.unwrap_or(16 * 1024 * 1024),
        backfill_after: Duration::from_secs(backfill_s.unwrap_or(300)),
    }
}

fn read_log(fields: &mut Fields<'_>) -> Log {
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let formats =
        [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("journald", LogFormat::Journald)];
    Log {
        level: fields.choice("level", &levels).unwrap_or(LogLevel::Info),
        format: fields.choice("format", &formats).unwrap_or(LogFormat::Auto),
    }
}
