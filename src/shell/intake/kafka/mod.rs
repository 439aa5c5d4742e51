//! Samples from Kafka topics: a thread per source, in a consumer group.
//!
//! In: records, each of which holds what a request would. Out: what the series of their samples
//! tell, through [`crate::shell::series`], and the offset behind each record, which is stored (and
//! then committed by librdkafka) only when everything that the record tells is durable. So a kill
//! at any moment loses nothing: what was not committed is read again, and what the engine had of it
//! already changes nothing.
//!
//! A record that cannot be read is counted with its reason and passed over; one that could not be
//! made durable is read again, with all that follow it in its partition, after a pause.
//!
//! Reading order: `settings` (what librdkafka is told), `encoding` (which decoder a record is for),
//! `health` (whether records could come), `reader` (the thread), `progress` (how far it got).

mod encoding;
mod health;
mod progress;
mod reader;
mod settings;

pub use health::SourceStatus;
pub use reader::{KafkaReader, ReaderParts};

#[cfg(test)]
mod tests;
