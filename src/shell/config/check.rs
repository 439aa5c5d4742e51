//! From what is written to what is meant: what must hold between the values of a file.

use crate::model::settings::TicketSettings;
use crate::shell::config::file::Written;
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use crate::shell::config::listeners::{Listener, Transport};
use crate::shell::config::{Config, State, default_state_dir};

/// Checks the file as a whole. What comes out is used only if there is no mistake. The caller
/// fills in the origin.
pub(super) fn check(written: Written, whole: Place, findings: &mut Findings) -> Config {
    if written.sources.is_empty() {
        check_listeners(&written.listeners, whole, findings);
    }
    check_tickets(&written.tickets, findings);
    let journal = written.journal;
    if journal.value.retain_bytes < journal.value.segment_bytes.saturating_mul(4) {
        findings.error(
            journal.place,
            "the journal keeps fewer than four segments",
            "raise `retain_gib` or lower `segment_mib`: only whole segments can go",
        );
    }
    let history = written.history;
    if history.value.keep_tickets_days < history.value.keep_days {
        findings.error(
            history.place,
            "tickets of contracts would go before everything else of the history",
            "raise `keep_tickets_days` or lower `keep_days`",
        );
    }
    let rules = written.rules;
    if !rules.value.builtin && rules.value.files.is_empty() {
        findings.warning(
            rules.place,
            "no rules at all: every trap is unclassified and every syslog line ignored",
            "set `builtin = true` or name `files`",
        );
    }
    let state = State {
        dir: written.state_dir.unwrap_or_else(default_state_dir),
        snapshot_every: written.snapshot_every,
        snapshot_every_bytes: written.snapshot_every_bytes,
    };
    Config {
        origin: String::new(),
        listeners: written.listeners,
        sources: written.sources,
        store_path: written.store_path.unwrap_or_else(|| state.dir.join("history.db")),
        state,
        clock_alarm: written.clock_alarm,
        history: history.value,
        journal: journal.value,
        correlation: written.correlation,
        tickets: written.tickets.value,
        alerts: written.alerts,
        rules: rules.value,
        inventory: written.inventory,
        kafka: written.kafka,
        metrics: written.metrics,
        log: written.log,
    }
}

fn check_listeners(listeners: &[Listener], whole: Place, findings: &mut Findings) {
    let hears = |listener: &Listener| !matches!(listener.transport, Transport::Http { .. });
    if !listeners.is_empty() && !listeners.iter().any(hears) {
        findings.warning(
            whole,
            "no listener hears equipment",
            "add one of kind \"snmp-trap\", \"syslog-udp\" or \"syslog-tcp\"",
        );
    }
}

fn check_tickets(tickets: &Located<TicketSettings>, findings: &mut Findings) {
    let TicketSettings { series, observe_series, .. } = &tickets.value;
    if series == observe_series {
        findings.error(
            tickets.place,
            format!("`series` and `observe_series` are both {}", quoted(series)),
            "give rehearsals a series of their own, so that real numbers have no holes",
        );
    }
}
