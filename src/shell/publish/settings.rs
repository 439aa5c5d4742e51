//! What an operator sets for Kafka.

use crate::shell::kafka_link::Properties;
use std::collections::BTreeMap;
use std::fmt;

/// Where decisions go.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port` of some brokers, separated by commas.
    pub brokers: String,
    /// Topic of every change of incidents and tickets.
    pub event_topic: String,
    /// Compacted topic of the last image of every incident.
    pub state_topic: String,
    /// CloudEvents `source`: which vigie speaks.
    pub source: String,
    /// Further properties of librdkafka (compression, limits); they override the defaults of
    /// vigie, but for what its guarantees rest on.
    pub properties: BTreeMap<String, String>,
    /// Properties of TLS and SASL, secrets among them.
    pub access: Properties,
}

/// Secrets are not shown.
impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { brokers, event_topic, state_topic, source, properties, access: _ } = self;
        f.debug_struct("KafkaSettings")
            .field("brokers", brokers)
            .field("event_topic", event_topic)
            .field("state_topic", state_topic)
            .field("source", source)
            .field("properties", properties)
            .finish_non_exhaustive()
    }
}

impl KafkaSettings {
    /// Settings with the default topics. `place` names this vigie: its host or number series.
    #[must_use]
    pub fn new(brokers: &str, place: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            event_topic: "vigie.events".to_owned(),
            state_topic: "vigie.incidents".to_owned(),
            source: format!("/vigie/{place}"),
            properties: BTreeMap::new(),
            access: Properties::new(),
        }
    }

    /// Properties of librdkafka in the order in which they are to be set: defaults, the
    /// operator's, and last what may not be changed: without idempotence and every replica's word
    /// the cursor would mean nothing.
    pub fn librdkafka(&self) -> impl Iterator<Item = (&str, &str)> {
        let defaults = [
            ("client.id", "vigie"),
            ("linger.ms", "5"),
            ("queue.buffering.max.kbytes", "65536"),
            ("queue.buffering.max.messages", "100000"),
            ("message.timeout.ms", "300000"),
            ("statistics.interval.ms", "60000"),
            // The partition of a key as every Java client computes it.
            ("partitioner", "murmur2_random"),
        ];
        let own = self.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let access = self.access.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fixed = [
            ("bootstrap.servers", self.brokers.as_str()),
            ("enable.idempotence", "true"),
            ("acks", "all"),
        ];
        defaults.into_iter().chain(own).chain(access).chain(fixed)
    }
}
