//! `[sources.NAME]`: where vigie fetches what nobody sends to it. So far samples, from Kafka.

use crate::decode::metrics::line_protocol::Precision;
use crate::shell::config::KafkaLink;
use crate::shell::config::document::{Table, Value};
use crate::shell::config::fields::Fields;
use crate::shell::config::file::Base;
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use crate::shell::config::kafka::{self, Reserved};

/// Sources at most: each has a thread of its own.
const SOURCES_MAX: usize = 16;
/// Topics of a source at most.
const TOPICS_MAX: usize = 64;

/// Topics that samples are fetched from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaSource {
    /// Name: the metrics' label, and the qualifier of its alarm.
    pub name: String,
    /// How the brokers are reached.
    pub link: KafkaLink,
    /// Which topics.
    pub topics: Vec<String>,
    /// The consumer group, under which the brokers keep how far vigie has read.
    pub group: String,
    /// How records are written that do not say it themselves.
    pub encoding: Encoding,
    /// Unit of the timestamps of line protocol.
    pub precision: Precision,
    /// Where a group begins that has read nothing.
    pub begin: Begin,
    /// Header of a record that names its sender; without it the topic stands for it.
    pub sender_header: Option<String>,
}

/// How records are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Prometheus remote write 1.0 or 2.0, compressed with snappy or plain.
    RemoteWrite,
    /// OpenTelemetry metrics, protobuf.
    Otlp,
    /// OpenTelemetry metrics, JSON.
    OtlpJson,
    /// InfluxDB line protocol.
    Influx,
}

/// Where a group begins that has read nothing, or whose place the brokers have no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// At the oldest record.
    Earliest,
    /// Behind the newest record.
    Latest,
}

const ENCODINGS: [(&str, Encoding); 4] = [
    ("remote-write", Encoding::RemoteWrite),
    ("otlp", Encoding::Otlp),
    ("otlp-json", Encoding::OtlpJson),
    ("influx", Encoding::Influx),
];

const PRECISIONS: [(&str, Precision); 6] = [
    ("ns", Precision::Nanosecond),
    ("us", Precision::Microsecond),
    ("ms", Precision::Millisecond),
    ("s", Precision::Second),
    ("m", Precision::Minute),
    ("h", Precision::Hour),
];

/// Properties that "nothing is lost" rests on, or that keys say.
const SET_BY_READING: [Reserved; 8] = [
    ("group.id", "write `group_id`"),
    ("auto.offset.reset", "write `begin`"),
    ("enable.auto.commit", OFFSETS),
    ("auto.commit.enable", OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("offset.store.method", OFFSETS),
    ("enable.partition.eof", "leave it out: vigie waits at the end of a topic"),
    ("statistics.interval.ms", "leave it out: vigie watches the brokers by it"),
];
const OFFSETS: &str = "leave it out: what was read is committed once it is durable";

/// Reads every source.
pub(super) fn read(
    base: &Base<'_>,
    written: Option<Located<Table>>,
    findings: &mut Findings,
) -> Vec<KafkaSource> {
    let Some(written) = written else { return Vec::new() };
    if written.value.len() > SOURCES_MAX {
        let message = format!("{} sources", written.value.len());
        findings.error(written.place, message, format!("write at most {SOURCES_MAX} of them"));
    }
    let mut sources = Vec::new();
    for (name, entry) in written.value {
        check_name(&name, entry.key_place, findings);
        let what = format!("[sources.{name}]");
        let Value::Table(table) = entry.node.value else {
            let remedy = format!("write it as a section: {what}");
            findings.error(entry.key_place, format!("{} is no section", quoted(&name)), remedy);
            continue;
        };
        let fields = Fields::new(&what, entry.key_place, table, findings);
        sources.extend(source(&name, fields, base));
    }
    sources
}

fn check_name(name: &str, place: Place, findings: &mut Findings) {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !fits {
        let message = format!("{} is no name for a source", quoted(name));
        let remedy = "use 1 to 64 letters, digits, `-`, `_` and `.`: it labels metrics and alarms";
        findings.error(place, message, remedy);
    }
}

fn source(name: &str, mut fields: Fields<'_>, base: &Base<'_>) -> Option<KafkaSource> {
    if !fields.has("kind") {
        fields.missing("kind");
        return None;
    }
    fields.choice("kind", &[("kafka", ())])?;
    let link = kafka::link(&mut fields, &SET_BY_READING, base);
    let topics = topics(&mut fields);
    let encoding = if fields.has("encoding") {
        fields.choice("encoding", &ENCODINGS)
    } else {
        fields.missing("encoding");
        None
    };
    let group = fields.text("group_id");
    if let Some(group) = &group
        && (group.value.is_empty() || group.value.len() > 249)
    {
        let message = format!("{} is no consumer group", quoted(&group.value));
        fields.findings.error(group.place, message, "use 1 to 249 bytes, or leave it out");
    }
    let begin = [("earliest", Begin::Earliest), ("latest", Begin::Latest)];
    let begin = fields.choice("begin", &begin).unwrap_or(Begin::Earliest);
    let has_header = fields.has("sender_header");
    let header = if has_header { fields.required_text("sender_header") } else { None };
    let precision = precision(encoding, &mut fields);
    fields.finish();
    Some(KafkaSource {
        name: name.to_owned(),
        link,
        topics,
        group: group.map_or_else(|| "vigie".to_owned(), |group| group.value),
        encoding: encoding?,
        precision,
        begin,
        sender_header: header.map(|header| header.value),
    })
}

fn precision(encoding: Option<Encoding>, fields: &mut Fields<'_>) -> Precision {
    if encoding.is_some_and(|encoding| encoding != Encoding::Influx) {
        let why = "leave it out: only line protocol leaves the unit of its timestamps open";
        fields.refuse("precision", why);
    }
    fields.choice("precision", &PRECISIONS).unwrap_or(Precision::Nanosecond)
}

fn topics(fields: &mut Fields<'_>) -> Vec<String> {
    let written = fields.texts("topics").unwrap_or_default();
    if written.is_empty() || written.len() > TOPICS_MAX {
        let message = format!("{} names {} topics", fields.what(), written.len());
        let remedy = format!("write topics = [\"NAME\"], 1 to {TOPICS_MAX} of them");
        fields.findings.error(fields.place_of(&["topics"]), message, remedy);
    }
    let mut topics: Vec<String> = Vec::new();
    for topic in written {
        // `^` would make a pattern of it; it is no character of a name.
        kafka::check_topic(&topic, fields.findings);
        if topics.contains(&topic.value) {
            let message = format!("{} is there twice", quoted(&topic.value));
            fields.findings.error(topic.place, message, "remove one of them");
        }
        topics.push(topic.value);
    }
    topics
}
