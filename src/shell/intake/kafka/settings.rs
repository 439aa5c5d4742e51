//! What librdkafka is told about a source.

use crate::shell::config::{Begin, KafkaSource};
use crate::shell::kafka_link::Properties;
use rdkafka::config::ClientConfig;

/// How often the state of brokers and group is told, ms. What is alive is seen by it.
const STATISTICS_EVERY_MS: &str = "5000";

/// Properties in the order in which they count: defaults, the operator's, and last what may not be
/// changed: offsets are stored by vigie, once what was read is durable.
pub(super) fn client_config(source: &KafkaSource, access: &Properties) -> ClientConfig {
    let begin = match source.begin {
        Begin::Earliest => "earliest",
        Begin::Latest => "latest",
    };
    let defaults = [
        ("client.id", "vigie"),
        // What is repeated after a kill.
        ("auto.commit.interval.ms", "1000"),
        // What waits in memory. The defaults of librdkafka are made for those who only count.
        ("queued.min.messages", "2000"),
        ("queued.max.messages.kbytes", "32768"),
        ("reconnect.backoff.max.ms", "5000"),
        // New partitions, and topics that were not there, are found within a minute.
        ("topic.metadata.refresh.interval.ms", "60000"),
    ];
    let fixed = [
        ("group.id", source.group.as_str()),
        ("auto.offset.reset", begin),
        ("enable.auto.commit", "true"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "false"),
        ("statistics.interval.ms", STATISTICS_EVERY_MS),
    ];
    let mut config = ClientConfig::new();
    for (name, value) in defaults {
        config.set(name, value);
    }
    for (name, value) in source.link.properties.iter().chain(access) {
        config.set(name, value);
    }
    for (name, value) in fixed {
        config.set(name, value);
    }
    config
}
