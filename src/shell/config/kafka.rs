//! How vigie reaches Kafka: brokers, TLS, SASL and properties of librdkafka, as `[kafka]` and the
//! sources of kind "kafka" write them; and what else `[kafka]` says.
//!
//! In: a section. Out: [`KafkaLink`], which says where secrets are and holds none. What the
//! librdkafka of this build cannot do is refused here, since it is asked about every property.

use crate::shell::config::document::Value;
use crate::shell::config::fields::Fields;
use crate::shell::config::file::Base;
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use crate::shell::config::secret::{self, Origin, Secret};
use crate::shell::config::{Kafka, KafkaLink, KafkaSasl, KafkaTls, SaslMechanism};
use crate::shell::kafka_link;
use std::path::PathBuf;

/// A property that may not be written, and what to do instead.
pub(super) type Reserved = (&'static str, &'static str);

/// Properties that keys of the section say.
const SAID_BY_KEYS: [Reserved; 16] = [
    ("bootstrap.servers", BROKERS),
    ("metadata.broker.list", BROKERS),
    ("security.protocol", "leave it out: it follows from tls = { … } and sasl = { … }"),
    ("sasl.mechanism", SASL),
    ("sasl.mechanisms", SASL),
    ("sasl.username", SASL),
    ("sasl.password", SASL),
    ("ssl.ca.location", TLS),
    ("ssl.ca.pem", TLS),
    ("ssl.certificate.location", TLS),
    ("ssl.certificate.pem", TLS),
    ("ssl.key.location", TLS),
    ("ssl.key.pem", TLS),
    ("ssl.key.password", "leave it out: the private key is a file without passphrase"),
    ("ssl.keystore.location", TLS),
    ("ssl.keystore.password", TLS),
];
const BROKERS: &str = "write `brokers = [\"host:9092\"]`";
const SASL: &str =
    "write sasl = { mechanism = \"SCRAM-SHA-512\", username = \"NAME\", password = { … } }";
const TLS: &str =
    "write tls = { ca = \"FILE\" }, with certificate and key if the brokers ask for them";

/// Properties that the promises of publishing rest on.
const SET_BY_PUBLISHING: [Reserved; 4] = [
    ("enable.idempotence", "leave it out: the producer is always idempotent"),
    ("acks", "leave it out: every replica in sync must acknowledge"),
    ("request.required.acks", "leave it out: every replica in sync must acknowledge"),
    ("transactional.id", "leave it out: vigie uses no transactions"),
];

/// Reads `[kafka]`.
pub(super) fn read(fields: &mut Fields<'_>, base: &Base<'_>) -> Kafka {
    let link = link(fields, &SET_BY_PUBLISHING, base);
    let place = fields.place();
    let mut topic = |key, default: &str| {
        let written = fields.text(key);
        let topic = written.unwrap_or_else(|| Located { value: default.to_owned(), place });
        check_topic(&topic, fields.findings);
        topic
    };
    let event_topic = topic("event_topic", "vigie.events");
    let state_topic = topic("state_topic", "vigie.incidents");
    if event_topic.value == state_topic.value {
        let remedy = "give the compacted topic of states a name of its own";
        fields.findings.error(state_topic.place, "events and states share a topic", remedy);
    }
    Kafka { link, event_topic: event_topic.value, state_topic: state_topic.value }
}

/// Reads the keys that say how to reach the brokers. `reserved` are further properties that may
/// not be written.
pub(super) fn link(fields: &mut Fields<'_>, reserved: &[Reserved], base: &Base<'_>) -> KafkaLink {
    let brokers = fields.texts("brokers").unwrap_or_default();
    if brokers.is_empty() {
        let message = format!("{} names no broker", fields.what());
        let remedy = "add brokers = [\"host:9092\"], or remove the section";
        fields.findings.error(fields.place_of(&["brokers"]), message, remedy);
    }
    for broker in &brokers {
        check_broker(broker, fields.findings);
    }
    let tls = tls(fields, base);
    let sasl = sasl(fields, base);
    let is_readable = |sasl: &KafkaSasl| sasl.mechanism == SaslMechanism::Plain && tls.is_none();
    if sasl.as_ref().is_some_and(is_readable) && !fields.was_read("tls") {
        let message = "the password travels readable to the brokers";
        let remedy = "add tls = { ca = \"FILE\" }, or keep it on a network that nobody listens to";
        fields.findings.warning(fields.place_of(&["sasl"]), message, remedy);
    }
    let properties = properties(fields, reserved);
    let brokers = brokers.into_iter().map(|broker| broker.value).collect();
    KafkaLink { brokers, tls, sasl, properties }
}

