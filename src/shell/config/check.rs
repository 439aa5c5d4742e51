//! From what is written to what is meant: what must hold between the values of a file.

use crate::model::settings::TicketSettings;
use crate::shell::config::file::{Written, WrittenKafka};
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use crate::shell::config::listeners::{Listener, Transport};
use crate::shell::config::{Config, Kafka, State, default_state_dir};

/// Properties that vigie's own promises rest on, or that other keys say.
const RESERVED_PROPERTIES: [(&str, &str); 6] = [
    ("bootstrap.servers", "write `brokers = [\"host:9092\"]` in [kafka]"),
    ("metadata.broker.list", "write `brokers = [\"host:9092\"]` in [kafka]"),
    ("enable.idempotence", "leave it out: the producer is always idempotent"),
    ("acks", "leave it out: every replica in sync must acknowledge"),
    ("request.required.acks", "leave it out: every replica in sync must acknowledge"),
    ("transactional.id", "leave it out: vigie uses no transactions"),
];

/// Checks the file as a whole. What comes out is used only if there is no mistake. The caller
/// fills in the origin.
pub(super) fn check(written: Written, whole: Place, findings: &mut Findings) -> Config {
    check_listeners(&written.listeners, whole, findings);
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
        kafka: written.kafka.map(|kafka| check_kafka(kafka, findings)),
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

fn check_kafka(kafka: WrittenKafka, findings: &mut Findings) -> Kafka {
    if kafka.brokers.is_empty() {
        findings.error(
            kafka.place,
            "[kafka] names no broker",
            "add brokers = [\"host:9092\"], or remove the section to send nothing",
        );
    }
    for broker in &kafka.brokers {
        check_broker(broker, findings);
    }
    for topic in [&kafka.event_topic, &kafka.state_topic] {
        let fits = (1..=249).contains(&topic.value.len())
            && topic.value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            && topic.value != "."
            && topic.value != "..";
        if !fits {
            let message = format!("{} is no topic name", quoted(&topic.value));
            let remedy = "use up to 249 letters, digits, `.`, `_` and `-`";
            findings.error(topic.place, message, remedy);
        }
    }
    if kafka.event_topic.value == kafka.state_topic.value {
        let remedy = "give the compacted topic of states a name of its own";
        findings.error(kafka.state_topic.place, "events and states share a topic", remedy);
    }
    for (name, _) in &kafka.properties {
        let reserved = RESERVED_PROPERTIES.iter().find(|(known, _)| *known == name.value);
        if let Some((known, remedy)) = reserved {
            findings.error(name.place, format!("`{known}` is set by vigie"), *remedy);
        }
    }
    Kafka {
        brokers: kafka.brokers.into_iter().map(|broker| broker.value).collect(),
        event_topic: kafka.event_topic.value,
        state_topic: kafka.state_topic.value,
        properties: kafka.properties.into_iter().map(|(name, value)| (name.value, value)).collect(),
    }
}

fn check_broker(broker: &Located<String>, findings: &mut Findings) {
    let port = broker.value.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    let fits = match port {
        Some((host, Ok(port))) => port != 0 && !host.is_empty() && !host.contains([',', ' ', '/']),
        Some((_, Err(_))) | None => false,
    };
    if !fits {
        let message = format!("{} is no broker", quoted(&broker.value));
        let remedy =
            "write host:port, each broker as a string of its own: [\"a:9092\", \"b:9092\"]";
        findings.error(broker.place, message, remedy);
    }
}
