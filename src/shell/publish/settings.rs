//! What an operator sets for Kafka.

use std::collections::BTreeMap;

/// Where decisions go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaSettings {
    /// `host:port` of some brokers, separated by commas.
    pub brokers: String,
    /// Topic of every change of incidents and tickets.
    pub event_topic: String,
    /// Compacted topic of the last image of every incident.
    pub state_topic: String,
    /// CloudEvents `source`: which vigie speaks.
    pub source: String,
    /// Further properties of librdkafka (security, compression, limits); they override the
    /// defaults of vigie, but for what its guarantees rest on.
    pub properties: BTreeMap<String, String>,
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
        let fixed = [
            ("bootstrap.servers", self.brokers.as_str()),
            ("enable.idempotence", "true"),
            ("acks", "all"),
        ];
        defaults.into_iter().chain(own).chain(fixed)
    }
}
