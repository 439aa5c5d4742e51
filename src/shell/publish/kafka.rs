//! The sink over librdkafka.
//!
//! A `BaseProducer`, not a `FutureProducer`: the latter allocates a channel per message and sleeps
//! on a full queue. Idempotent, without transactions. Callbacks only note what they are told; logs
//! of the library are limited, since a broker that is away makes them endless.

use crate::shell::clock;
use crate::shell::kafka_link;
use crate::shell::publish::cloud_event::{Message, Topic};
use crate::shell::publish::limiter::Limiter;
use crate::shell::publish::settings::KafkaSettings;
use crate::shell::publish::sink::{Outcome, SendError, Sink, Tag};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::statistics::Statistics;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A producer of its own; a failed one is dropped and another made.
pub struct KafkaSink {
    producer: BaseProducer<Notes>,
    event_topic: String,
    state_topic: String,
}

impl KafkaSink {
    /// Makes a producer. It connects by itself, now and whenever it has to.
    ///
    /// # Errors
    /// When librdkafka does not accept the settings.
    pub fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let mut config = ClientConfig::new();
        for (name, value) in settings.librdkafka() {
            config.set(name, value);
        }
        Ok(Self {
            producer: config.create_with_context(Notes::default())?,
            event_topic: settings.event_topic.clone(),
            state_topic: settings.state_topic.clone(),
        })
    }
}

impl Sink for KafkaSink {
    fn send(&mut self, message: &Message, tag: Tag) -> Result<(), SendError> {
        let topic = match message.topic {
            Topic::Event => &self.event_topic,
            Topic::State => &self.state_topic,
        };
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut record =
            BaseRecord::with_opaque_to(topic, Box::new(tag)).key(&message.key).headers(headers);
        record.payload = message.value.as_ref();
        self.producer.send(record).map_err(|(error, _)| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => SendError::Full,
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => SendError::Rejected(error.to_string()),
            _ => SendError::Failed(error.to_string()),
        })
    }

    fn poll(&mut self, patience: Duration, outcomes: &mut Vec<(Tag, Outcome)>) {
        self.producer.poll(patience);
        let notes = self.producer.context();
        outcomes.append(&mut notes.outcomes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn fatal(&self) -> Option<String> {
        self.producer.client().fatal_error().map(|(code, reason)| format!("{code}: {reason}"))
    }
}

/// What librdkafka tells.
#[derive(Default)]
struct Notes {
    outcomes: Mutex<Vec<(Tag, Outcome)>>,
    log_limiter: Limiter,
    error_limiter: Limiter,
}

impl ClientContext for Notes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if !kafka_link::is_warning(level) {
            tracing::debug!(facility, line, "librdkafka");
        } else if let Some(suppressed) = self.log_limiter.pass(clock::boot_ns()) {
            tracing::warn!(facility, line, suppressed, "librdkafka");
        }
    }

    fn stats(&self, statistics: Statistics) {
        let brokers_up = statistics.brokers.values().filter(|broker| broker.state == "UP").count();
        let (queued, sent) = (statistics.msg_cnt, statistics.txmsgs);
        tracing::debug!(queued, sent, brokers_up, "kafka statistics");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(suppressed) = self.error_limiter.pass(clock::boot_ns()) {
            tracing::warn!(%error, reason, suppressed, "kafka");
        }
    }
}

impl ProducerContext for Notes {
    type DeliveryOpaque = Box<Tag>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, tag: Box<Tag>) {
        let outcome = match delivered {
            Ok(_) => Outcome::Delivered,
            Err((error, _)) => match error.rdkafka_error_code() {
                Some(
                    RDKafkaErrorCode::MessageSizeTooLarge
                    | RDKafkaErrorCode::MessageBatchTooLarge
                    | RDKafkaErrorCode::InvalidRecord
                    | RDKafkaErrorCode::InvalidMessage,
                ) => Outcome::Rejected(error.to_string()),
                _ => Outcome::Failed(error.to_string()),
            },
        };
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push((*tag, outcome));
    }
}