fn tls(fields: &mut Fields<'_>, base: &Base<'_>) -> Option<KafkaTls> {
    let words = "ca = \"FILE\", or with nothing for the authorities of the system";
    let mut fields = secret::braces(fields, "tls", words)?;
    check_build(fields.place(), "TLS", fields.findings);
    let authority = secret::named_file("ca", &mut fields, base);
    let certificate = secret::named_file("certificate", &mut fields, base);
    let key = secret::private_key(&mut fields, base);
    let identity = identity(certificate, key, &mut fields);
    fields.finish();
    Some(KafkaTls { authority, identity })
}

fn identity(
    certificate: Option<(PathBuf, Origin)>,
    key: Option<Secret>,
    fields: &mut Fields<'_>,
) -> Option<((PathBuf, Origin), Secret)> {
    for (known, other) in [("certificate", "key"), ("key", "certificate")] {
        if fields.was_read(known) && !fields.was_read(other) {
            fields.missing(other);
        }
    }
    certificate.zip(key)
}

const MECHANISMS: [(&str, SaslMechanism); 3] = [
    ("PLAIN", SaslMechanism::Plain),
    ("SCRAM-SHA-256", SaslMechanism::ScramSha256),
    ("SCRAM-SHA-512", SaslMechanism::ScramSha512),
];

fn sasl(fields: &mut Fields<'_>, base: &Base<'_>) -> Option<KafkaSasl> {
    let words = "mechanism, username and password";
    let mut fields = secret::braces(fields, "sasl", words)?;
    let mechanism = if fields.has("mechanism") {
        fields.choice("mechanism", &MECHANISMS)
    } else {
        fields.missing("mechanism");
        None
    };
    if mechanism.is_some_and(|one| one != SaslMechanism::Plain) {
        let place = fields.place_of(&["mechanism"]);
        check_build(place, "SCRAM", fields.findings);
    }
    let username = fields.required_text("username");
    if !fields.has("password") {
        fields.missing("password");
    }
    let words = "credential = \"NAME\" or file = \"FILE\"";
    let password = secret::braces(&mut fields, "password", words).and_then(|mut inner| {
        let secret = secret::read(&mut inner, base);
        inner.finish();
        secret
    });
    fields.finish();
    Some(KafkaSasl { mechanism: mechanism?, username: username?.value, password: password? })
}

/// Whether the build can do what needs OpenSSL.
fn check_build(place: Place, what: &str, findings: &mut Findings) {
    if !kafka_link::HAS_TLS {
        let message = format!("this vigie was built without {what} towards Kafka");
        findings.error(place, message, NEEDS_FEATURE);
    }
}

const NEEDS_FEATURE: &str = "build it with --features kafka-tls, or leave this out";

fn properties(fields: &mut Fields<'_>, reserved: &[Reserved]) -> Vec<(String, String)> {
    let mut properties = Vec::new();
    let Some(table) = fields.table("properties") else { return properties };
    for (name, entry) in table.value {
        let value = match entry.node.value {
            Value::Text(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            other @ (Value::List(_) | Value::Table(_) | Value::Decimal | Value::Date) => {
                let message = format!("a property cannot be {}", other.kind());
                let remedy = "properties have dots in their names: write them between \
                              quotes, \"linger.ms\" = 5";
                fields.findings.error(entry.key_place, message, remedy);
                continue;
            }
        };
        let name = Located { value: name, place: entry.key_place };
        check_property(&name, &value, reserved, fields.findings);
        properties.push((name.value, value));
    }
    properties
}

fn check_property(
    name: &Located<String>,
    value: &str,
    reserved: &[Reserved],
    findings: &mut Findings,
) {
    let mut all = SAID_BY_KEYS.iter().chain(reserved);
    if let Some((known, remedy)) = all.find(|(known, _)| *known == name.value) {
        findings.error(name.place, format!("`{known}` is set by vigie"), *remedy);
        return;
    }
    let is_secret = |word: &&str| name.value.contains(*word);
    if ["password", "secret", ".pem", "oauthbearer.config"].iter().any(is_secret) {
        let message = format!("{} is a secret, and many can read it here", quoted(&name.value));
        let remedy = "leave it out: secrets are given by sasl = { … } and tls = { … }";
        findings.error(name.place, message, remedy);
        return;
    }
    if let Err(reason) = kafka_link::check_property(&name.value, value) {
        let message = format!("librdkafka does not take {}: {reason}", quoted(&name.value));
        let is_of_build = !kafka_link::HAS_TLS && reason.contains("OpenSSL");
        let remedy = if is_of_build {
            NEEDS_FEATURE
        } else {
            "its names and values are in CONFIGURATION.md of librdkafka"
        };
        findings.error(name.place, message, remedy);
    }
}

/// Whether a name can be that of a topic.
pub(super) fn check_topic(topic: &Located<String>, findings: &mut Findings) {
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
